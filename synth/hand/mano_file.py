"""Hand arrays in MANO's file format: the open hand that ships with the package, or a file that the user has.

What belongs here is reading and refusing; posing the arrays is ``model.py``.
"""

import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from synth.conventions import MANO_JOINT_NAMES, MANO_PARENTS
from synth.files import require_file

OPEN_HAND_FOLDER = Path(__file__).parent / "open_hand"
NUM_BETAS = 10
NUM_PARTS = len(MANO_JOINT_NAMES)
MANO_TIP_VERTEX_IDS = (744, 320, 443, 554, 671)
"""Fingertips of the 778-vertex MANO mesh, thumb to little finger, as smplx has them (manopth: 745 317 444 556 673)."""

MANO_HELP = (
    "download MANO_RIGHT from mano.is.tue.mpg.de (registration, non-commercial licence) and give its arrays "
    "as an npz file: hand=PATH/MANO_RIGHT.npz"
)


@dataclass(frozen=True, eq=False)
class ManoArrays:
    """A right hand in MANO's format, flat at zero pose, metres, axes as ``conventions`` has them.

    Attributes:
        name: ``open``, or the file's stem: recorded with the data.
        licence: The file's own licence note.
        v_template: Vertices of the mean shape.
        shapedirs: Displacement of each vertex for each unit of beta.
        posedirs: Displacement for each element of R - I of joints 1 to 15.
        J_regressor: Joints as weighted sums of vertices.
        weights: Skinning weights.
        parents: Parent of each joint, -1 for the wrist.
        faces: Triangles, counter-clockwise seen from outside.
        tip_vertex_ids: Fingertip vertices, thumb to little finger.
        uv: Texture coordinates in [0, 1], v up; None when the file has none (MANO's has not).
        uv_faces: Ids into ``uv`` of each triangle's corners, or None.
        hands_mean: Mean pose (axis-angle of joints 1 to 15).
        hands_components: Principal components of the pose, in rows.
        pose_library: Coefficients of poses that the file brings along, or None.
    """

    name: str
    licence: str
    v_template: Float[np.ndarray, "verts 3"]
    shapedirs: Float[np.ndarray, "verts 3 betas"]
    posedirs: Float[np.ndarray, "verts 3 135"]
    J_regressor: Float[np.ndarray, "16 verts"]
    weights: Float[np.ndarray, "verts 16"]
    parents: Int[np.ndarray, "16"]
    faces: Int[np.ndarray, "faces 3"]
    tip_vertex_ids: Int[np.ndarray, "5"]
    uv: Float[np.ndarray, "corners 2"] | None
    uv_faces: Int[np.ndarray, "faces 3"] | None
    hands_mean: Float[np.ndarray, "45"]
    hands_components: Float[np.ndarray, "components 45"]
    pose_library: Float[np.ndarray, "poses components"] | None

    def rest_joints(self) -> Float[np.ndarray, "16 3"]:
        """Joints of the mean shape at zero pose, MANO order, metres."""
        return (self.J_regressor @ self.v_template).astype(np.float64)

    def rest_tips(self) -> Float[np.ndarray, "5 3"]:
        """Fingertips of the mean shape at zero pose, thumb to little finger, metres."""
        return self.v_template[self.tip_vertex_ids].astype(np.float64)


def load_hand(name_or_path: str | Path) -> ManoArrays:
    """The arrays of the hand ``open`` (shipped with the package) or of an npz file in MANO's format.

    Raises:
        FileNotFoundError: when the file does not exist.
        ValueError: when it is no npz, lacks an array, has one of a wrong shape, or holds a left hand.
    """
    if str(name_or_path) == "open":
        return _arrays(OPEN_HAND_FOLDER / "open_hand_right.npz", name="open")
    if str(name_or_path).lower() == "mano":
        raise ValueError(f"hand={name_or_path} names no file; {MANO_HELP}, or use hand=open")
    path = require_file(name_or_path, "hand")
    if path.suffix.lower() == ".pkl":
        raise ValueError(
            f"hand={path} is a pickle, which can run code when it is read; reading the official pickles "
            f"(import-mano) comes with a later release: give the same arrays as an npz file, or use hand=open"
        )
    return _arrays(path, name=path.stem)


def skin_files() -> list[Path]:
    """The skins that ship with the open hand, 1024 x 1024 sRGB albedo in the layout of its ``uv``."""
    return sorted((OPEN_HAND_FOLDER / "skins").glob("*.webp"))


