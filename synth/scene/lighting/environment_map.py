"""Light from a panorama: turned with the camera, its lamps as directional lights, brought to a drawn exposure."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, UInt8

from synth.geometry.camera import Camera
from synth.render.renderer import Lights
from synth.scene.lighting.light import DrawnLight
from synth.scene.lighting.panorama import Panorama
from synth.scene.lighting.spherical_harmonics import irradiance_at, turn_irradiance

EXPOSURE = (0.45, 1.25)
"""As in ``light.EXPOSURE``, and lower: a panorama shows its own walls in its own light, and white ones should not burn
out."""
METERED_ON_HAND = 0.6
"""Share of the hand's side towards the camera in the metering; the rest is the mean of all around. A camera that only
metered the hand would burn out every background before which it looks into the light."""


@dataclass(frozen=True)
class Surroundings:
    """The panorama about a scene, how it is turned, and the factor that its exposure puts on the radiance."""

    panorama: Panorama
    R_cam_world: Float[np.ndarray, "3 3"]
    scale: float

    def picture(self, camera: Camera) -> UInt8[np.ndarray, "height width 3"]:
        """What the camera sees of it, in the exposure of the scene."""
        return self.panorama.picture(camera, self.R_cam_world, self.scale)


def light_from_panorama(
    rng: np.random.Generator, panorama: Panorama, R_cam_world: Float[np.ndarray, "3 3"]
) -> tuple[DrawnLight, Surroundings]:
    """The light that the panorama throws on a scene, and the panorama as that scene's surroundings."""
    exposure = float(rng.uniform(*EXPOSURE))
    ambient = turn_irradiance(panorama.ambient_sh, R_cam_world)
    directions = panorama.lamps.directions @ R_cam_world.T
    facing = irradiance_at(ambient, np.array([0.0, 0.0, -1.0]))
    facing = np.maximum(facing, 0) + np.clip(-directions[:, 2], 0, 1) @ panorama.lamps.colours
    metered = METERED_ON_HAND * facing + (1 - METERED_ON_HAND) * panorama.mean
    scale = exposure / float(metered.mean())
    lights = Lights(
        ambient_sh=(scale * ambient).astype(np.float32),
        directions=directions.astype(np.float32),
        colours=(scale * panorama.lamps.colours).astype(np.float32),
    )
    drawn = DrawnLight(lights, f"hdr:{panorama.name}", exposure, metered / metered.mean())
    return drawn, Surroundings(panorama, R_cam_world, scale)
