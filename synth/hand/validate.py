"""Whether named arrays are a hand in MANO's format; every fault is one line that names the array."""

import numpy as np

from synth.common.conventions import MANO_PARENTS
from synth.hand.arrays import NUM_BETAS, NUM_PARTS, ManoArrays

NEEDED = (
    "v_template", "shapedirs", "posedirs", "J_regressor", "weights", "kintree_table", "f", "hands_mean",
    "hands_components",
)  # fmt: skip
OPTIONAL = ("tip_vertex_ids", "vt", "ft", "hands_coeffs")
ARRAYS = (*NEEDED, *OPTIONAL, "license")
"""What is read of a hand's file."""

MANO_TIP_VERTEX_IDS = (744, 320, 443, 554, 671)
"""Fingertips of the 778-vertex MANO mesh, thumb to little finger, as smplx has them (manopth: 745 317 444 556 673)."""

HAND_LENGTH_M = (0.05, 0.5)
"""Wrist to middle fingertip: a length outside is a file in other units."""
ROW_SUM_TOLERANCE = {"weights": 0.01, "J_regressor": 0.05}
"""Fitted regressors miss 1 by more than skinning weights, which are divided by their sum."""

MANO_HELP = (
    "download MANO_RIGHT.pkl from mano.is.tue.mpg.de (registration, non-commercial licence), run "
    "handbridge import-mano file=MANO_RIGHT.pkl out=DIR and give hand=DIR/MANO_RIGHT.npz, or use hand=open"
)


def check_arrays(found: dict[str, np.ndarray], source: str, name: str) -> ManoArrays:
    """Named arrays as a hand, left or right as they are.

    Args:
        found: Arrays under MANO's names (``docs/own_hand.md`` lists them).
        source: Where they come from as an option (``hand=PATH``), for errors.
        name: The hand's name.

    Raises:
        ValueError: one line that begins with ``source`` and names the array.
    """
    verts = _shaped(source, found, "v_template", (None, 3)).shape[0]
    betas = _shaped(source, found, "shapedirs", (verts, 3, None))
    if betas.shape[2] < NUM_BETAS:
        raise ValueError(f"{source}: shapedirs has {betas.shape[2]} shape coefficients and needs {NUM_BETAS}")
    faces = _ids(source, found, "f", (None, 3), verts)
    uv, uv_faces = _texture_coordinates(source, found, num_faces=len(faces))
    arrays = ManoArrays(
        name=name,
        licence=str(found.get("license", "the file names none")),
        v_template=_float(found["v_template"]),
        shapedirs=_float(betas[:, :, :NUM_BETAS]),
        posedirs=_float(_shaped(source, found, "posedirs", (verts, 3, 9 * (NUM_PARTS - 1)))),
        J_regressor=_float(_rows_of_weights(source, found, "J_regressor", (NUM_PARTS, verts))),
        weights=_float(_rows_of_weights(source, found, "weights", (verts, NUM_PARTS))),
        parents=_parents(source, found),
        faces=faces,
        tip_vertex_ids=_tips(source, found, verts),
        uv=uv,
        uv_faces=uv_faces,
        hands_mean=_float(_shaped(source, found, "hands_mean", (45,))),
        hands_components=_float(_shaped(source, found, "hands_components", (None, 45))),
        pose_library=_float(found["hands_coeffs"]) if "hands_coeffs" in found else None,
    )
    _require_a_hand(source, arrays)
    return arrays


def _shaped(source: str, found: dict[str, np.ndarray], key: str, shape: tuple[int | None, ...]) -> np.ndarray:
    if key not in found:
        raise ValueError(f"{source} has no array {key}, so it is no hand in MANO's format; {MANO_HELP}")
    array = found[key]
    legal = len(array.shape) == len(shape) and all(
        want in (None, have) for want, have in zip(shape, array.shape, strict=True)
    )
    if not legal or array.size == 0:
        wanted = " x ".join("any number above 0" if side is None else str(side) for side in shape)
        raise ValueError(f"{source}: {key} has shape {array.shape}, and it must be {wanted}")
    if array.dtype.kind not in "fiu" or not np.isfinite(array).all():
        raise ValueError(f"{source}: {key} holds values that are no finite numbers; get the file anew")
    return array


