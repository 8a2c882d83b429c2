"""The networks that come with the package, so that a photograph needs no training first (docs/model_card.md)."""

from pathlib import Path

from synth.common.files import require_file

RELEASED, RELEASED_START = "released", "released_start"
"""Stand for a network of this folder, in place of a file's name; the second for the pose network before adaptation."""
POSE_FILE = Path(__file__).parent / "pose.safetensors"
START_FILE = Path(__file__).parent / "start.safetensors"
DETECTOR_FILE = Path(__file__).parent / "detector.safetensors"
POSE_FILES = {RELEASED: POSE_FILE, RELEASED_START: START_FILE}


def pose_file(given: str | Path, key: str = "checkpoint") -> Path:
    """The file of a pose network: the one that ``given`` names, or a released one.

    Raises:
        FileNotFoundError: when there is no such file.
    """
    return require_file(POSE_FILES.get(str(given), given), key)


def detector_file(given: str | Path, key: str = "detector") -> Path:
    """As ``pose_file``, for the network that finds hands in whole photos."""
    return require_file(DETECTOR_FILE if str(given) == RELEASED else given, key)
