"""Hands through a video: a frame's box is that of the last frame's joints; the detector finds those that are missing.

A hand is lost when the network is much less sure of it than before, when it leaves the image, or when another track
has come to lie on it. Left or right is decided over the frames of a track: a hand does not change sides.
"""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, UInt8

from dualmod.detection.detector import HandBox
from dualmod.geometry.crop import box_longer_side, joints_box
from dualmod.inference.acceleration import Jitter
from dualmod.inference.one_euro import OneEuroConfig, OneEuroFilter
from dualmod.inference.timings import PartTimings
from dualmod.inference.top_down import PREDICTED, EstimatedHand, TopDownEstimator
from synth.common.conventions import LEFT, RIGHT

TRACKED = "tracked"
LOST_SHARE = 0.5
"""A hand is lost below this share of its mean confidence so far."""
MEMORY = 0.9
"""Share of the past in the running means of confidence and of the log-odds of a right hand."""
LOCATE_EVERY = 10
"""Frames after which a missing hand is looked for again while others are followed."""
SAME_HAND_IOU = 0.4
SMALLEST_SIDE_PX, LARGEST_SIDE_SHARE = 8, 2.0


@dataclass(eq=False)
class Track:
    """One hand that is being followed.

    Attributes:
        number: Its number in the video.
        hand: As it was predicted last.
        confidence: Running mean.
        right_log_odds: Running mean.
        place_filter: Of the joints in pixels; None without smoothing.
        depth_filter: Of the joints' depth in bones; None without smoothing.
        raw: Jitter of the predictions.
        smoothed: Jitter of what is told.
    """

    number: int
    hand: EstimatedHand
    confidence: float
    right_log_odds: float
    place_filter: OneEuroFilter | None
    depth_filter: OneEuroFilter | None
    raw: Jitter
    smoothed: Jitter

    @property
    def box(self) -> HandBox:
        """Where to look in the next frame."""
        return HandBox(joints_box(self.hand.joints_px), float(self.hand.confidence.mean()), self.hand.right_probability)

    def follow(self, hand: EstimatedHand) -> None:
        """Take the prediction in the next frame."""
        self.hand = hand
        self.confidence = MEMORY * self.confidence + (1 - MEMORY) * float(hand.confidence.mean())
        self.right_log_odds = MEMORY * self.right_log_odds + (1 - MEMORY) * _log_odds(hand.right_probability)

    def is_lost(self, hand: EstimatedHand, size_px: tuple[int, int]) -> bool:
        """Whether the prediction in the next frame is no longer this hand."""
        box = joints_box(hand.joints_px)
        centre, side = (box[:2] + box[2:]) / 2, float(box_longer_side(box))
        is_outside = bool((centre < 0).any() or (centre > np.array(size_px) - 1).any())
        has_size = SMALLEST_SIDE_PX <= side <= LARGEST_SIDE_SHARE * max(size_px)
        return is_outside or not has_size or float(hand.confidence.mean()) < LOST_SHARE * self.confidence


@dataclass(frozen=True)
class TrackedHand:
    """A hand in one frame: smoothed where that was asked for, with the joints as they were predicted."""

    number: int
    hand: EstimatedHand
    joints_px_raw: Float[np.ndarray, "21 2"]


