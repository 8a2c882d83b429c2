"""The layout of RHD, the Rendered Hand Pose Dataset (Zimmermann and Brox 2017), version 1.1.

    training/color/00000.png  training/mask/00000.png  training/depth/00000.png  training/anno_training.pickle

Confirmed from ``create_binary_db.py`` and ``BinaryDbReader.py`` of github.com/lmb-freiburg/hand3d, and from copies of
the dataset's readme and viewer in other repositories:

- The pickle is a dict from sample number to ``uv_vis`` (42 x 3: u and v in pixels, 1 where visible), ``xyz`` (42 x 3,
  metres, camera frame) and ``K``; ``K`` projects ``xyz``. The left hand has the first 21 rows. A hand is the wrist,
  then thumb to little finger, each from the tip to the palm.
- Masks: 0 background, 1 person, 2 to 17 the left hand (three classes for each finger from tip to palm, then the palm),
  18 to 33 the right hand. Forearm and sleeve are "person"; a thing in front of the hand is background.
- Depth: 16 bits over 5 m, the high byte in red, the low byte in green.

Different from RHD: a sample has one hand. The rows of the other one are 0 and not visible, and loaders that choose
the hand by the mask never look at them. Images keep the dataset's size unless ``image_size=320`` is given; loaders that
go through ``create_binary_db.py`` expect 320.

Not confirmed, as the documentation is silent: what RHD's depth holds where nothing was rendered (ours: 0); whether its
depth is z (ours is); whether pixel (0, 0) has its centre at 0 or at 0.5 (ours: 0); how it decides what is visible.
"""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8

from synth.common.conventions import FINGERS, LEFT, NUM_JOINTS, PART_NAMES
from synth.dataset.exporter import Exporter, ExportSource, write_image
from synth.dataset.sample import HandSample
from synth.hand import from_ours

FULL_DEPTH_M = 5.0
FULL_STEPS = 65535
PERSON = 1
FIRST_ID = {"left": 2, "right": 18}
PALM_AFTER = 15
PICKLE_PROTOCOL = 2
"""The newest one that the Python 2 of the dataset's own scripts reads."""


class Format(Exporter):
    """RHD's training set."""

    image_px = 320

    def __init__(self, out: Path, source: ExportSource):
        super().__init__(out, source)
        for folder in ("color", "mask", "depth"):
            (out / "training" / folder).mkdir(parents=True)
        self._annotations: dict[int, dict[str, np.ndarray]] = {}

    def add(self, number: int, sample: HandSample, jpeg: bytes) -> None:
        name = f"{number:05d}.png"
        write_image(self.out / "training" / "color" / name, sample.rgb)
        write_image(self.out / "training" / "mask" / name, part_ids(sample.handedness)[sample.segmentation])
        write_image(self.out / "training" / "depth" / name, depth_bytes(sample))
        hand = slice(0, NUM_JOINTS) if sample.handedness == LEFT else slice(NUM_JOINTS, None)
        uv_vis, xyz = np.zeros((2, 2 * NUM_JOINTS, 3), np.float32)
        uv_vis[hand] = from_ours(np.concatenate([sample.joints_px, sample.visible[:, None]], 1), "rhd")
        xyz[hand] = from_ours(sample.joints_cam, "rhd")
        self._annotations[number] = {"uv_vis": uv_vis, "xyz": xyz, "K": sample.K.astype(np.float32)}

    def finish(self) -> None:
        with (self.out / "training" / "anno_training.pickle").open("wb") as file:
            _PortablePickler(file, PICKLE_PROTOCOL).dump(self._annotations)


class _PortablePickler(pickle.Pickler):
    """Stores an array as a call of ``numpy.array``: the pickles of numpy 2 cannot be read by numpy 1."""

    def reducer_override(self, obj: Any) -> Any:
        if isinstance(obj, np.ndarray):
            return np.array, (obj.tolist(), obj.dtype.name)
        return NotImplemented


def part_ids(handedness: str) -> UInt8[np.ndarray, "parts"]:
    """RHD's class of each of our part ids."""
    first = FIRST_ID[handedness]
    ids = {
        "background": 0,
        "forearm": PERSON,
        "sleeve": PERSON,
        "occluder": 0,
        "other_hand": PERSON,
        "wrist": first + PALM_AFTER,
    }
    for place, finger in enumerate(FINGERS):
        # our segment 3 carries the tip, RHD's first class
        ids |= {f"{finger}{segment}": first + 3 * place + (3 - segment) for segment in (1, 2, 3)}
    return np.array([ids[name] for name in PART_NAMES], np.uint8)


def depth_bytes(sample: HandSample) -> UInt8[np.ndarray, "height width 3"]:
    """Depth in steps of 5 m / 65535 as R (high byte), G (low byte), B (0).

    Raises:
        ValueError: when the sample is deeper than 5 m.
    """
    if sample.depth_m.max() > FULL_DEPTH_M:
        raise ValueError(f"sample {sample.index} is {sample.depth_m.max():.2f} m deep, and RHD's depth ends at 5 m")
    steps: Float[np.ndarray, "height width"] = np.rint(sample.depth_m.astype(np.float64) * FULL_STEPS / FULL_DEPTH_M)
    high, low = np.divmod(steps.astype(np.int64), 256)
    return np.stack([high, low, np.zeros_like(low)], -1).astype(np.uint8)
