"""Prediction on photos, one after another: nothing of a photo is kept, so memory is flat however many there are."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import simplejpeg

from dualmod.inference.depth_map_io import depth_file_of, read_depth
from dualmod.inference.image_io import UPRIGHT, Photo, PhotoFile, Skipped, read_photo
from dualmod.inference.json_output import Origin, prediction_json, write_json
from dualmod.inference.pose_overlays import hands_overlay
from dualmod.inference.timings import PartTimings
from dualmod.inference.top_down import EstimatedHand, TopDownEstimator
from synth.common.files import written_atomically

PARTS = ("decode", "localize", "network", "draw", "write")
JPEG_QUALITY = 90


@dataclass(frozen=True)
class DepthSource:
    """Depth maps beside the photos.

    Attributes:
        path: A file, or a folder with a file in each photo's place and of its name.
        scale_m: Metres for one step of a 16-bit PNG.
    """

    path: Path
    scale_m: float


@dataclass(frozen=True)
class Decoded:
    """A photo that can be predicted on."""

    file: PhotoFile
    photo: Photo
    depth_m: np.ndarray | None


class PhotoRun:
    """Photos in, one JSON file and one overlay each out."""

    def __init__(self, estimator: TopDownEstimator, origin: Origin, depth: DepthSource | None) -> None:
        self.estimator, self.origin, self.depth = estimator, origin, depth
        self.timings = PartTimings(*PARTS)
        self.skipped: list[Skipped] = []
        self.num_photos = self.num_hands = self.num_without = 0

    def readable(self, files: Sequence[PhotoFile]) -> Iterator[Decoded]:
        """Decode one after another; what cannot be used is noted with its reason.

        Raises:
            ValueError: when none can be used.
        """
        decoded = (self._decode(file) for file in files)
        usable = (one for one in decoded if one is not None)
        first = next(usable, None)
        if first is None:
            one = self.skipped[0]
            raise ValueError(f"none of {len(files)} photos can be used; {one.file}: {one.reason}")
        return chain([first], usable)

    def predict(self, decoded: Decoded, out: Path) -> None:
        """Predict on one photo and write its files."""
        pixels, timings = decoded.photo.pixels, self.timings
        with timings.part("localize"):
            boxes = self.estimator.boxes(pixels)
        with timings.part("network"):
            source = self.estimator.detector_name
            hands = self.estimator.look(pixels, boxes, box_source=source, depth_m=decoded.depth_m)
        with timings.part("draw"):
            overlay = hands_overlay(pixels, hands)
        with timings.part("write"):
            self._write(decoded, hands, overlay, out)
        self.num_photos += 1
        self.num_hands += len(hands)
        self.num_without += not hands

    def to_json(self) -> dict[str, Any]:
        """Counts, skipped files with reasons, and times."""
        return {
            "photos": self.num_photos,
            "hands": self.num_hands,
            "photos_without_hand": self.num_without,
            "skipped": [asdict(one) for one in self.skipped],
            "timings": self.timings.to_json(self.num_photos),
        }

    def lines(self, out: Path) -> list[str]:
        """The same in words."""
        found = f"{self.num_hands} hands in {self.num_photos} photos (boxes: {self.estimator.detector_name}) -> {out}"
        lines = [found, self.timings.line(self.num_photos)]
        if self.skipped:
            first = self.skipped[0]
            total = self.num_photos + len(self.skipped)
            lines.append(
                f"left out {len(self.skipped)} of {total} files, all named in summary.json; "
                f"first {first.file}: {first.reason}"
            )
        return lines

    def _decode(self, file: PhotoFile) -> Decoded | None:
        try:
            with self.timings.part("decode"):
                photo = read_photo(file.path)
                self.estimator.require_fitting(photo.pixels)
                return Decoded(file, photo, self._read_depth(file, photo))
        except (ValueError, OSError) as error:
            self.skipped.append(Skipped(str(file.path), " ".join(str(error).split())))
            return None

    def _read_depth(self, file: PhotoFile, photo: Photo) -> np.ndarray | None:
        if self.depth is None:
            return None
        if photo.exif_orientation != UPRIGHT:
            raise ValueError(
                f"the photo is turned by its EXIF orientation {photo.exif_orientation}, its depth map is not; "
                f"save both upright"
            )
        height, width = photo.pixels.shape[:2]
        return read_depth(depth_file_of(file.below, self.depth.path), self.depth.scale_m, (width, height))

    def _write(self, decoded: Decoded, hands: list[EstimatedHand], overlay: np.ndarray, out: Path) -> None:
        height, width = decoded.photo.pixels.shape[:2]
        told = prediction_json(
            hands,
            file=str(decoded.file.path),
            size_px=(width, height),
            exif_orientation=decoded.photo.exif_orientation,
            K=self.estimator.camera.K,
            origin=self.origin,
            handedness=self.estimator.handedness,
        )
        write_json(out / f"{decoded.file.name}.json", told)
        with written_atomically(out / f"{decoded.file.name}.jpg") as partial:
            partial.write_bytes(simplejpeg.encode_jpeg(overlay, quality=JPEG_QUALITY, colorspace="RGB"))
