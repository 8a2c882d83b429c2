"""One batch of labelled crops, and the one normalisation of depth for synthetic, real and predicted depth."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

CLOSENESS_RANGE = 3.0
"""Reference-bone lengths of depth, centred on the root, that closeness 1 to 0 spans."""


def closeness(
    depth_m: Float[np.ndarray, "height width"], root_depth_m: float, bone_m: float
) -> Float[np.ndarray, "height width"]:
    """Depth as the network sees it: 1 is nearest, 0.5 the root joint's depth, 0 background or no measurement.

    Unit of the span is the reference bone, so that small near hands and large far ones look alike; a predicted depth
    map is in the same units and goes into the depth encoder as it is.

    Args:
        depth_m: z in metres; 0 where there is no measurement or no hand.
        root_depth_m: z of the root joint in metres.
        bone_m: Length of the reference bone in metres.
    """
    near = 0.5 - (depth_m - root_depth_m) / (CLOSENESS_RANGE * bone_m)
    return np.where(depth_m > 0, np.clip(near, 0.02, 1.0), 0.0).astype(np.float32)


@dataclass(frozen=True)
class HandBatch:
    """Crops of right hands with their labels.

    Attributes:
        rgb: sRGB in [0, 1], not yet normalised (the network does that).
        depth: Closeness of the hand, exact: the target.
        mask: 1 on the hand.
        joints_uv: Joints in units of the crop's side (``Prediction.joints_uv``); may lie outside [0, 1].
        joints_depth: Depth behind the root in reference-bone lengths.
        joint_weight: 1 where the joint lies in the crop, else 0.
        sensed: Closeness as a camera or a network gives it, with its faults: what the depth encoder takes.
    """

    rgb: Float[Tensor, "batch 3 side side"]
    depth: Float[Tensor, "batch 1 side side"]
    mask: Float[Tensor, "batch 1 side side"]
    joints_uv: Float[Tensor, "batch 21 2"]
    joints_depth: Float[Tensor, "batch 21"]
    joint_weight: Float[Tensor, "batch 21"]
    sensed: Float[Tensor, "batch 1 side side"]

    def __len__(self) -> int:
        return len(self.rgb)

    def __getitem__(self, rows: slice | Tensor) -> "HandBatch":
        return HandBatch(**{f.name: getattr(self, f.name)[rows] for f in fields(self)})

    @staticmethod
    def cat(parts: "Sequence[HandBatch]") -> "HandBatch":
        """One batch from several."""
        return HandBatch(**{f.name: torch.cat([getattr(p, f.name) for p in parts]) for f in fields(HandBatch)})

    def mirrored(self, rows: Bool[Tensor, "batch"] | None = None) -> "HandBatch":
        """The batch (or those ``rows``) as the other hand shows it: images flipped, x to 1 - x; depths stay."""
        changed = {name: getattr(self, name).flip(3) for name in ("rgb", "depth", "mask", "sensed")}
        changed["joints_uv"] = torch.stack([1 - self.joints_uv[..., 0], self.joints_uv[..., 1]], -1)
        if rows is not None:
            for name, flipped in changed.items():
                changed[name] = torch.where(rows.view(-1, *[1] * (flipped.ndim - 1)), flipped, getattr(self, name))
        return replace(self, **changed)

    def to(self, device: torch.device | str) -> "HandBatch":
        """The batch on another device (Lightning calls it)."""
        return HandBatch(**{f.name: getattr(self, f.name).to(device) for f in fields(self)})
