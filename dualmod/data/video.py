"""A video file as images: its frames, read through OpenCV and turned as the file says."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import UInt8

VIDEO_SUFFIXES = (".mp4", ".mov", ".avi", ".mkv", ".webm", ".m4v")


class Video:
    """Random access to the frames of a video; reading them in order costs no seek.

    A decoder has a place in its file, so every process opens one of its own.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._capture: cv2.VideoCapture | None = None
        self._owner, self._next = 0, 0

    def __len__(self) -> int:
        """The number of frames that can be decoded: what the file says of itself is often wrong."""
        capture = cv2.VideoCapture(str(self.path))
        count = 0
        while capture.grab():
            count += 1
        capture.release()
        return count

    @property
    def frames_per_second(self) -> float | None:
        """What the file says; None where that is nothing sensible."""
        capture = cv2.VideoCapture(str(self.path))
        said = capture.get(cv2.CAP_PROP_FPS)
        capture.release()
        return said if 1 <= said <= 1000 else None

    def frames(self) -> Iterator[UInt8[np.ndarray, "height width 3"]]:
        """Every frame in order, sRGB, up to the first that cannot be decoded."""
        capture = cv2.VideoCapture(str(self.path))
        try:
            while True:
                is_read, image = capture.read()
                if not is_read:
                    return
                yield cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
        finally:
            capture.release()

    def __getstate__(self) -> Path:
        return self.path

    def __setstate__(self, path: Path) -> None:
        self.__init__(path)

    def frame(self, index: int) -> UInt8[np.ndarray, "height width 3"]:
        """A frame, sRGB.

        Raises:
            ValueError: when it cannot be decoded.
        """
        if self._capture is None or self._owner != os.getpid():
            self._capture, self._owner, self._next = cv2.VideoCapture(str(self.path)), os.getpid(), 0
        if index != self._next:
            self._capture.set(cv2.CAP_PROP_POS_FRAMES, index)
        is_read, image = self._capture.read()
        self._next = index + 1
        if not is_read:
            self._capture = None
            raise ValueError(f"frame {index} of {self.path} cannot be decoded; cut the video there")
        return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


@dataclass(frozen=True)
class VideoFrame:
    """One frame of a video, as an image of a set."""

    video: Video
    index: int

    @property
    def name(self) -> str:
        """File and number of the frame."""
        return f"{self.video.path.name}#{self.index}"

    def read(self) -> UInt8[np.ndarray, "height width 3"]:
        """The frame, sRGB.

        Raises:
            ValueError: when it cannot be decoded.
        """
        return self.video.frame(self.index)