def _arrays(path: Path, *, name: str) -> ManoArrays:
    found = _read(path)
    verts = _shaped(path, found, "v_template", (None, 3)).shape[0]
    faces = _shaped(path, found, "f", (None, 3)).astype(np.int64)
    uv, uv_faces = _texture_coordinates(path, found, num_faces=len(faces))
    betas = _shaped(path, found, "shapedirs", (verts, 3, None))
    if betas.shape[2] < NUM_BETAS:
        raise ValueError(f"hand={path}: shapedirs has {betas.shape[2]} shape coefficients and needs {NUM_BETAS}")
    arrays = ManoArrays(
        name=name,
        licence=str(found.get("license", "the file names none")),
        v_template=_float(found["v_template"]),
        shapedirs=_float(betas[:, :, :NUM_BETAS]),
        posedirs=_float(_shaped(path, found, "posedirs", (verts, 3, 9 * (NUM_PARTS - 1)))),
        J_regressor=_float(_shaped(path, found, "J_regressor", (NUM_PARTS, verts))),
        weights=_float(_shaped(path, found, "weights", (verts, NUM_PARTS))),
        parents=_parents(path, found),
        faces=faces,
        tip_vertex_ids=_tips(path, found, verts),
        uv=uv,
        uv_faces=uv_faces,
        hands_mean=_float(_shaped(path, found, "hands_mean", (45,))),
        hands_components=_float(_shaped(path, found, "hands_components", (None, 45))),
        pose_library=_float(found["hands_coeffs"]) if "hands_coeffs" in found else None,
    )
    _require_right_hand(path, arrays)
    return arrays


def _read(path: Path) -> dict[str, np.ndarray]:
    try:
        archive = np.load(path, allow_pickle=False)
        if not isinstance(archive, np.lib.npyio.NpzFile):
            raise ValueError("it holds one array, not named ones")
        with archive:
            return {key: archive[key] for key in archive.files}
    except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(
            f"hand={path} cannot be read as an npz of plain arrays ({error}); {MANO_HELP}, or use hand=open"
        ) from error


def _shaped(path: Path, found: dict[str, np.ndarray], key: str, shape: tuple[int | None, ...]) -> np.ndarray:
    if key not in found:
        raise ValueError(f"hand={path} has no array {key}; {MANO_HELP}, or use hand=open")
    array = found[key]
    legal = len(array.shape) == len(shape) and all(
        want in (None, have) for want, have in zip(shape, array.shape, strict=True)
    )
    if not legal:
        wanted = " x ".join("any" if side is None else str(side) for side in shape)
        raise ValueError(f"hand={path}: {key} has shape {array.shape}, and it must be {wanted}")
    if array.dtype.kind not in "fiu" or not np.isfinite(array).all():
        raise ValueError(f"hand={path}: {key} holds values that are no finite numbers; get the file anew")
    return array


def _parents(path: Path, found: dict[str, np.ndarray]) -> np.ndarray:
    tree = _shaped(path, found, "kintree_table", (2, NUM_PARTS))[0].astype(np.int64)
    tree[0] = -1  # the files store it as the largest unsigned integer
    if tuple(tree) != MANO_PARENTS:
        raise ValueError(f"hand={path}: kintree_table is not that of MANO; its first row must be {MANO_PARENTS}")
    return tree


def _tips(path: Path, found: dict[str, np.ndarray], verts: int) -> np.ndarray:
    if "tip_vertex_ids" in found:
        tips = _shaped(path, found, "tip_vertex_ids", (5,)).astype(np.int64)
        if tips.min() < 0 or tips.max() >= verts:
            raise ValueError(f"hand={path}: tip_vertex_ids={tips.tolist()} must lie in 0 to {verts - 1}")
        return tips
    if verts != 778:
        raise ValueError(
            f"hand={path} has {verts} vertices, not MANO's 778, and no array tip_vertex_ids; add the vertex ids "
            f"of the thumb, index, middle, ring and little fingertip under that name"
        )
    return np.array(MANO_TIP_VERTEX_IDS, dtype=np.int64)


def _texture_coordinates(
    path: Path, found: dict[str, np.ndarray], *, num_faces: int
) -> tuple[np.ndarray | None, np.ndarray | None]:
    if "vt" not in found or "ft" not in found:
        return None, None
    uv = _float(_shaped(path, found, "vt", (None, 2)))
    return uv, _shaped(path, found, "ft", (num_faces, 3)).astype(np.int64)


def _require_right_hand(path: Path, arrays: ManoArrays) -> None:
    fingers = arrays.rest_tips()[1:].mean(0) - arrays.rest_joints()[0]
    if fingers[0] > 0:
        raise ValueError(
            f"hand={path} holds a left hand (its fingers point to +x); give the right hand's file, "
            f"left hands are made by mirroring"
        )


def _float(array: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(array, dtype=np.float32)
