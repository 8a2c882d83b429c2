"""Reading and writing a hand: the open one that ships with the package, or an npz file in MANO's format.

The official pickles are read by ``mano_file.py``.
"""

from pathlib import Path

import numpy as np

from synth.common.files import read_npz, require_file, written_atomically
from synth.hand.arrays import NUM_PARTS, ManoArrays
from synth.hand.mirror import has_wrong_x_shapes, is_left_hand, mirror_arrays
from synth.hand.validate import ARRAYS, MANO_HELP, check_arrays

OPEN_HAND_FOLDER = Path(__file__).parent / "open_hand"


def load_hand(name_or_path: str | Path) -> ManoArrays:
    """The arrays of the hand ``open`` (shipped with the package) or of an npz file in MANO's format.

    Inside, every hand is a right hand: a left hand's file is mirrored here, when it is read.

    Raises:
        FileNotFoundError: when the file does not exist.
        ValueError: when it is no npz, lacks an array, has one of a wrong shape or with values that no hand has, or
            holds a left hand whose shape space carries the sign fault of the official file (see ``mano_file``).
    """
    if str(name_or_path) == "open":
        path = OPEN_HAND_FOLDER / "open_hand_right.npz"
        return check_arrays(_read(path), f"hand={path}", "open")
    if str(name_or_path).lower() == "mano":
        raise ValueError(f"hand={name_or_path} names no file; {MANO_HELP}")
    path = require_file(name_or_path, "hand")
    if path.suffix.lower() == ".pkl":
        raise ValueError(
            f"hand={path} is a pickle, which can run code when it is read; turn it into plain arrays: "
            f"handbridge import-mano file={path} out=DIR, then hand=DIR/{path.stem}.npz"
        )
    arrays = check_arrays(_read(path), f"hand={path}", path.stem)
    if not is_left_hand(arrays):
        return arrays
    if has_wrong_x_shapes(arrays):
        raise ValueError(
            f"hand={path} is a left hand whose shapedirs have the right hand's x (a known fault of MANO_LEFT.pkl); "
            f"make it anew with handbridge import-mano, which mends that, or negate shapedirs[:, 0]"
        )
    return mirror_arrays(arrays)


def save_hand(arrays: ManoArrays, path: str | Path) -> Path:
    """Write a hand as an npz that ``load_hand`` reads; nothing is written if it would refuse it.

    Raises:
        ValueError: when the arrays are no hand, or the file's name does not end in .npz.
    """
    path = Path(path).expanduser()
    if path.suffix != ".npz":
        raise ValueError(f"{path} is no name for a hand's file; it must end in .npz")
    parts = named_arrays(arrays)
    check_arrays(parts, str(path), path.stem)
    with written_atomically(path) as partial:
        np.savez_compressed(partial, **parts)  # type: ignore[arg-type]
    return path


def named_arrays(arrays: ManoArrays) -> dict[str, np.ndarray]:
    """The arrays under MANO's names, as ``check_arrays`` takes them."""
    parts = {
        "v_template": arrays.v_template,
        "shapedirs": arrays.shapedirs,
        "posedirs": arrays.posedirs,
        "J_regressor": arrays.J_regressor,
        "weights": arrays.weights,
        "kintree_table": np.stack([arrays.parents, np.arange(NUM_PARTS)]),
        "f": arrays.faces,
        "hands_mean": arrays.hands_mean,
        "hands_components": arrays.hands_components,
        "tip_vertex_ids": arrays.tip_vertex_ids,
        "license": np.array(arrays.licence),
    }
    optional = {"vt": arrays.uv, "ft": arrays.uv_faces, "hands_coeffs": arrays.pose_library}
    return parts | {key: array for key, array in optional.items() if array is not None}


def skin_files() -> list[Path]:
    """The skins that ship with the open hand, 1024 x 1024 sRGB albedo in the layout of its ``uv``."""
    return sorted((OPEN_HAND_FOLDER / "skins").glob("*.webp"))


def _read(path: Path) -> dict[str, np.ndarray]:
    return read_npz(path, "hand", ARRAYS, f"this is no hand in MANO's format: {MANO_HELP}")
