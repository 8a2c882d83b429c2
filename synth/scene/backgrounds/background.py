"""What stands behind the hand: the panorama that lights it, a textured plane, a photo, or what is painted."""

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from synth.common.config import check, option
from synth.geometry.camera import Camera
from synth.scene.backgrounds.people import paint_person
from synth.scene.backgrounds.photos import Photos
from synth.scene.backgrounds.procedural import PAINTERS, SHARES, paint_wall
from synth.scene.backgrounds.textured_plane import Plane, as_tile, draw_plane, sample_plane
from synth.scene.lighting.environment_map import Surroundings

Image = UInt8[np.ndarray, "side side 3"]
PERSON_BEFORE_PHOTO = 0.35
"""Photos show people of their own: painted ones stand before them less often, by this factor."""
BEHIND_M = (0.3, 6.0)
"""How far behind the hand a background stands, metres."""
GRAZING_Z = 0.1
PAINT_BLUR_PX = (0.2, 1.4)
"""Sigma that softens what is painted, pixels of a 128 px image: flat colours with hard edges look cut out."""
LOOKS_DOWN = 0.7
"""Sine of the angle below the horizon from which a camera sees no people and no rooms, but the table or the floor."""
FLAT = ["wall", "noise", "pattern", "clutter"]
FLAT_SHARES = np.array([0.35, 0.2, 0.15, 0.3])
MAX_CANVAS_PX = 128
"""Larger backgrounds are painted at this size and enlarged: they are mostly out of focus, and painting costs time."""


@dataclass
class BackgroundOptions:
    """What stands behind the hand, and how often."""

    hdr_share: float = option(0.7, "share of images lit by a panorama that show it as their background")
    texture_dir: str = option("", "folder of texture tiles for tables, walls and patterns; empty: none")
    texture_share: float = option(0.35, "share of the other images before a textured plane when texture_dir is given")
    person_share: float = option(0.35, "share of painted backgrounds with a person; a third of it before photos")

    def __post_init__(self) -> None:
        for key in ("hdr_share", "texture_share", "person_share"):
            check(0 <= getattr(self, key) <= 1, f"scene.background.{key}", getattr(self, key), "in [0, 1]")


@dataclass(frozen=True)
class Setting:
    """What a background has to fit.

    Attributes:
        light: Linear RGB factor, the brightness and colour of the light; dim light darkens the background too.
        camera: What sees the scene.
        R_cam_world: Rotation from the world frame (+y down) to the camera frame.
        points_cam: Points of the hand, camera frame, metres; the background lies behind them.
        surroundings: The panorama that lights the scene, if one does.
    """

    light: Float[np.ndarray, "3"]
    camera: Camera
    R_cam_world: Float[np.ndarray, "3 3"]
    points_cam: Float[np.ndarray, "points 3"]
    surroundings: Surroundings | None = None


@dataclass(frozen=True)
class Background:
    """What stands behind the hand, what kind of thing it is, and how far the camera is from it, metres."""

    image: Image
    kind: str
    distance_m: float


class Backgrounds:
    """Draws one background after another; ``photos`` and ``textures`` are None when there are none."""

    def __init__(
        self,
        options: BackgroundOptions,
        *,
        photos: Photos | None = None,
        photo_share: float = 0.0,
        textures: Photos | None = None,
    ):
        self._options = options
        self._photos = photos
        self._photo_share = photo_share if photos is not None else 0.0
        self._textures = textures

    def sample(self, rng: np.random.Generator, setting: Setting) -> Background:
        """A sharp background of the camera's size."""
        size_px = setting.camera.width
        hand_m = float(setting.points_cam[:, 2].mean())
        distance_m = hand_m + float(np.exp(rng.uniform(*np.log(BEHIND_M))))
        looks_down = bool(setting.R_cam_world[2, 1] > LOOKS_DOWN)
        if setting.surroundings is not None and rng.random() < self._options.hdr_share:
            image, kind, person_share = setting.surroundings.picture(setting.camera), "hdr", 0.0
        elif self._textures is not None and rng.random() < self._options.texture_share:
            image, plane, kind = self._before_plane(rng, self._textures.whole(rng), setting)
            person_share, distance_m = 0.0, float(-plane.distance_m / min(plane.normal[2], -GRAZING_Z))
        elif self._photos is not None and rng.random() < self._photo_share:
            image, kind, person_share = self._photos.sample(rng, size_px), "photo", PERSON_BEFORE_PHOTO
        else:
            kinds, shares = (FLAT, FLAT_SHARES) if looks_down else (list(PAINTERS), SHARES)
            kind, person_share = str(rng.choice(kinds, p=shares)), 1.0
            image = PAINTERS[kind](rng, min(size_px, MAX_CANVAS_PX))
            image = cv2.GaussianBlur(image, (0, 0), len(image) / MAX_CANVAS_PX * rng.uniform(*PAINT_BLUR_PX))
        if rng.random() < person_share * self._options.person_share and not looks_down:
            paint_person(rng, image)
            kind += "+person"
        if not kind.startswith("hdr"):
            image = _lit(rng, image, setting.light)
        if len(image) != size_px:
            image = cv2.resize(image, (size_px, size_px), interpolation=cv2.INTER_LINEAR)
        return Background(image, kind, distance_m)

    def _before_plane(self, rng: np.random.Generator, texture: Image, setting: Setting) -> tuple[Image, Plane, str]:
        """A textured plane; beyond a table's end there is a wall."""
        plane, kind = sample_plane(rng, setting.R_cam_world, setting.points_cam)
        image = paint_wall(rng, setting.camera.width)
        draw_plane(image, as_tile(texture), plane, setting.camera)
        return image, plane, f"texture:{kind}"


def _lit(rng: np.random.Generator, image: Image, light: np.ndarray) -> Image:
    """The image under coloured light; it follows the light on the hand only partly, as rooms are lit unevenly."""
    factor = np.clip(light, 0.05, 3) ** rng.uniform(0.4, 0.9) * rng.uniform(0.65, 1.2)
    levels = 255 * (np.arange(256) / 255.0)[:, None] * factor ** (1 / 2.2)
    return cv2.LUT(image, np.clip(levels, 0, 255).astype(np.uint8)[None])
