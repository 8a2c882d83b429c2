"""The readers of public datasets: each module here is one, under its own name. A new dataset is a new file, and nothing
else."""

import importlib
import pkgutil

from dualmod.data.reader import Reader


def reader_names() -> list[str]:
    """The readers that there are."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def load_reader(name: str) -> type[Reader]:
    """The reader of a name.

    Raises:
        ValueError: for a name that is not in ``reader_names``.
    """
    if name not in reader_names():
        raise ValueError(f"there is no reader {name}; legal: {', '.join(reader_names())}")
    return importlib.import_module(f"{__name__}.{name}").Layout


def open_reader(entry: str) -> Reader | None:
    """The dataset behind ``NAME:PATH``, or None where ``entry`` is not of that form but a plain name or path.

    Raises:
        FileNotFoundError: when there is nothing at the path.
        ValueError: when the name is unknown.
    """
    name, colon, path = entry.partition(":")
    if not colon or not name.isidentifier():
        return None
    return load_reader(name)(path)
