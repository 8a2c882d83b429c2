"""What every export format is made of: the class to derive from, and the files that they share.

A format is one module of ``synth/dataset/exporters`` whose class ``Format`` derives from ``Exporter``; its name on the
command line is the module's.
"""

import abc
import contextlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import cv2
import numpy as np

from synth.dataset.manifest import Manifest
from synth.dataset.sample import HandSample


@dataclass(frozen=True)
class ExportSource:
    """What an export is made from: the dataset's manifest, and the hand as ``load_hand`` takes it."""

    manifest: Manifest
    hand: str


class Exporter(abc.ABC):
    """Writes samples into a folder in the layout of another dataset.

    Attributes:
        most: Samples that the layout can hold; None where there is no end.
        image_px: Side of the images of the real dataset, which some loaders take for granted; None for any.
    """

    most: ClassVar[int | None] = None
    image_px: ClassVar[int | None] = None

    def __init__(self, out: Path, source: ExportSource):
        """Make the folders.

        Raises:
            FileNotFoundError, ValueError: when the hand is needed and cannot be read.
        """
        self.out, self.source = out, source
        self.files = contextlib.ExitStack()

    @abc.abstractmethod
    def add(self, number: int, sample: HandSample, jpeg: bytes) -> None:
        """Write one sample.

        Args:
            number: Its place in the export, from 0.
            sample: The sample.
            jpeg: Its colour image as JPEG.

        Raises:
            ValueError: when the layout cannot hold the sample.
        """

    @abc.abstractmethod
    def finish(self) -> None:
        """Write what comes after the last sample."""

    def close(self) -> None:
        """Close the files that are still open."""
        self.files.close()


class JsonList:
    """A JSON array that is written item by item; a million numbers never stand in memory."""

    def __init__(self, path: Path):
        self._file = path.open("w", encoding="utf-8")
        self._separator = "["

    def append(self, item: Any) -> None:
        """Write one item; not-a-number is refused with a ``ValueError``, as JSON has none."""
        self._file.write(self._separator + compact_json(item))
        self._separator = ",\n"

    def close(self) -> None:
        """End the array."""
        if not self._file.closed:
            self._file.write("]\n" if self._separator != "[" else "[]\n")
            self._file.close()


def compact_json(value: Any) -> str:
    """JSON without spaces; not-a-number is refused with a ``ValueError``."""
    return json.dumps(value, separators=(",", ":"), allow_nan=False)


def rounded(values: Any, digits: int) -> list:
    """Nested lists of numbers rounded to ``digits``, as JSON takes them."""
    return np.round(np.asarray(values, np.float64), digits).tolist()


def write_image(path: Path, image: np.ndarray, *options: int) -> None:
    """Write an image (RGB or one channel) in the format of its suffix.

    OpenCV's own writer says nothing when the disk is full; this raises the ``OSError``.
    """
    encoded, content = cv2.imencode(path.suffix, np.ascontiguousarray(image[..., ::-1] if image.ndim == 3 else image),
                                    list(options))  # fmt: skip
    assert encoded, path
    path.write_bytes(content.tobytes())
