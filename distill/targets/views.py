"""Unlabelled photographs as training data: weak and strong views of a hand, and more of them where a method asks.

No label enters here: boxes and the side of the hand come from the network that is to be adapted.
"""

from dataclasses import dataclass, fields, replace

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from distill.targets.photos import PHOTO, TargetPhotos
from distill.targets.start_boxes import LocatedHands
from dualmod.data.appearance import change_texture
from dualmod.data.augment import AugmentConfig, rgb_tensor
from dualmod.geometry import view_warps
from dualmod.geometry.crop import crop_image, crop_matrix, crop_side_px, invert_affine, px_from_uv, uv_from_px
from dualmod.geometry.lifting import ASSUMED_FOCAL

WEAK_ZOOM, VIEW_ZOOM = 3 / 32, 5 / 32
"""Sides of the weak view, and of the further ones, differ by up to these shares from the side of the crop at test."""
VIEW_TURN_RAD, VIEW_SHIFT = 0.2, 0.05
"""Standard deviations of the further weak views: turn, and shift in sides of the crop."""


@dataclass(frozen=True)
class ViewsConfig:
    """What a batch holds beside the weak and the strong view.

    Attributes:
        num_views: Further weak views of each photo, a little turned, shifted and zoomed.
        frames: Whether the neighbouring frames of a video come along.
    """

    num_views: int = 0
    frames: bool = False


@dataclass(frozen=True)
class TargetBatch:
    """Views of unlabelled hands.

    Attributes:
        weak: Nearly upright crops in [0, 1], on which pseudo-labels are made.
        strong: The same hands turned, re-cropped and with another texture, on which the student learns.
        A_strong_weak: Takes ``joints_uv`` of the weak view to those of the strong one.
        focal: Focal length in sides of the weak crop, assumed where K is not known.
        right: Probability of a right hand by the start network.
        views: Further weak views.
        A_weak_views: Takes ``joints_uv`` of a further view to those of the weak one.
        frames: The weak crop's place in the frames before and after.
        has_frames: Whether both of them are there.
    """

    weak: Float[Tensor, "batch 3 side side"]
    strong: Float[Tensor, "batch 3 side side"]
    A_strong_weak: Float[Tensor, "batch 2 3"]
    focal: Float[Tensor, "batch"]
    right: Float[Tensor, "batch"]
    views: Float[Tensor, "batch views 3 side side"] | None = None
    A_weak_views: Float[Tensor, "batch views 2 3"] | None = None
    frames: Float[Tensor, "batch 2 3 side side"] | None = None
    has_frames: Bool[Tensor, "batch"] | None = None

    def __len__(self) -> int:
        return len(self.weak)

    def to(self, device: torch.device | str) -> "TargetBatch":
        """The batch on another device (Lightning calls it)."""
        parts = {f.name: getattr(self, f.name) for f in fields(self)}
        return replace(self, **{name: part.to(device) for name, part in parts.items() if part is not None})

    def mirrored(self, rows: Bool[Tensor, "batch"]) -> "TargetBatch":
        """The batch with those ``rows`` mirrored in all views."""

        def pick(plain: Tensor, other: Tensor) -> Tensor:
            return torch.where(rows.view(-1, *[1] * (plain.ndim - 1)), other, plain)

        images = {name: getattr(self, name) for name in ("weak", "strong", "views", "frames")}
        flipped = {name: pick(part, part.flip(-1)) for name, part in images.items() if part is not None}
        if self.A_weak_views is not None:
            moved = view_warps.mirrored(self.A_weak_views.flatten(0, 1)).view_as(self.A_weak_views)
            flipped["A_weak_views"] = pick(self.A_weak_views, moved)
        moved = view_warps.mirrored(self.A_strong_weak)
        return replace(self, **flipped, A_strong_weak=pick(self.A_strong_weak, moved))


