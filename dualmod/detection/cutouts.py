"""Hands cut out of stored renders, ready to be pasted into a scene, and renders as they are."""

import json
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import simplejpeg
from jaxtyping import Float, UInt8

from dualmod.data.synthetic import NOTED
from synth.common.conventions import HAND_PARTS, PART_NAMES, RIGHT, ROOT_JOINT
from synth.dataset import SampleStore

ARM_PARTS = [PART_NAMES.index(name) for name in ("forearm", "sleeve")]
OCCLUDER, OTHER_HAND = (PART_NAMES.index(name) for name in ("occluder", "other_hand"))


def _table(*parts: int) -> np.ndarray:
    table = np.zeros(256, np.uint8)
    table[list(parts)] = 255
    return table


HAND_TABLE, ARM_TABLE = _table(*HAND_PARTS), _table(*ARM_PARTS)
IN_FRONT_TABLE = _table(*HAND_PARTS, OCCLUDER)


@dataclass(frozen=True)
class Cutout:
    """One rendered hand with what belongs to it; what lies beyond the edge of a photo in the render is cut off.

    Attributes:
        rgb: sRGB.
        hand: 255 on the hand.
        front: 255 on the hand and on things that it holds or that hide it.
        arm: 255 on forearm and sleeve.
        joints_px: Joints in pixels.
        is_right: Whether the image shows a right hand.
        depth_m: z of the root joint.
        is_alone: Whether no hand but this one is in the render.
    """

    rgb: UInt8[np.ndarray, "height width 3"]
    hand: UInt8[np.ndarray, "height width"]
    front: UInt8[np.ndarray, "height width"]
    arm: UInt8[np.ndarray, "height width"]
    joints_px: Float[np.ndarray, "21 2"]
    is_right: bool
    depth_m: float
    is_alone: bool


@dataclass
class Cutouts:
    """The samples of a generated dataset as cutouts; depth maps are never decoded.

    Attributes:
        data_dir: Folder of the dataset.
        holdout: Share of the samples, the last ones, that training never sees.
        train: Indices to train on.
        held_out: Indices that training never sees.
        notes: What a checkpoint should say of the data: hand model, licences, size.

    Raises:
        FileNotFoundError: when ``data_dir`` holds no dataset, or a shard is missing.
        ValueError: when ``holdout`` leaves nothing to train on.
    """

    data_dir: str | Path
    holdout: float = 0.04
    store: SampleStore = field(init=False)
    train: np.ndarray = field(init=False)
    held_out: np.ndarray = field(init=False)
    notes: dict = field(init=False)

    def __post_init__(self) -> None:
        self.store = SampleStore(self.data_dir)
        count = len(self.store)
        num_held_out = max(1, round(count * self.holdout))
        if not 0 <= self.holdout < 1 or num_held_out >= count:
            raise ValueError(f"holdout={self.holdout} of {count} samples leaves none to train on; generate more")
        self.train, self.held_out = np.arange(count - num_held_out), np.arange(count - num_held_out, count)
        self.notes = {key: getattr(self.store.manifest, key) for key in NOTED}

    def __getitem__(self, index: int) -> Cutout:
        """The sample at ``index``.

        Raises:
            ValueError: when a member is missing or cannot be decoded.
        """
        key, members = self.store.members(index)
        try:
            label = json.loads(members["json"])
            rgb = simplejpeg.decode_jpeg(members["rgb.jpg"], colorspace="RGB")
            parts = cv2.imdecode(np.frombuffer(members["seg.png"], np.uint8), cv2.IMREAD_UNCHANGED)
            if parts is None:
                raise ValueError("seg.png cannot be decoded")
        except (KeyError, ValueError) as error:
            raise ValueError(f"sample {key} of {self.data_dir} is damaged ({error}); generate it anew") from error
        return cutout(rgb, parts, label)


def cutout(rgb: UInt8[np.ndarray, "height width 3"], parts: UInt8[np.ndarray, "height width"], label: dict) -> Cutout:
    """The cutout of a render from its image, its part ids and its label as it is stored."""
    height, width = parts.shape
    top, bottom, left, right = label["scene"].get("photo_edge") or (0, 0, 0, 0)
    inside = slice(top, height - bottom), slice(left, width - right)
    rgb, parts = rgb[inside], parts[inside]
    return Cutout(
        rgb=np.ascontiguousarray(rgb),
        hand=cv2.LUT(parts, HAND_TABLE),
        front=cv2.LUT(parts, IN_FRONT_TABLE),
        arm=cv2.LUT(parts, ARM_TABLE),
        joints_px=np.asarray(label["joints_px"], np.float64) - [left, top],
        is_right=label["handedness"] == RIGHT,
        depth_m=float(label["joints_cam"][ROOT_JOINT][2]),
        is_alone=not (parts == OTHER_HAND).any(),
    )
