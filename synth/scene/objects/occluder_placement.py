"""A thing of real shape between the camera and the hand."""

import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation

from synth.geometry.camera import Camera
from synth.scene.objects.collision_proxies import Spheres
from synth.scene.objects.object_mesh import PlacedThing, Thing

MAX_BOX_SHARE = 0.75
"""Longest side of the thing in the image, in longer sides of the joints' box: what is larger is shrunk."""
FREE_M = (0.01, 0.08)
"""Between the thing's far side and the nearest joint."""
NEAREST_M = 0.1
TRIES = 4


def place_in_front(
    rng: np.random.Generator,
    thing: Thing,
    joints_cam: Float[np.ndarray, "21 3"],
    *,
    camera: Camera,
    body: Spheres,
) -> PlacedThing | None:
    """The thing, turned at random, before a random part of the hand, or None where it would cross ``body``.

    Args:
        rng: Source of all randomness.
        thing: What to place.
        joints_cam: Joints in metres, camera frame.
        camera: What sees it.
        body: Hands, arms and what they hold.
    """
    joints_px = camera.project(joints_cam)
    low, high = joints_px.min(0), joints_px.max(0)
    box_px = float(max(high - low))
    for _ in range(TRIES):
        R = Rotation.from_quat(rng.normal(size=4)).as_matrix()
        far_m = joints_cam[:, 2].min() - rng.uniform(*FREE_M)
        centre_px = rng.uniform(low, high) + rng.normal(size=2) * 0.1 * box_px
        largest_m = rng.uniform(0.3, MAX_BOX_SHARE) * box_px * far_m / float(camera.K[1, 1])
        small = thing.scaled(min(1.0, largest_m / float(thing.size_m[0])))
        depth_m = far_m - float((small.verts @ R[2]).max())
        if depth_m + float((small.verts @ R[2]).min()) < NEAREST_M:
            continue
        placed = PlacedThing(small, R, camera.unproject(centre_px, np.array(depth_m)))
        if placed.hull.gap_m(body) > 0:
            return placed
    return None
