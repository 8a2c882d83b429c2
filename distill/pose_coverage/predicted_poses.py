"""The poses that a network reads from photographs: voted by views of both mirrorings, and how much these differ."""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from jaxtyping import Bool, Float

from distill.pose_coverage.box_poses import box_poses, pose_distance
from distill.targets.start_boxes import locate_hands
from dualmod.geometry.lifting import assumed_K, lift
from dualmod.inference.predictor import HandEstimates, Predictor
from dualmod.inference.test_time_augmentation import VotingPredictor, voted


@dataclass(frozen=True)
class PredictedPoses:
    """Hands of photographs; row i of every field belongs together.

    Attributes:
        joints_px: Voted joints in pixels of the photograph.
        joints_depth: Their depth behind the root in reference bones.
        is_left: Which hands were taken for left ones, by all views and their mirror images.
        confidence: Mean over the joints.
        spread: Mean distance of the views' poses from the voted one, in box sides: large where the network guesses.
        sizes_px: Width and height of the photographs.
    """

    joints_px: Float[np.ndarray, "photos 21 2"]
    joints_depth: Float[np.ndarray, "photos 21"]
    is_left: Bool[np.ndarray, "photos"]
    confidence: Float[np.ndarray, "photos"]
    spread: Float[np.ndarray, "photos"]
    sizes_px: Float[np.ndarray, "photos 2"]

    def __len__(self) -> int:
        return len(self.joints_px)

    @property
    def poses(self) -> Float[np.ndarray, "photos 21 2"]:
        """``box_poses`` of all: what a ``PoseIndex`` of renders is asked with."""
        return box_poses(self.joints_px, self.is_left)

    def lifted(self) -> Float[np.ndarray, "photos 21 3"]:
        """The hands as right ones in 3D, camera frame, in reference bones, by an assumed focal length."""
        K = np.stack([assumed_K(width, height) for width, height in self.sizes_px])
        joints = lift(self.joints_px, self.joints_depth, K, 1.0)
        joints[self.is_left, :, 0] *= -1
        return joints


def predict_poses(predictor: Predictor, images: Sequence[np.ndarray], views: int) -> PredictedPoses:
    """One hand of each photograph: found from the whole photograph, then looked at ``views`` times.

    As many photographs as make a batch are in memory at a time.
    """
    count, step = len(images), predictor.batch_size
    voting = VotingPredictor(predictor, views)
    parts = [_predicted(voting, [images[i] for i in range(k, min(k + step, count))]) for k in range(0, count, step)]
    return joined(parts)


def joined(parts: Sequence[PredictedPoses]) -> PredictedPoses:
    """Several as one, in their order."""
    names = [f.name for f in fields(PredictedPoses)]
    return PredictedPoses(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in names})


def _predicted(voting: VotingPredictor, photos: list[np.ndarray]) -> PredictedPoses:
    located = locate_hands(_single(voting), photos)
    looks, right, is_left = voting.looks(photos, located.boxes_px)
    hands = voted(looks, right, is_left)
    return PredictedPoses(
        joints_px=hands.joints_px,
        joints_depth=hands.joints_depth,
        is_left=is_left,
        confidence=hands.confidence.mean(1),
        spread=view_spread(looks, hands),
        sizes_px=np.array([photo.shape[1::-1] for photo in photos], np.float64),
    )


def view_spread(looks: Sequence[HandEstimates], hands: HandEstimates) -> Float[np.ndarray, "hands"]:
    """Mean distance of the looks' poses from that of ``hands``, in box sides."""
    middle = box_poses(hands.joints_px)
    return np.mean([pose_distance(box_poses(look.joints_px), middle) for look in looks], 0)


def _single(voting: VotingPredictor) -> Predictor:
    """The predictor that looks once: a box is found by one look at the whole and one at what that found."""
    return Predictor(voting.net, voting.device, crop_margin=voting.crop_margin, batch_size=voting.batch_size)
