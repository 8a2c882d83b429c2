"""Joint angles made anatomical: no finger bends backwards, sideways or beyond its range at its two hinges.

PIP and DIP of index to little finger are hinges. What belongs here is their axis, their angles, and the way back from
angles to joints; bones keep their lengths. Thumb and knuckles turn about more than one axis and stay as they are.
"""

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from synth.common.conventions import JOINT_NAMES, WRIST
from synth.hand import JOINT_LIMITS, HandAxes, load_hand

HINGED_FINGERS = ("index", "middle", "ring", "little")
MCP = torch.tensor([JOINT_NAMES.index(f"{finger}_mcp") for finger in HINGED_FINGERS])
SLACK_DEG = 6.0
"""Added to each hinge's range: joints of other hands and datasets are not in line to the degree."""
LATERAL_DEG = 15.0
"""Sideways deviation that a hinge may show: poses of the hand model show up to 14 degrees."""
UNCERTAIN_DEG = 22.0
"""Added to it where the knuckle is bent square and the palm does not tell the finger's abduction (its range)."""
SQUARE, CLEAR = 0.15, 0.4
"""Share of the proximal bone in the palm's plane under which abduction is unknown, and above which it is certain."""


@dataclass(frozen=True, eq=False)
class HingeRanges:
    """What the hinges of a hand may do.

    Attributes:
        lower: Smallest flexion of PIP and DIP in radians.
        upper: Largest flexion.
        rest_axes: Flexion axes of the flat hand's fingers in coordinates of ``palm_frame``.
    """

    lower: Float[Tensor, "4 2"]
    upper: Float[Tensor, "4 2"]
    rest_axes: Float[Tensor, "4 3"]

    def to(self, like: Tensor) -> "HingeRanges":
        """The same on the device and in the precision of ``like``."""
        return HingeRanges(self.lower.to(like), self.upper.to(like), self.rest_axes.to(like))


@lru_cache(maxsize=4)
def hinge_ranges(hand: str = "open") -> HingeRanges:
    """Limits of the pose's angles, moved by the bend of the flat hand and widened by a slack."""
    axes = HandAxes.of(load_hand(hand))
    flat = torch.from_numpy(axes.joints(np.zeros((16, 3))))[None]
    rest_axes = (_unit(_in_palm(flat)) @ palm_frame(flat))[0]
    names = [[f"{finger}_{joint}_flexion" for joint in ("pip", "dip")] for finger in HINGED_FINGERS]
    limits = torch.tensor([[JOINT_LIMITS[name] for name in row] for row in names], dtype=torch.float64)
    lower, upper = torch.deg2rad(limits).unbind(-1)
    bend = hinge_angles(flat, finger_axes(flat, rest_axes)[0])[0][0]
    slack = math.radians(SLACK_DEG)
    return HingeRanges(lower + bend - slack, upper + bend + slack, rest_axes)


def rectify_angles(
    joints: Float[Tensor, "batch 21 3"], ranges: HingeRanges | None = None
) -> Float[Tensor, "batch 21 3"]:
    """Joints of right hands with every hinge inside its range; a hand that is inside already comes back unchanged.

    An angle beyond its limit is set to the limit, and what lies beyond the hinge turns with it. Applying it twice
    changes nothing more.

    Args:
        joints: In any unit, axes of the camera frame (x right, y down, z forward).
        ranges: What is allowed; the open hand's by default.
    """
    ranges = (ranges or hinge_ranges()).to(joints)
    axis, uncertain = finger_axes(joints, ranges.rest_axes)
    flexion, lateral = hinge_angles(joints, axis)
    flexion = flexion.clamp(ranges.lower, ranges.upper)
    sideways = math.radians(LATERAL_DEG) + math.radians(UNCERTAIN_DEG) * uncertain[..., None]
    lateral = lateral.clamp(-sideways, sideways)
    rectified = joints.clone()
    bone = _bones(joints, 0)
    for hinge in range(2):
        length = torch.linalg.norm(joints[:, MCP + hinge + 2] - joints[:, MCP + hinge + 1], dim=-1, keepdim=True)
        axis = _perpendicular(axis, bone)
        turned, tilt = flexion[..., hinge, None], lateral[..., hinge, None]
        in_plane = turned.cos() * bone + turned.sin() * torch.linalg.cross(axis, bone)
        bone = tilt.cos() * in_plane + tilt.sin() * axis
        rectified[:, MCP + hinge + 2] = rectified[:, MCP + hinge + 1] + length * bone
    return rectified


