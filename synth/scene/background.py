"""What stands behind the hand: the panorama that lights it, the user's photos, or what is painted."""

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from synth.config import check, option
from synth.scene.camera import Camera
from synth.scene.environment import Surroundings
from synth.scene.painted import PAINTERS, SHARES
from synth.scene.people import paint_person
from synth.scene.photos import Photos

Image = UInt8[np.ndarray, "side side 3"]
PERSON_BEFORE_PHOTO = 0.35
"""Photos and panoramas show people of their own: painted ones stand before them less often, by this factor."""
MAX_CANVAS_PX = 128
"""Larger backgrounds are painted at this size and enlarged: they are mostly out of focus, and painting costs time."""


@dataclass
class BackgroundOptions:
    """What stands behind the hand, and how often."""

    hdr_share: float = option(0.7, "share of images lit by a panorama that show it as their background")
    person_share: float = option(0.35, "share of painted backgrounds with a person; a third of it before photos")

    def __post_init__(self) -> None:
        for key in ("hdr_share", "person_share"):
            check(0 <= getattr(self, key) <= 1, f"scene.background.{key}", getattr(self, key), "in [0, 1]")


@dataclass(frozen=True)
class Setting:
    """What a background has to fit.

    Attributes:
        light: Linear RGB factor, the brightness and colour of the light; dim light darkens the background too.
        camera: What sees the scene.
        R_cam_world: Rotation from the world frame (+y down) to the camera frame.
        surroundings: The panorama that lights the scene, if one does.
    """

    light: Float[np.ndarray, "3"]
    camera: Camera
    R_cam_world: Float[np.ndarray, "3 3"]
    surroundings: Surroundings | None = None


class Backgrounds:
    """Draws one background after another; ``photos`` is None when there are none."""

    def __init__(self, options: BackgroundOptions, *, photos: Photos | None = None, photo_share: float = 0.0):
        self._options = options
        self._photos = photos
        self._photo_share = photo_share if photos is not None else 0.0

    def sample(self, rng: np.random.Generator, setting: Setting) -> tuple[Image, str]:
        """A background of the camera's size, and its kind."""
        size_px = setting.camera.width
        person_share = self._options.person_share
        if setting.surroundings is not None and rng.random() < self._options.hdr_share:
            image, kind = setting.surroundings.picture(setting.camera), "hdr"
            person_share *= PERSON_BEFORE_PHOTO
        elif self._photos is not None and rng.random() < self._photo_share:
            image, kind = self._photos.sample(rng, size_px), "photo"
            person_share *= PERSON_BEFORE_PHOTO
        else:
            kind = str(rng.choice(list(PAINTERS), p=SHARES))
            image = PAINTERS[kind](rng, min(size_px, MAX_CANVAS_PX))
        if rng.random() < person_share:
            paint_person(rng, image)
            kind += "+person"
        if not kind.startswith("hdr"):
            image = _lit(rng, image, setting.light)
        if rng.random() < 0.6:
            image = cv2.GaussianBlur(image, (0, 0), len(image) / 128 * rng.uniform(0.3, 3.0))
        if len(image) != size_px:
            image = cv2.resize(image, (size_px, size_px), interpolation=cv2.INTER_LINEAR)
        return image, kind


def _lit(rng: np.random.Generator, image: Image, light: np.ndarray) -> Image:
    """The image under coloured light; it follows the light on the hand only partly, as rooms are lit unevenly."""
    factor = np.clip(light, 0.05, 3) ** rng.uniform(0.4, 0.9) * rng.uniform(0.65, 1.2)
    levels = 255 * (np.arange(256) / 255.0)[:, None] * factor ** (1 / 2.2)
    return cv2.LUT(image, np.clip(levels, 0, 255).astype(np.uint8)[None])
