"""Run the stages from Python; each takes the options of its command."""

import dataclasses
import importlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from handbridge.cli import VERBS
from synth.common.config import compose_config

if TYPE_CHECKING:
    from dualmod.evaluation.metrics import DatasetMetrics
    from synth.dataset import Manifest, SampleStore


def generate(*overrides: str, **options: Any) -> "Manifest":
    """Render a dataset: colour, depth, segmentation and labels (``handbridge generate``).

    Args:
        *overrides: Options in the words of the command line, ``"scene.view=table"``.
        **options: Options by name; a mapping sets the parts of an option: ``scene={"view": "table"}``.

    Returns:
        The manifest of the dataset, which lies in the folder ``out``.

    Raises:
        ValueError: for an unknown option or a value that is not legal, before anything is rendered.

    Example:
        >>> import handbridge, tempfile
        >>> folder = tempfile.mkdtemp()
        >>> handbridge.generate(out=f"{folder}/renders", num_samples=2, image_size=64, workers=1).num_samples
        2
    """
    return _run("generate", overrides, options)


def export(*overrides: str, **options: Any) -> Path:
    """Write a rendered dataset in the layout of FreiHAND, RHD or COCO (``handbridge export``).

    Args:
        *overrides: As of ``generate``.
        **options: As of ``generate``.

    Returns:
        The folder of the export.

    Raises:
        ValueError: for an option that is not legal.
        FileNotFoundError: when there is no dataset in ``data``.
    """
    return _run("export", overrides, options)


def pretrain(*overrides: str, **options: Any) -> Path:
    """Pre-train a network on renders (``handbridge pretrain``).

    Args:
        *overrides: As of ``generate``.
        **options: As of ``generate``.

    Returns:
        The checkpoint, ``model.safetensors`` in ``out``. A finished run is left as it is, an interrupted one goes on.

    Raises:
        ValueError: for an option that is not legal.
        FileNotFoundError: when there is no dataset in ``data``.
    """
    return _run("pretrain", overrides, options)


def adapt(*overrides: str, **options: Any) -> Path:
    """Adapt a checkpoint to unlabelled photographs (``handbridge adapt``).

    Args:
        *overrides: As of ``generate``.
        **options: As of ``generate``.

    Returns:
        The adapted checkpoint, ``model.safetensors`` in ``out``.

    Raises:
        ValueError: for an option that is not legal.
        FileNotFoundError: when the checkpoint, the renders or the photographs are missing.
    """
    return _run("adapt", overrides, options)


def evaluate(*overrides: str, **options: Any) -> "dict[str, DatasetMetrics]":
    """Measure a checkpoint on labelled photographs (``handbridge evaluate``).

    Args:
        *overrides: As of ``generate``.
        **options: As of ``generate``.

    Returns:
        The metrics by name of the set, as in ``metrics.json`` in ``out``.

    Raises:
        ValueError: for an option that is not legal.
        FileNotFoundError: when the checkpoint or a set is missing.
    """
    return _run("evaluate", overrides, options)


def export_model(*overrides: str, **options: Any) -> Path:
    """Write a checkpoint as an ONNX file (``handbridge export-model``; needs the extra ``export``).

    Args:
        *overrides: As of ``generate``.
        **options: As of ``generate``.

    Returns:
        The ONNX file, which has passed its checks against the checkpoint.

    Raises:
        ValueError: for an option that is not legal.
        FileNotFoundError: when the checkpoint is missing.
    """
    return _run("export-model", overrides, options)


def open_dataset(path: str | Path) -> "SampleStore":
    """Open a rendered dataset; ``store[k]`` is the k-th sample.

    Args:
        path: The folder that ``generate`` wrote.

    Raises:
        FileNotFoundError: when there is no dataset.

    Example:
        >>> import handbridge, tempfile
        >>> folder = tempfile.mkdtemp()
        >>> manifest = handbridge.generate(out=f"{folder}/renders", num_samples=1, image_size=64, workers=1)
        >>> sample = handbridge.open_dataset(f"{folder}/renders")[0]
        >>> sample.rgb.shape, sample.joints_cam.shape
        ((64, 64, 3), (21, 3))
    """
    from synth.dataset import SampleStore

    return SampleStore(path)


def schema_of(command: str) -> type:
    """Return the dataclass of a command's options: ``NameConfig`` of its module."""
    return getattr(importlib.import_module(VERBS[command][0]), f"{command.title().replace('-', '')}Config")


def _run(command: str, overrides: Iterable[str], options: Mapping[str, Any]) -> Any:
    """Run a command's function with its composed options."""
    run = getattr(importlib.import_module(VERBS[command][0]), command.replace("-", "_"))
    return run(compose_config(command, schema_of(command), [*overrides, *_words(options)]))


def _words(options: Mapping[str, Any], prefix: str = "") -> list[str]:
    """Options as ``key=value`` words of the command line."""
    words: list[str] = []
    for name, value in options.items():
        key = f"{prefix}{name}"
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            value = dataclasses.asdict(value)
        if isinstance(value, Mapping):
            words += _words(value, f"{key}.")
        else:
            words.append(f"{key}={_text(value)}")
    return words


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return f"[{','.join(map(_text, value))}]"
    return str(value)