def hinge_angles(
    joints: Float[Tensor, "batch 21 3"], axis: Float[Tensor, "batch 4 3"]
) -> tuple[Float[Tensor, "batch 4 2"], Float[Tensor, "batch 4 2"]]:
    """Angles of PIP and DIP in radians: flexion towards the palm, sideways deviation towards the thumb.

    Args:
        joints: Joints of right hands.
        axis: Each finger's flexion axis (``finger_axes``).
    """
    bone = _bones(joints, 0)
    flexion, lateral = [], []
    for hinge in range(2):
        axis = _perpendicular(axis, bone)
        following = _bones(joints, hinge + 1)
        palmar = _dot(following, torch.linalg.cross(axis, bone))
        flexion.append(torch.atan2(palmar, _dot(following, bone))[..., 0])
        lateral.append(_dot(following, axis).clamp(-1, 1).asin()[..., 0])
        bone = following
    return torch.stack(flexion, -1), torch.stack(lateral, -1)


def finger_axes(
    joints: Float[Tensor, "batch 21 3"], rest_axes: Float[Tensor, "4 3"]
) -> tuple[Float[Tensor, "batch 4 3"], Float[Tensor, "batch 4"]]:
    """Flexion axis of each finger, towards the thumb's side, and in [0, 1] how little the palm tells of it.

    Abduction turns the axis within the palm's plane, so it is the direction in that plane at right angles to the
    proximal bone. Where that bone stands square on the palm, the flat hand's axis stands in.
    """
    from_rest = rest_axes @ palm_frame(joints).transpose(1, 2)
    in_palm = _in_palm(joints)
    in_palm = in_palm * torch.where(_dot(in_palm, from_rest) < 0, -1.0, 1.0)
    share = torch.linalg.norm(in_palm, dim=-1, keepdim=True)
    certain = ((share - SQUARE) / (CLEAR - SQUARE)).clamp(0, 1)
    return _unit(certain * _unit(in_palm) + (1 - certain) * from_rest), 1 - certain[..., 0]


def palm_frame(joints: Float[Tensor, "batch 21 3"]) -> Float[Tensor, "batch 3 3"]:
    """Columns: out of the palm, along the knuckles towards the thumb's side, and their cross product."""
    index, little = joints[:, MCP[0]] - joints[:, WRIST], joints[:, MCP[-1]] - joints[:, WRIST]
    out_of_palm = _unit(torch.linalg.cross(index, little))
    along = _unit(index - little)
    return torch.stack([out_of_palm, along, torch.linalg.cross(out_of_palm, along)], -1)


def _in_palm(joints: Tensor) -> Tensor:
    """At right angles to palm normal and proximal bone, as long as the share of that unit bone in the palm's plane."""
    out_of_palm = palm_frame(joints)[:, None, :, 0].expand(-1, len(MCP), -1)
    return torch.linalg.cross(_bones(joints, 0), out_of_palm)


def _bones(joints: Tensor, segment: int) -> Tensor:
    """Unit vectors along bone number ``segment`` of the four fingers, 0 is the proximal one."""
    return _unit(joints[:, MCP + segment + 1] - joints[:, MCP + segment])


def _perpendicular(axis: Tensor, bone: Tensor) -> Tensor:
    return _unit(axis - _dot(axis, bone) * bone)


def _dot(a: Tensor, b: Tensor) -> Tensor:
    return (a * b).sum(-1, keepdim=True)


def _unit(vectors: Tensor) -> Tensor:
    return vectors / torch.linalg.norm(vectors, dim=-1, keepdim=True).clamp_min(1e-12)
