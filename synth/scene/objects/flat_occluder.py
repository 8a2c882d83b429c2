"""Flat things that hide a part of the hand; they come after rendering, with depth and segmentation in step."""

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from synth.common.conventions import PART_NAMES
from synth.render.renderer import RenderOutput
from synth.scene.backgrounds.procedural import as_bytes, random_colour, smooth_noise

OCCLUDER = PART_NAMES.index("occluder")
SUB_PX_BITS = 4


@dataclass(frozen=True)
class Occluder:
    """A convex sheet that faces the camera.

    Attributes:
        corners_px: Its outline in the image.
        depth_m: Distance from the camera.
        colours: sRGB pattern of the image's size; the outline shows a part of it.
    """

    corners_px: Float[np.ndarray, "corners 2"]
    depth_m: float
    colours: UInt8[np.ndarray, "side side 3"]


def sample_occluder(
    rng: np.random.Generator, joints_px: Float[np.ndarray, "21 2"], nearest_m: float, size_px: int
) -> Occluder:
    """A card, bar or disc across a random part of the hand, a little nearer than its nearest joint.

    It hides at most about a third of the joints' box, and grows out of a side, as held or passing things do.
    """
    low, high = joints_px.min(0), joints_px.max(0)
    box = float(max(high - low))
    centre = rng.uniform(low, high) + rng.normal(size=2) * 0.1 * box
    shape = rng.integers(3)
    extent = box * rng.uniform(0.1, 0.32, 2) * np.array([3.0 if shape == 0 else 1.0, 0.5 if shape == 0 else 1.0])
    angles = np.array([0.25, 0.75, 1.25, 1.75]) * np.pi if shape < 2 else np.linspace(0, 2 * np.pi, 24, endpoint=False)
    turn = rng.uniform(0, np.pi)
    local = np.stack([np.cos(angles), np.sin(angles)], -1) * extent
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    base, light = random_colour(rng), random_colour(rng)
    blend = (smooth_noise(rng, size_px, int(rng.integers(2, 8))) + 1) / 2
    depth_m = max(0.1, nearest_m - rng.uniform(0.015, 0.08))
    return Occluder(local @ rotation.T + centre, float(depth_m), as_bytes(base + (light - base) * blend * rng.random()))


def put_in_front(output: RenderOutput, occluder: Occluder) -> RenderOutput:
    """The image with the occluder before it: soft edge in colour, pixel centres in depth and segmentation."""
    size = output.depth_m.shape
    cover = np.zeros(size, np.uint8)
    fixed_point = np.rint(occluder.corners_px * (1 << SUB_PX_BITS)).astype(np.int32)
    cv2.fillConvexPoly(cover, fixed_point, 255, cv2.LINE_AA, SUB_PX_BITS)
    cover[(output.depth_m > 0) & (output.depth_m < occluder.depth_m)] = 0  # an arm may come nearer than the hand
    weight = (cover / np.float32(255))[..., None]
    rgb = output.rgb + weight * (occluder.colours.astype(np.float32) - output.rgb)
    hidden = cover >= 128
    depth_m = np.where(hidden, np.float32(occluder.depth_m), output.depth_m)
    segmentation = np.where(hidden, np.uint8(OCCLUDER), output.segmentation)
    return RenderOutput(np.rint(rgb).astype(np.uint8), depth_m, segmentation)