class HandTracker:
    """Takes the frames of one video in order."""

    def __init__(
        self, estimator: TopDownEstimator, one_euro: OneEuroConfig | None, step_s: float, timings: PartTimings
    ) -> None:
        """A tracker that has seen nothing.

        Args:
            estimator: Detector and network.
            one_euro: Smoothing; None for none.
            step_s: Seconds between two frames.
            timings: Takes the parts ``localize`` and ``network``.
        """
        self.estimator, self.one_euro, self.step_s, self.timings = estimator, one_euro, step_s, timings
        self.tracks: list[Track] = []
        self.num_tracks, self.num_searches, self._frame = 0, 0, 0
        self.raw, self.smoothed = Jitter(), Jitter()

    def next(self, image: UInt8[np.ndarray, "height width 3"]) -> list[TrackedHand]:
        """The hands of the next frame, in the order of their tracks."""
        num_before = len(self.tracks)
        self._follow(image)
        is_due = not self.tracks or len(self.tracks) < num_before or self._frame % LOCATE_EVERY == 0
        if len(self.tracks) < self.estimator.most_hands and is_due:
            self._search(image)
        self._frame += 1
        return [self._told(track, image) for track in self.tracks]

    def end(self) -> None:
        """The video is over: count the jitter of the hands that are still followed."""
        self._drop(self.tracks)

    def _follow(self, image: np.ndarray) -> None:
        tracks, size_px = self.tracks, image.shape[1::-1]
        if not tracks:
            return
        decided = [RIGHT if track.right_log_odds >= 0 else LEFT for track in tracks]
        told = decided if self.estimator.handedness == PREDICTED else None
        boxes = [track.box for track in tracks]
        with self.timings.part("network"):
            found = self.estimator.look(image, boxes, box_source=TRACKED, handedness=told)
        by_box = {id(hand.box): hand for hand in found}
        lost = []
        for track, box in zip(tracks, boxes, strict=True):
            hand = by_box.get(id(box))
            if hand is None or track.is_lost(hand, size_px):
                lost.append(track)
            else:
                track.follow(hand)
        self._drop(lost)
        self._drop(_doubles(self.tracks))

    def _search(self, image: np.ndarray) -> None:
        with self.timings.part("localize"):
            boxes = self.estimator.boxes(image)
        self.num_searches += 1
        followed = [track.box.box_px for track in self.tracks]
        new = [box for box in boxes if all(iou(box.box_px, other) < SAME_HAND_IOU for other in followed)]
        new = new[: self.estimator.most_hands - len(self.tracks)]
        with self.timings.part("network"):
            found = self.estimator.look(image, new, box_source=self.estimator.detector_name)
        for hand in found:
            filters = [OneEuroFilter(self.one_euro, self.step_s) if self.one_euro else None for _ in range(2)]
            odds = _log_odds(hand.right_probability)
            sure = float(hand.confidence.mean())
            self.tracks.append(Track(self.num_tracks, hand, sure, odds, *filters, raw=Jitter(), smoothed=Jitter()))
            self.num_tracks += 1

    def _told(self, track: Track, image: np.ndarray) -> TrackedHand:
        hand, raw_px = track.hand, track.hand.joints_px
        side_px = float(box_longer_side(joints_box(raw_px)))
        if track.place_filter and track.depth_filter:
            joints_px = track.place_filter(raw_px, unit=max(1.0, side_px))
            depth = track.depth_filter(hand.joints_depth[:, None])[:, 0]
            placed = self.estimator.placed(joints_px, depth, image.shape[1::-1])
            hand = replace(hand, joints_px=joints_px, joints_depth=depth, placed=placed)
        track.raw.add(raw_px, side_px)
        track.smoothed.add(hand.joints_px, side_px)
        return TrackedHand(track.number, hand, raw_px)

    def _drop(self, tracks: list[Track]) -> None:
        for track in tracks:
            self.raw, self.smoothed = self.raw + track.raw, self.smoothed + track.smoothed
        self.tracks = [track for track in self.tracks if track not in tracks]


def iou(a: Float[np.ndarray, "4"], b: Float[np.ndarray, "4"]) -> float:
    """Intersection over union of two boxes x0, y0, x1, y1."""
    sides = np.maximum(0, np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]))
    both = float(sides.prod())
    union = float((a[2:] - a[:2]).prod() + (b[2:] - b[:2]).prod()) - both
    return both / union if union > 0 else 0.0


def _doubles(tracks: list[Track]) -> list[Track]:
    """Tracks that lie on a surer one."""
    kept: list[Track] = []
    doubles: list[Track] = []
    for track in sorted(tracks, key=lambda t: -t.confidence):
        on_another = any(iou(track.box.box_px, other.box.box_px) > SAME_HAND_IOU for other in kept)
        (doubles if on_another else kept).append(track)
    return doubles


def _log_odds(probability: float) -> float:
    p = float(np.clip(probability, 1e-4, 1 - 1e-4))
    return float(np.log(p / (1 - p)))
