"""How far a rebuilt hand is from the one that ships with the package."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation

from synth.hand.arrays import ManoArrays


@dataclass(frozen=True)
class Difference:
    """One array's difference: the largest of all its points, and the root mean square."""

    array: str
    unit: str
    largest: float
    rms: float

    def __str__(self) -> str:
        return f"{self.array:<34} largest {self.largest:.3g} {self.unit}, rms {self.rms:.3g} {self.unit}"


def differences(built: ManoArrays, shipped: ManoArrays, poses_aa: Float[np.ndarray, "poses 16 3"]) -> list[Difference]:
    """The differences of two hands of one mesh.

    Args:
        built: The rebuilt hand.
        shipped: The other.
        poses_aa: Poses in which the pose correctives are compared.

    Raises:
        ValueError: when the meshes differ, so that there is nothing to compare vertex by vertex.
    """
    if not np.array_equal(built.faces, shipped.faces):
        raise ValueError("the rebuilt mesh has other triangles than the one that ships")
    assert built.uv is not None and shipped.uv is not None
    turns = Rotation.from_rotvec(poses_aa[:, 1:].reshape(-1, 3)).as_matrix().reshape(-1, 15, 3, 3)
    features = (turns - np.eye(3)).reshape(len(poses_aa), -1)
    posed = np.einsum("vkf,pf->pvk", built.posedirs - shipped.posedirs, features)
    mean_pose = np.degrees(built.hands_mean - shipped.hands_mean).reshape(15, 3)
    return [
        _of_points("v_template", "mm", 1e3 * (built.v_template - shipped.v_template)),
        _of_points("joints of the mean hand", "mm", 1e3 * (built.rest_joints() - shipped.rest_joints())),
        _of_points("fingertips of the mean hand", "mm", 1e3 * (built.rest_tips() - shipped.rest_tips())),
        _of_points("shapedirs for one unit", "mm", 1e3 * _without_signs(built.shapedirs, shipped.shapedirs)),
        _of_points("pose correctives in random poses", "mm", 1e3 * posed),
        _of_points("weights", "of 1", (built.weights - shipped.weights)[..., None]),
        _of_points("vt", "of the picture", built.uv - shipped.uv),
        _of_points("hands_mean", "degrees", mean_pose),
    ]


def picture_difference(name: str, built: np.ndarray, shipped: np.ndarray) -> Difference:
    """The difference of two skins of one size, in levels of 255."""
    gap = np.abs(built.astype(np.float64) - shipped)
    return Difference(name, "of 255 levels", float(gap.max()), float(np.sqrt((gap**2).mean())))


def _without_signs(built: np.ndarray, shipped: np.ndarray) -> Float[np.ndarray, "verts betas 3"]:
    """Difference of components, each turned to the sign of the other: a principal component has none of its own."""
    signs = np.sign(np.einsum("vik,vik->k", built, shipped))
    return (built * signs - shipped).transpose(0, 2, 1)


def _of_points(array: str, unit: str, gaps: Float[np.ndarray, "*points dims"]) -> Difference:
    lengths = np.linalg.norm(gaps.astype(np.float64), axis=-1)
    return Difference(array, unit, float(lengths.max()), float(np.sqrt((lengths**2).mean())))
