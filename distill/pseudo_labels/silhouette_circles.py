"""A hand's outline from its joints: circles along fingers and palm (SemiHand, Yang et al., ICCV 2021, section 3.2).

55 circles: the bones of each finger trisected, 9 a finger, and 2 between the wrist and the base of each finger. The
paper learns the radii with a network; here they are measured once on the flat open hand seen from above.
"""

from functools import lru_cache

import cv2
import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from distill.pseudo_labels.bone_registration import NEAREST_Z, lifted
from synth.common.conventions import REFERENCE_BONE, WRIST
from synth.hand import HandAxes, load_hand

FINGER_STARTS = (1, 5, 9, 13, 17)
EDGE_CELLS = 0.5
"""Softness of a circle's edge in cells of the map."""


def _segments() -> list[tuple[int, int, float]]:
    """(near joint, far joint, share of the way) of each circle."""
    fingers = [
        (start + k, start + k + 1, (2 * third + 1) / 6)
        for start in FINGER_STARTS
        for k in range(3)
        for third in range(3)
    ]
    return fingers + [(WRIST, start, share / 3) for start in FINGER_STARTS for share in (1, 2)]


NEAR, FAR, SHARE = (torch.tensor(column) for column in zip(*_segments(), strict=True))


def circle_centres(joints: Float[Tensor, "batch 21 dims"]) -> Float[Tensor, "batch 55 dims"]:
    """Centres of the circles of hands in any coordinates."""
    share = SHARE.to(joints)[:, None]
    return (1 - share) * joints[:, NEAR] + share * joints[:, FAR]


@lru_cache(maxsize=2)
def circle_radii(hand: str = "open") -> Float[Tensor, "55"]:
    """Distance of each circle's centre from the silhouette of the flat hand seen from above, in reference bones."""
    arrays = load_hand(hand)
    joints = HandAxes.of(arrays).joints(np.zeros((16, 3)))
    start, end = REFERENCE_BONE
    bone = np.linalg.norm(joints[end] - joints[start])
    # MANO's flat hand lies in the plane of x and z
    verts, flat = arrays.v_template[:, ::2], torch.from_numpy(joints[:, ::2].copy())[None]
    pixel = bone / 200
    low = verts.min(0) - 4 * pixel
    height, width = (np.ceil((verts.max(0) - low) / pixel).astype(int) + 4)[::-1]
    picture = np.zeros((height, width), np.uint8)
    for corners in np.rint((verts[arrays.faces] - low) / pixel).astype(np.int32):
        cv2.fillConvexPoly(picture, corners, 1)
    distance = cv2.distanceTransform(picture, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    column, row = np.rint((circle_centres(flat)[0].numpy() - low) / pixel).astype(int).T
    return torch.from_numpy(distance[row, column] / 200).float()


def circles(
    joints_uv: Float[Tensor, "batch 21 2"], joints_depth: Float[Tensor, "batch 21"], focal: Float[Tensor, "batch"]
) -> tuple[Float[Tensor, "batch 55 2"], Float[Tensor, "batch 55"]]:
    """Centres and radii in crop sides; the gradient enters the centres alone.

    Args:
        joints_uv: In units of the crop's side.
        joints_depth: Behind the root in reference bones.
        focal: Focal length in crop sides.
    """
    with torch.no_grad():
        depth = circle_centres(lifted(joints_uv, joints_depth, focal))[..., 2].clamp_min(NEAREST_Z)
        radii = circle_radii().to(joints_uv) * focal[:, None] / depth
    return circle_centres(joints_uv), radii


def edge_distance(
    centres: Float[Tensor, "batch 55 2"], radii: Float[Tensor, "batch 55"], size: tuple[int, int]
) -> Float[Tensor, "batch height width"]:
    """Distance of each cell's centre from the nearest circle's edge in crop sides, negative inside."""
    height, width = size
    v = (torch.arange(height, device=centres.device) + 0.5) / height
    u = (torch.arange(width, device=centres.device) + 0.5) / width
    cells = torch.stack(torch.meshgrid(u, v, indexing="xy"), -1)
    offset = cells[None, :, :, None] - centres[:, None, None]
    distance = (offset.square().sum(-1) + 1e-12).sqrt() - radii[:, None, None]
    return distance.amin(-1)


def mask_disagreement(
    edge: Float[Tensor, "batch height width"], mask: Float[Tensor, "batch height width"]
) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
    """L_m2d, |circles - mask| with soft edges, and L_d2m, the distance to the nearest edge where the two disagree.

    Args:
        edge: From ``edge_distance``.
        mask: Probability of hand; the gradient does not enter it.
    """
    mask = mask.detach()
    soft = torch.sigmoid(-edge * edge.shape[-1] / EDGE_CELLS)
    wrong = (edge.detach() < 0) != (mask > 0.5)
    return (soft - mask).abs().mean(), (edge.abs() * wrong).mean()
