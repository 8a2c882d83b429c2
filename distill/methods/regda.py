"""RegDA (Jiang et al., CVPR 2021): adversarial regression with the spatial prior that false joints lie at other joints.

An adversarial head f' reads the same features as the network's heatmap head f. In one step, with KL between a target
map and a heatmap's softmax:

    A  on renders    f' learns the true joints, and to agree with f (margin)
    B  on photos     f' alone learns the ground-false map: joints that f sees elsewhere in the hand
    C  on photos     the features alone learn to make f' see what f sees

B and C are minimisations over a small space of likely confusions instead of a min-max of one loss. The paper takes an
optimisation step for each; here their gradients share one step, B cut off from the features and C from f'.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.func import functional_call

from distill.methods.base import Method, Setting, TargetOptions
from distill.targets.views import TargetBatch
from dualmod.data.batch import HandBatch
from dualmod.network.model import DualModalityNet
from synth.common.config import check, option
from synth.common.conventions import NUM_JOINTS

EPSILON = 1e-7
SIGMA_CELLS = 1.0


@dataclass
class Options(TargetOptions):
    """Weights of the disparities."""

    weight: float = option(0.2, "weight of all adversarial terms: that of a heatmap in the supervision")
    margin: float = option(4.0, "weight of the agreement of both heads on renders")
    feature_weight: float = option(0.1, "largest factor on gradients from the adversarial head to the features")
    warmup_share: float = option(0.2, "share of the steps over which that factor rises from 0")

    def __post_init__(self) -> None:
        super().__post_init__()
        for key in ("weight", "margin", "feature_weight"):
            check(getattr(self, key) >= 0, f"method.{key}", getattr(self, key), "0 or more")
        check(0 <= self.warmup_share <= 1, "method.warmup_share", self.warmup_share, "0 to 1")

    def build(self, net: DualModalityNet, setting: Setting) -> "AdversarialRegressor":
        """The method for a start network."""
        return AdversarialRegressor(net, self, setting)


class AdversarialRegressor(Method):
    """The adversarial head, trained by the same optimizer as the network."""

    def __init__(self, net: DualModalityNet, options: Options, setting: Setting):
        super().__init__(options, setting)
        self.options = options
        width = net.config.decoder_width
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(setting.seed)
            self.head = nn.Sequential(nn.Conv2d(width, width, 3, padding=1), nn.ReLU(), nn.Conv2d(width, NUM_JOINTS, 1))

    def losses(self, net: DualModalityNet, source: HandBatch, target: TargetBatch, step: int) -> Mapping[str, Tensor]:
        options, factor = self.options, self.feature_factor(step)
        target, _, sure = self.right_hands(net, target)
        on_renders, logits = _heatmaps(net, source.rgb)
        false_head = self.head(_scaled(on_renders, factor))
        size = (logits.shape[-2], logits.shape[-1])
        truth = gaussians(source.joints_uv, size)
        seen = gaussians(peaks(logits), size)
        agreement = heatmap_kl(false_head, truth, source.joint_weight)
        agreement = agreement + options.margin * heatmap_kl(false_head, seen, source.joint_weight)
        on_photos, logits = _heatmaps(net, target.strong)
        seen = gaussians(peaks(logits), size)
        weight = sure[:, None].float().expand(-1, NUM_JOINTS)
        away = heatmap_kl(self.head(on_photos.detach()), ground_false(seen), weight)
        fixed = {name: value.detach() for name, value in self.head.named_parameters()}
        towards = heatmap_kl(functional_call(self.head, fixed, (_scaled(on_photos, factor),)), seen, weight)
        return {
            "adversary_renders": options.weight * agreement,
            "adversary_false": options.weight * away,
            "adversary_features": options.weight * towards,
            "_kept_by_hands": sure.float().mean(),
            "_kept_share": sure.float().mean(),
        }

    def feature_factor(self, step: int) -> float:
        """Factor on gradients that reach the features, warmed up linearly."""
        steps = self.options.warmup_share * self.setting.max_steps
        return self.options.feature_weight * min(1.0, step / steps if steps > 0 else 1.0)


def peaks(logits: Float[Tensor, "batch 21 height width"]) -> Float[Tensor, "batch 21 2"]:
    """Centre of the largest cell of each heatmap, in units of the crop's side; no gradient."""
    height, width = logits.shape[-2:]
    cell = logits.detach().flatten(2).argmax(-1)
    return torch.stack([(cell % width + 0.5) / width, (cell // width + 0.5) / height], -1)


def gaussians(joints_uv: Float[Tensor, "batch 21 2"], size: tuple[int, int]) -> Float[Tensor, "batch 21 height width"]:
    """A Gaussian of height 1 at each joint."""
    height, width = size
    u = torch.arange(width, device=joints_uv.device) + 0.5
    v = torch.arange(height, device=joints_uv.device) + 0.5
    along_u = torch.exp(-0.5 * ((u - joints_uv[..., :1] * width) / SIGMA_CELLS) ** 2)
    along_v = torch.exp(-0.5 * ((v - joints_uv[..., 1:] * height) / SIGMA_CELLS) ** 2)
    return along_v[..., :, None] * along_u[..., None, :]


def ground_false(seen: Float[Tensor, "batch 21 height width"]) -> Float[Tensor, "batch 21 height width"]:
    """For each joint the sum of the other joints' Gaussians, at most 1 anywhere."""
    return (seen.sum(1, keepdim=True) - seen).clamp(0, 1)


def heatmap_kl(
    logits: Float[Tensor, "batch 21 height width"],
    wanted: Float[Tensor, "batch 21 height width"],
    weight: Float[Tensor, "batch 21"],
) -> Float[Tensor, ""]:
    """KL(wanted || softmax(logits)), the wanted maps normalised to sum 1; a mean over batch and joints."""
    wanted = wanted.flatten(2) + EPSILON
    wanted = wanted / wanted.sum(-1, keepdim=True)
    divergence = (wanted * (wanted.log() - logits.flatten(2).log_softmax(-1))).sum(-1)
    return (divergence * weight).mean()


def _heatmaps(net: DualModalityNet, rgb: Tensor) -> tuple[Tensor, Tensor]:
    """Features before the head, and the heatmap logits."""
    features = net.decoder.features(net.encode_rgb(rgb).laterals)
    return features, net.decoder.outputs(features)[0]


def _scaled(features: Tensor, factor: float) -> Tensor:
    """The same values, with gradients multiplied by ``factor``."""
    return features.detach() + factor * (features - features.detach())
