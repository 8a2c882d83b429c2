"""A video, one hand in each frame: a target, without labels. ``target=PATH`` of a video is short for it.

All frames in order, so that neighbours in time are neighbours in the set. What OpenCV's FFmpeg decodes is read: MP4,
MOV, AVI, MKV, WebM. There is one split.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from dualmod.data.reader import HandLabel, Reader
from dualmod.data.video import Video, VideoFrame


class Layout(Reader):
    """The frames of a video."""

    page = "nowhere: it is a video of your own"
    licence = "yours"
    definition = "no labels"
    kind = ""
    splits: ClassVar[dict[str, str]] = {"adapt": "adapt"}

    def __init__(self, path: str | Path) -> None:
        """Open the video.

        Raises:
            FileNotFoundError: when there is no such file.
        """
        self.path = Path(path).expanduser()
        if not self.path.is_file():
            raise FileNotFoundError(f"{self.entry} does not exist or is a folder; give a video file")

    def images(self, split: str) -> list[VideoFrame]:
        self.native(split)
        video = Video(self.path)
        frames = [VideoFrame(video, k) for k in range(len(video))]
        if not frames:
            raise ValueError(f"{self.entry} has no frame that can be decoded; convert it to MP4 with H.264")
        return frames

    def labels(self, split: str) -> Iterator[HandLabel]:
        raise ValueError(f"{self.entry} has no labels to measure against; it serves as target=")
