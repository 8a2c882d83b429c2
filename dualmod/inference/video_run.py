"""Prediction on a video: an annotated copy, one JSON line for each frame, and how much the hands tremble."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import chain
from pathlib import Path
from typing import Any, TextIO

import cv2
import numpy as np

from dualmod.data.video import Video
from dualmod.inference.json_output import PX_DIGITS, Origin, camera_json, hand_json
from dualmod.inference.one_euro import OneEuroConfig
from dualmod.inference.pose_overlays import hands_overlay
from dualmod.inference.timings import PartTimings
from dualmod.inference.top_down import TopDownEstimator
from dualmod.inference.tracker import HandTracker, TrackedHand
from synth.common.conventions import JOINT_NAMES
from synth.common.files import written_atomically

PARTS = ("decode", "localize", "network", "draw", "write")
ASSUMED_FRAMES_PER_SECOND = 30.0
CODEC = "mp4v"
"""MPEG-4: the one that every build of OpenCV can write. Browsers want H.264: ffmpeg -i NAME.mp4 -c:v libx264 web.mp4"""


class VideoRun:
    """A video in, ``NAME.mp4`` and ``NAME.jsonl`` out."""

    def __init__(self, path: Path, estimator: TopDownEstimator, origin: Origin, one_euro: OneEuroConfig | None) -> None:
        """Decode the first frame.

        Raises:
            ValueError: when there is none, or box or K don't fit it.
        """
        self.path, self.estimator, self.origin, self.one_euro = path, estimator, origin, one_euro
        self.timings = PartTimings(*PARTS)
        video = Video(path)
        self.said_rate = video.frames_per_second
        self.rate = self.said_rate or ASSUMED_FRAMES_PER_SECOND
        frames = video.frames()
        first = next(frames, None)
        if first is None:
            raise ValueError(f"input={path} has no frame that can be decoded; give MP4, MOV, AVI, MKV or WebM with one")
        estimator.require_fitting(first)
        self.size_px = first.shape[1], first.shape[0]
        self._frames = chain([first], frames)
        self.tracker = HandTracker(estimator, one_euro, 1 / self.rate, self.timings)
        self.num_frames = self.num_hands = self.num_without = 0

    def predict(self, out: Path) -> None:
        """Predict on every frame and write both files; neither is left when it fails on the way."""
        with ExitStack() as files:
            rows = files.enter_context(written_atomically(out / f"{self.path.stem}.jsonl"))
            copy = files.enter_context(written_atomically(out / f"{self.path.stem}.mp4"))
            file = files.enter_context(rows.open("w"))
            writer = files.enter_context(_Writer(copy, self.rate))
            for image in self._timed_frames():
                self._predict_frame(image, file, writer)
            self.tracker.end()

    def _predict_frame(self, image: np.ndarray, file: TextIO, writer: "_Writer") -> None:
        hands = self.tracker.next(image)
        with self.timings.part("draw"):
            overlay = hands_overlay(image, [one.hand for one in hands])
        with self.timings.part("write"):
            file.write(json.dumps(self._row(hands)) + "\n")
            writer.write(overlay)
        self.num_frames += 1
        self.num_hands += len(hands)
        self.num_without += not hands

    def to_json(self) -> dict[str, Any]:
        """Counts, jitter and times; what holds for every line of the JSON lines too."""
        return {
            "frames": self.num_frames,
            "width": self.size_px[0],
            "height": self.size_px[1],
            "frames_per_second": round(self.rate, 3),
            "frames_per_second_source": "file" if self.said_rate else "assumed",
            "hands": self.num_hands,
            "frames_without_hand": self.num_without,
            "tracks": self.tracker.num_tracks,
            "searches": self.tracker.num_searches,
            "jitter_raw": self.tracker.raw.to_json(),
            "jitter_smoothed": self.tracker.smoothed.to_json() if self.one_euro else None,
            "camera": camera_json(self.estimator.camera.K, self.size_px),
            "joint_names": list(JOINT_NAMES),
            "timings": self.timings.to_json(self.num_frames),
        }

    def lines(self, out: Path) -> list[str]:
        """The same in words."""
        jitter = [self.tracker.raw.to_json()] + ([self.tracker.smoothed.to_json()] if self.one_euro else [])
        trembling = " -> ".join(f"{one['px_per_frame2']} px" for one in jitter)
        return [
            f"{self.num_hands} hands in {self.num_frames} frames, {self.tracker.num_tracks} tracks "
            f"(boxes: {self.estimator.detector_name}, {self.tracker.num_searches} searches) -> {out}",
            f"jitter per frame^2: {trembling}",
            self.timings.line(self.num_frames),
        ]

    def _row(self, hands: list[TrackedHand]) -> dict[str, Any]:
        told = [
            {"track": one.number}
            | hand_json(one.hand, self.estimator.handedness)
            | {"joints_px_raw": np.round(one.joints_px_raw, PX_DIGITS).tolist()}
            for one in hands
        ]
        return {"frame": self.num_frames, "time_s": round(self.num_frames / self.rate, 4), "hands": told}

    def _timed_frames(self) -> Iterator[np.ndarray]:
        while True:
            with self.timings.part("decode"):
                image = next(self._frames, None)
            if image is None:
                return
            yield image


class _Writer:
    """A video file that is opened with the size of its first frame, cut to even sides as the codec wants."""

    def __init__(self, path: Path, rate: float) -> None:
        self.path, self.rate = path, rate
        self._writer: cv2.VideoWriter | None = None

    def __enter__(self) -> "_Writer":
        return self

    def __exit__(self, *_: object) -> None:
        if self._writer is not None:
            self._writer.release()

    def write(self, image: np.ndarray) -> None:
        height, width = (side - side % 2 for side in image.shape[:2])
        if self._writer is None:
            self._writer = cv2.VideoWriter(str(self.path), cv2.VideoWriter.fourcc(*CODEC), self.rate, (width, height))
            if not self._writer.isOpened():
                raise ValueError(f"OpenCV cannot write {CODEC} video to {self.path}; install opencv-python-headless")
        self._writer.write(cv2.cvtColor(image[:height, :width], cv2.COLOR_RGB2BGR))