def _ids(source: str, found: dict[str, np.ndarray], key: str, shape: tuple[int | None, ...], count: int) -> np.ndarray:
    ids = _shaped(source, found, key, shape).astype(np.int64)
    if ids.min() < 0 or ids.max() >= count:
        raise ValueError(
            f"{source}: {key} holds ids from {ids.min()} to {ids.max()}, and they must lie in 0 to {count - 1}"
        )
    return ids


def _rows_of_weights(source: str, found: dict[str, np.ndarray], key: str, shape: tuple[int, int]) -> np.ndarray:
    weights = _shaped(source, found, key, shape)
    sums = weights.sum(1, dtype=np.float64)
    worst = int(np.abs(sums - 1).argmax())
    if abs(sums[worst] - 1) > ROW_SUM_TOLERANCE[key]:
        raise ValueError(f"{source}: row {worst} of {key} sums to {sums[worst]:.4g}, and every row must sum to 1")
    return weights


def _parents(source: str, found: dict[str, np.ndarray]) -> np.ndarray:
    tree = _shaped(source, found, "kintree_table", (2, NUM_PARTS))[0].astype(np.int64)
    tree[0] = -1  # the files store it as the largest unsigned integer
    if tuple(tree) != MANO_PARENTS:
        raise ValueError(f"{source}: kintree_table is not that of MANO; its first row must be {MANO_PARENTS}")
    return tree


def _tips(source: str, found: dict[str, np.ndarray], verts: int) -> np.ndarray:
    if "tip_vertex_ids" in found:
        return _ids(source, found, "tip_vertex_ids", (5,), verts)
    if verts != 778:
        raise ValueError(
            f"{source} has {verts} vertices, not MANO's 778, and no array tip_vertex_ids; add the vertex ids "
            f"of the thumb, index, middle, ring and little fingertip under that name"
        )
    return np.array(MANO_TIP_VERTEX_IDS, dtype=np.int64)


def _texture_coordinates(
    source: str, found: dict[str, np.ndarray], *, num_faces: int
) -> tuple[np.ndarray | None, np.ndarray | None]:
    """``vt`` and ``ft``; a file may lack both, and its hand then has one colour."""
    if "vt" not in found and "ft" not in found:
        return None, None
    uv = _float(_shaped(source, found, "vt", (None, 2)))
    if uv.min() < 0 or uv.max() > 1:
        raise ValueError(f"{source}: vt reaches from {uv.min():.4g} to {uv.max():.4g}, and it must lie in [0, 1]")
    return uv, _ids(source, found, "ft", (num_faces, 3), len(uv))


def _require_a_hand(source: str, arrays: ManoArrays) -> None:
    joints, tips = arrays.rest_joints(), arrays.rest_tips()
    length_m = float(np.linalg.norm(tips[2] - joints[0]))
    shortest, longest = HAND_LENGTH_M
    if not shortest < length_m < longest:
        raise ValueError(
            f"{source}: {length_m:.4g} from wrist to middle fingertip is no hand in metres, which is {shortest} to "
            f"{longest}; scale v_template, shapedirs and posedirs to metres"
        )
    corners = (arrays.v_template - arrays.v_template.mean(0)).astype(np.float64)[arrays.faces]
    if np.einsum("fi,fi->", corners[:, 0], np.cross(corners[:, 1], corners[:, 2])) < 0:
        raise ValueError(f"{source}: the faces are clockwise seen from outside; reverse the rows of f (and ft)")


def _float(array: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(array, dtype=np.float32)