class TargetBatches:
    """Batch ``step`` of the unlabelled hands: a pure function of the seed and the step."""

    def __init__(
        self,
        photos: TargetPhotos,
        hands: LocatedHands,
        augment: AugmentConfig,
        *,
        batch_size: int,
        seed: int,
        views: ViewsConfig | None = None,
        balance: str = PHOTO,
    ):
        """
        Args:
            photos: The photographs.
            hands: Where each one's hand is.
            augment: Geometry and texture of the strong view.
            batch_size: Photos in a batch.
            seed: Seed of choice and views.
            views: What a batch holds beside the weak and the strong view.
            balance: ``photo`` or ``set``: what is drawn equally often.
        """
        self.photos, self.hands, self.augment = photos, hands, augment
        self.batch_size, self.seed, self.balance = batch_size, seed, balance
        self.views = views or ViewsConfig()

    def __call__(self, step: int) -> TargetBatch:
        """The batch of a step."""
        rng = np.random.default_rng([self.seed, step, 3])
        return self.of_photos(self.photos.draw(self.batch_size, self.balance, rng), step, rng)[0]

    def of_photos(
        self, chosen: Int[np.ndarray, "batch"], step: int, rng: np.random.Generator
    ) -> tuple[TargetBatch, Float[np.ndarray, "batch 2 3"]]:
        """Views of photos by their index, and the affine map from pixels of each photo to those of its weak crop.

        Args:
            chosen: The photos.
            step: Numbers the random draws of the further views.
            rng: Draws the weak and the strong views.
        """
        rows = [self._views(int(i), rng) for i in chosen]
        weak, strong, matrices, focal, A_weak_image = zip(*rows, strict=True)
        donors = np.roll(np.arange(len(rows)), 1)
        textured = [
            change_texture(image, strong[donor], self.augment.texture, rng, self.augment.view_strength)
            for image, donor in zip(strong, donors, strict=True)
        ]
        further = np.random.default_rng([self.seed, step, 4])
        batch = TargetBatch(
            weak=rgb_tensor(list(weak)),
            strong=rgb_tensor(textured),
            A_strong_weak=torch.from_numpy(np.stack(matrices).astype(np.float32)),
            focal=torch.tensor(focal, dtype=torch.float32),
            right=torch.from_numpy(self.hands.right[chosen].astype(np.float32)),
            **self._further_views(chosen, A_weak_image, further),
            **self._frames(chosen, A_weak_image),
        )
        return batch, np.stack(A_weak_image)

    def _views(
        self, index: int, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, float, np.ndarray]:
        image, box = self.photos.images[index], self.hands.boxes_px[index]
        side = self.augment.crop_px
        weak_side = self._near_test_side(box, WEAK_ZOOM, rng)
        A_weak_image = _jittered_crop(box, weak_side, 0.03, 0.0, side, rng)
        strong_side = crop_side_px(box, self.augment.margin(rng))
        turn = self.augment.rotation_rad * rng.standard_normal()
        A_strong_image = _jittered_crop(box, strong_side, self.augment.centre_jitter, turn, side, rng)
        focal = ASSUMED_FOCAL * max(image.shape[:2]) / weak_side
        matrix = _between_uv(A_strong_image, A_weak_image, side)
        weak, strong = crop_image(image, A_weak_image, side), crop_image(image, A_strong_image, side)
        return weak, strong, matrix, focal, A_weak_image

    def _near_test_side(self, box: np.ndarray, zoom: float, rng: np.random.Generator) -> float:
        """Side of a crop that is up to ``zoom`` smaller or larger than that at test, in pixels."""
        return crop_side_px(box, self.augment.crop_margin * rng.uniform(1 - zoom, 1 + zoom))

    def _further_views(self, chosen: np.ndarray, A_weak_image: tuple, rng: np.random.Generator) -> dict[str, Tensor]:
        side, count = self.augment.crop_px, self.views.num_views
        if count == 0:
            return {}
        crops, matrices = [], []
        for index, A_weak in zip(chosen, A_weak_image, strict=True):
            image, box = self.photos.images[int(index)], self.hands.boxes_px[index]
            for _ in range(count):
                view_side = self._near_test_side(box, VIEW_ZOOM, rng)
                turn = VIEW_TURN_RAD * rng.standard_normal()
                A_view = _jittered_crop(box, view_side, VIEW_SHIFT, turn, side, rng)
                crops.append(crop_image(image, A_view, side))
                matrices.append(_between_uv(A_weak, A_view, side).astype(np.float32))
        shape = (len(chosen), count)
        return {
            "views": rgb_tensor(crops).unflatten(0, shape),
            "A_weak_views": torch.from_numpy(np.stack(matrices)).unflatten(0, shape),
        }

    def _frames(self, chosen: np.ndarray, A_weak_image: tuple) -> dict[str, Tensor]:
        if not self.views.frames:
            return {}
        side, crops, found = self.augment.crop_px, [], []
        for index, A_weak in zip(chosen, A_weak_image, strict=True):
            rows = self.photos.neighbours[index]
            found.append((rows >= 0).all())
            crops += [crop_image(self.photos.images[int(r if r >= 0 else index)], A_weak, side) for r in rows]
        return {
            "frames": rgb_tensor(crops).unflatten(0, (len(chosen), 2)),
            "has_frames": torch.from_numpy(np.array(found)),
        }


def _jittered_crop(
    box: np.ndarray, side_px: float, jitter: float, turn: float, out_px: int, rng: np.random.Generator
) -> np.ndarray:
    centre = (box[:2] + box[2:]) / 2 + jitter * side_px * rng.standard_normal(2)
    return crop_matrix(centre, side_px, out_px=out_px, rotation_rad=turn)


def _between_uv(A_to_image: np.ndarray, A_from_image: np.ndarray, side: int) -> np.ndarray:
    """The affine map between two crops in units of their side, found from where it takes three points."""
    corners_uv = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    A_image_from = invert_affine(A_from_image)
    image_px = px_from_uv(corners_uv, side) @ A_image_from[:, :2].T + A_image_from[:, 2]
    origin, along_u, along_v = uv_from_px(image_px @ A_to_image[:, :2].T + A_to_image[:, 2], side)
    return np.stack([along_u - origin, along_v - origin, origin], 1)
