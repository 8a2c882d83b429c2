"""Pose clusters as classes (CLCE): contrast between them with weights for hard negatives, and cross-entropy.

For poses there are no classes, so k-means makes them from the renders' exact poses. A class is that of the pose as the
augmented view shows it: a turned hand may belong to another one, and the embedding is not made blind to turns.
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from scipy.cluster.vq import kmeans2
from torch import Tensor, nn
from torch.nn import functional

from dualmod.data.pose_similarity import pose_vectors
from dualmod.losses.label_aware_contrast import label_aware_contrast
from dualmod.pretraining.objective import Passes
from synth.common.config import check, option


@dataclass
class PoseClassesConfig:
    """CLCE beside the supervision of RGB."""

    weight: float = option(0.0, "weight of CLCE; 0: off")
    count: int = option(32, "number of pose clusters")
    balance: float = option(0.9, "share of the contrast in it, lambda; the rest is cross-entropy")
    temperature: float = option(0.5, "temperature of the contrast")
    hardness: float = option(1.0, "exponent of the weights of hard negatives, beta; 0: all alike")
    soft: bool = option(False, "shares by pose distance in place of one class for each pose")

    def __post_init__(self) -> None:
        check(self.weight >= 0, "method.classes.weight", self.weight, "0 or more")
        check(self.count > 1, "method.classes.count", self.count, "2 or more")
        check(0 <= self.balance <= 1, "method.classes.balance", self.balance, "0 to 1")
        check(self.temperature > 0, "method.classes.temperature", self.temperature, "positive")
        check(self.hardness >= 0, "method.classes.hardness", self.hardness, "0 or more")


def fit_centres(
    vectors: Float[np.ndarray, "samples dims"], count: int, seed: int
) -> tuple[Float[np.ndarray, "count dims"], float]:
    """Centres of pose clusters (k-means), and the root mean square distance of poses from their centre.

    Raises:
        ValueError: when there are fewer poses than clusters.
    """
    if len(vectors) < count:
        raise ValueError(
            f"method.classes.count={count} clusters need as many samples, not {len(vectors)}; lower it or generate more"
        )
    vectors = vectors.astype(np.float64)
    centres, labels = kmeans2(vectors, count, minit="++", rng=np.random.default_rng(seed))
    return centres, float(np.sqrt(((vectors - centres[labels]) ** 2).sum(1).mean()))


class PoseClasses(nn.Module):
    """L = (1 - lambda) CE + lambda LACLN of CLCE (arXiv 2402.14551, Eq. 5) on both RGB views.

    The soft form (ours): views are alike by exp(-D^2 / 2 s^2) for the distance D of their poses, and a view belongs to
    the centres by the softmax of -D^2 / 2 s^2; s is the spread of the clusters.
    """

    centres: Tensor

    def __init__(self, config: PoseClassesConfig, centres: Float[np.ndarray, "count dims"], spread: float, width: int):
        """
        Args:
            config: Weights.
            centres: From ``fit_centres``.
            spread: From ``fit_centres``.
            width: Length of the network's pooled latent.
        """
        super().__init__()
        self.config, self.spread = config, max(spread, 1e-6)
        self.register_buffer("centres", torch.from_numpy(centres).float())
        self.classifier = nn.Linear(width, len(centres))

    def forward(self, passes: Passes) -> dict[str, Tensor]:
        """``class_contrast`` and ``class_entropy``, weighted."""
        config, labels = self.config, passes.labels
        poses = pose_vectors(labels.joints_uv, labels.joints_depth)
        belongs, _ = self.assign(poses)
        _, likeness = self.assign(passes.of_whole_batch(poses))
        embedding = passes.of_whole_batch(passes.predictions["rgb"].embedding)
        contrast = label_aware_contrast(embedding, likeness, temperature=config.temperature, hardness=config.hardness)
        entropy = functional.cross_entropy(self.classifier(passes.latents["rgb"].pooled), belongs)
        return {
            "class_contrast": config.weight * config.balance * contrast,
            "class_entropy": config.weight * (1 - config.balance) * entropy,
        }

    @torch.no_grad()
    def assign(self, poses: Float[Tensor, "views dims"]) -> tuple[Float[Tensor, "views count"], Tensor]:
        """To which centres poses belong, with sum 1, and how alike they are, [views, views] in [0, 1]."""
        squared = (poses[:, None] - self.centres).square().sum(-1)
        if not self.config.soft:
            nearest = squared.argmin(1)
            belongs = functional.one_hot(nearest, len(self.centres)).to(poses.dtype)
            return belongs, (nearest[:, None] == nearest).to(poses.dtype)
        scale = 2 * self.spread**2
        between = (poses[:, None] - poses).square().sum(-1)
        return (-squared / scale).softmax(1), (-between / scale).exp()
