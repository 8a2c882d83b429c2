"""The export formats: each module here is one, under its own name. A new format is a new file, and nothing else."""

import importlib
import pkgutil

from synth.dataset.exporter import Exporter


def format_names() -> list[str]:
    """The formats that there are."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def load_format(name: str) -> type[Exporter]:
    """The exporter of a format.

    Raises:
        ValueError: for a name that is not in ``format_names``.
    """
    if name not in format_names():
        raise ValueError(f"format={name} is unknown; legal: {', '.join(format_names())}")
    return importlib.import_module(f"{__name__}.{name}").Format
