"""What the network predicts, the one spelling of it for every stage."""

from dataclasses import dataclass, fields

import torch
from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True)
class Prediction:
    """2.5D pose, hand mask and depth map of a batch of crops, with the embedding for contrastive learning.

    Attributes:
        joints_uv: Joints in units of the crop's side: (0, 0) is the outer corner of the first pixel, (1, 1) that of
            the last. Pixel u of a crop with side S lies at (u + 0.5) / S.
        joints_depth: Depth of each joint behind the root joint, in lengths of the reference bone (``conventions``).
        heatmap_logits: Unnormalised log-probability of each joint's place.
        confidence: In (0, 1]: 1 for a heatmap that is one point, falling with its spread.
        mask_logits: Logits of the hand mask, map resolution.
        depth: Closeness map (``dualmod.data.closeness``), map resolution.
        embedding: Unit vectors.
        handedness_logit: Positive when the image shows a right hand.
    """

    joints_uv: Float[Tensor, "batch 21 2"]
    joints_depth: Float[Tensor, "batch 21"]
    heatmap_logits: Float[Tensor, "batch 21 height width"]
    confidence: Float[Tensor, "batch 21"]
    mask_logits: Float[Tensor, "batch 1 height width"]
    depth: Float[Tensor, "batch 1 height width"]
    embedding: Float[Tensor, "batch dims"]
    handedness_logit: Float[Tensor, "batch"]

    def __len__(self) -> int:
        return len(self.joints_uv)

    def __getitem__(self, rows: slice | Tensor) -> "Prediction":
        return Prediction(**{f.name: getattr(self, f.name)[rows] for f in fields(self)})

    def detach(self) -> "Prediction":
        """The same values, cut from the graph."""
        return Prediction(**{f.name: getattr(self, f.name).detach() for f in fields(self)})

    @staticmethod
    def cat(parts: "list[Prediction]") -> "Prediction":
        """One batch from several."""
        return Prediction(**{f.name: torch.cat([getattr(p, f.name) for p in parts]) for f in fields(Prediction)})
