"""The networks that come with the package, so that a photograph needs no training first (docs/model_card.md)."""

from pathlib import Path

from synth.files import require_file

RELEASED = "released"
"""Stands for a network of this folder, in place of a file's name."""
POSE_FILE = Path(__file__).parent / "pose.safetensors"
LOCALIZER_FILE = Path(__file__).parent / "localizer.safetensors"


def pose_file(given: str | Path, key: str = "checkpoint") -> Path:
    """The file of a pose network: the one that ``given`` names, or the released one.

    Raises:
        FileNotFoundError: when there is no such file.
    """
    return require_file(POSE_FILE if str(given) == RELEASED else given, key)


def localizer_file(given: str | Path, key: str = "localizer") -> Path:
    """As ``pose_file``, for the network that finds hands in whole photos."""
    return require_file(LOCALIZER_FILE if str(given) == RELEASED else given, key)
