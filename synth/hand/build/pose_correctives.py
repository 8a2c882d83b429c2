"""Pose correctives: what skinning lacks in a bent hand, as linear functions of the joints' rotations.

The target is Delta Mush of the skinned hand, plus knuckles that come out at the back of bent joints; brought back to
rest and regressed on R - I of the joints about each vertex, which is the form that MANO's posedirs have.
"""

import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation

from synth.common.conventions import MANO_JOINT_NAMES, MANO_PARENTS
from synth.hand.anatomy import ANGLE_FINGERS, HandAxes
from synth.hand.arrays import ManoArrays
from synth.hand.build.delta_mush import DeltaMush
from synth.hand.build.meshes import vertex_normals
from synth.hand.build.skinning import global_turns, skin

MUSH_STEPS = 12
LONGEST_M = 0.008
"""Targets are clipped here: where weights blend opposite turns the way back to rest is almost singular."""
RIDGE = 2.0
SPREAD_STEPS = 6
DRIVING_WEIGHT = 0.01
"""A joint drives the vertices in whose neighbourhood it has at least this weight."""
SMALLEST_M = 2e-5
KNUCKLES_M = ((0.0024, 0.0085), (0.0013, 0.0065))
"""Height of the bump and its radius, at the first and the second joint of a finger."""


def pose_correctives(
    arrays: ManoArrays, poses_aa: Float[np.ndarray, "poses 16 3"], pinned: np.ndarray
) -> Float[np.ndarray, "verts 3 135"]:
    """``posedirs`` in metres for a hand that has none.

    Args:
        arrays: The hand.
        poses_aa: Poses to fit on, MANO's order, the wrist at zero.
        pinned: Vertices that stay as they are.
    """
    targets, features = corrective_targets(arrays, poses_aa, pinned)
    covariance = features.T @ features
    posedirs = np.zeros((*arrays.v_template.shape, features.shape[1]))
    for drivers, vertices in _vertices_by_drivers(arrays, pinned):
        columns = np.concatenate([np.arange(9 * (joint - 1), 9 * joint) for joint in drivers])
        ridge = covariance[np.ix_(columns, columns)] + RIDGE * np.eye(len(columns))
        wanted = features[:, columns].T @ targets[:, vertices].reshape(len(targets), -1)
        found = np.linalg.solve(ridge, wanted).reshape(len(columns), len(vertices), 3)
        posedirs[vertices[:, None], :, columns] = found.transpose(1, 0, 2)
    posedirs[np.abs(posedirs) < SMALLEST_M] = 0
    return posedirs


def corrective_targets(
    arrays: ManoArrays, poses_aa: Float[np.ndarray, "poses 16 3"], pinned: np.ndarray
) -> tuple[Float[np.ndarray, "poses verts 3"], Float[np.ndarray, "poses 135"]]:
    """Displacements at rest (metres) that make skinning look right in each pose, and R - I of its joints."""
    verts, joints = arrays.v_template.astype(np.float64), arrays.rest_joints()
    mush = DeltaMush(arrays.faces, len(verts), iterations=MUSH_STEPS, pinned=pinned)
    details, knuckles = mush.details(verts), Knuckles(arrays)
    targets, features = [], []
    for turns in Rotation.from_rotvec(poses_aa.reshape(-1, 3)).as_matrix().reshape(-1, 16, 3, 3):
        posed = skin(verts, joints, arrays.weights.astype(np.float64), global_turns(turns))
        wanted = mush.restored(details, posed.verts)
        at_rest = np.linalg.solve(posed.turns, (wanted - posed.shifts)[..., None])[..., 0]
        targets.append(at_rest - verts + knuckles.displacement(turns))
        features.append((turns[1:] - np.eye(3)).ravel())
    found = np.array(targets)
    lengths = np.linalg.norm(found, axis=2, keepdims=True)
    return found * np.minimum(1, LONGEST_M / np.maximum(lengths, 1e-9)), np.array(features)


class Knuckles:
    """Bumps at the back of the first two joints of each finger, which grow as the joint bends to 90 degrees."""

    def __init__(self, arrays: ManoArrays) -> None:
        axes, normals = HandAxes.of(arrays), vertex_normals(arrays.v_template.astype(np.float64), arrays.faces)
        self._bumps: list[tuple[int, np.ndarray, np.ndarray]] = []
        for finger in ANGLE_FINGERS:
            for segment, (height_m, radius_m) in enumerate(KNUCKLES_M):
                joint = MANO_JOINT_NAMES.index(f"{finger}{segment + 1}")
                up, flexion_axis = axes.frames[joint][:, 1], axes.frames[joint][:, 2]
                top = _highest_point(arrays, joint, up)
                away_m = np.linalg.norm(arrays.v_template - top, axis=1)
                bump = height_m * np.exp(-0.5 * (away_m / radius_m) ** 2) * (normals @ up).clip(0, 1)
                self._bumps.append((joint, flexion_axis, bump[:, None] * normals))

    def displacement(self, turns: Float[np.ndarray, "16 3 3"]) -> Float[np.ndarray, "verts 3"]:
        """Metres at rest, for rotations of the joints against their parents."""
        total = np.zeros_like(self._bumps[0][2])
        for joint, axis, bump in self._bumps:
            flexion = Rotation.from_matrix(turns[joint]).as_rotvec() @ axis
            total += bump * (1 - np.cos(np.clip(flexion, 0, np.pi / 2)))
        return total


def _highest_point(arrays: ManoArrays, joint: int, up: np.ndarray) -> Float[np.ndarray, "3"]:
    """The point of the back of the hand above a joint."""
    centre = arrays.rest_joints()[joint]
    offsets = arrays.v_template - centre
    height = offsets @ up
    own = arrays.weights[:, joint] + arrays.weights[:, MANO_PARENTS[joint]] > 0.6
    above = (height > 0) & own & (np.linalg.norm(np.cross(offsets, up), axis=1) < 0.006)
    return centre + up * np.percentile(height[above], 80)


def _vertices_by_drivers(arrays: ManoArrays, pinned: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """Joints that drive correctives, and the vertices that just these drive; a pinned vertex has none."""
    mush = DeltaMush(arrays.faces, len(arrays.v_template), iterations=1, pinned=pinned)
    spread = arrays.weights.astype(np.float64)
    for _ in range(SPREAD_STEPS):
        spread = mush.smoothing @ spread
    drives = spread > DRIVING_WEIGHT
    drives[pinned], drives[:, 0] = False, False
    sets, set_of = np.unique(drives, axis=0, return_inverse=True)
    groups = ((np.flatnonzero(row), np.flatnonzero(set_of.ravel() == number)) for number, row in enumerate(sets))
    return [(joints, vertices) for joints, vertices in groups if len(joints)]
