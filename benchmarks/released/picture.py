"""The picture at the top of the README: photographs with what ``handbridge predict`` draws on them, none picked.

    python benchmarks/released/picture.py ROOT [FILE]

ROOT holds the sets of real images; FILE is the picture, ``docs/photographs.jpg`` unless it is given. It has a row for
each of ``SETS``, the only ones whose licences let their photographs stand in the repository (LICENSES.md). The
photographs are evenly spaced in the test split, and go to the stage as their files are, without box or handedness.
"""

import shutil
import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import UInt8

from dualmod.data.image_sets import open_labelled, read_image
from dualmod.predict import PredictConfig, predict
from synth.common.drawing import contact_sheet
from synth.common.files import written_atomically
from synth.common.subsample import evenly_spaced

SETS = {"ti1k": "MIT", "sign_digits": "Apache-2.0"}
"""Sets with the licences of their photographs."""
PICTURE = Path(__file__).resolve().parents[2] / "docs" / "photographs.jpg"
COLUMNS, TILE_PX, JPEG_QUALITY = 6, 256, 85


def chosen_photos(root: str | Path, count: int = COLUMNS) -> list[Path]:
    """Image files of ``count`` rows of each set, at equal distances through its test split.

    Args:
        root: Folder of the sets.
        count: Rows of each set.

    Raises:
        FileNotFoundError: when ``root`` is missing.
        ValueError: when a set is not in ``root``.
    """
    found = [open_labelled(root, name) for name in SETS]
    return [labelled.folder / labelled.files[row] for labelled in found for row in evenly_spaced(len(labelled), count)]


def predicted_sheet(photos: list[Path], columns: int = COLUMNS) -> UInt8[np.ndarray, "height width 3"]:
    """The overlays (sRGB) that ``handbridge predict`` writes for the photographs, in rows of ``columns``."""
    with tempfile.TemporaryDirectory() as folder:
        given, out = Path(folder, "photos"), Path(folder, "out")
        given.mkdir()
        for place, photo in enumerate(photos):
            shutil.copyfile(photo, given / f"{place:03d}{photo.suffix}")
        predict(PredictConfig(input=str(given), out=str(out)))
        overlays = [read_image(out / f"{place:03d}.jpg") for place in range(len(photos))]
    return contact_sheet(overlays, columns=columns, tile_px=TILE_PX)


def main(root: str, file: str | Path = PICTURE) -> None:
    """Write the picture."""
    sheet = predicted_sheet(chosen_photos(root))
    encoded = cv2.imencode(".jpg", np.ascontiguousarray(sheet[..., ::-1]), [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1]
    with written_atomically(file) as partial:
        partial.write_bytes(encoded.tobytes())


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit("usage: python benchmarks/released/picture.py ROOT [FILE]")
    main(*sys.argv[1:])
