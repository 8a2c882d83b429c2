"""The trained detector: from photos of any size to the boxes of the hands in them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8

from dualmod.checkpoints.checkpoint import choose_device
from dualmod.data.augment import rgb_tensor
from dualmod.detection.checkpoint import load_detector
from dualmod.detection.decode import DecodeConfig, decode
from dualmod.detection.detector import HandBox
from dualmod.detection.fuse_conv_bn import folded
from dualmod.detection.letterbox import letterbox
from dualmod.detection.network import DetectorNet


class CenterNetDetector:
    """A ``Detector`` (``dualmod.detection.detector``) that needs no box and no label."""

    def __init__(
        self, net: DetectorNet, device: torch.device, *, config: DecodeConfig | None = None, batch_size: int = 16
    ):
        self.net, self.device = folded(net).to(device), device
        self.config, self.batch_size = config or DecodeConfig(), batch_size

    @classmethod
    def load(cls, path: str | Path, device: str = "auto", *, config: DecodeConfig | None = None) -> "CenterNetDetector":
        """The detector of a file.

        Raises:
            FileNotFoundError: when the file is missing.
            ValueError: when it holds no detector, or the device is not there.
        """
        return cls(load_detector(path), choose_device(device), config=config)

    def find(self, images: Sequence[UInt8[np.ndarray, "height width 3"]]) -> list[list[HandBox]]:
        """The hands of each photo, surest first; an empty list where there is none.

        Args:
            images: RGB photos of any size.

        Raises:
            ValueError: when one is no 8-bit RGB image.
        """
        starts = range(0, len(images), self.batch_size)
        return [hands for k in starts for hands in self._find_batch(images[k : k + self.batch_size])]

    @torch.no_grad()
    def _find_batch(self, images: Sequence[np.ndarray]) -> list[list[HandBox]]:
        boxes = [letterbox(image, self.net.config.image_size) for image in images]
        found = decode(self.net(rgb_tensor([box.rgb for box in boxes]).to(self.device)), self.config)
        return [
            [
                HandBox(*values)
                for values in zip(
                    box.to_photo(hands.boxes_px.cpu().numpy().astype(np.float64)),
                    hands.score.tolist(),
                    hands.right.tolist(),
                    strict=True,
                )
            ]
            for box, hands in zip(boxes, found, strict=True)
        ]
