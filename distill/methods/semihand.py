"""SemiHand (Yang, Chen, Yao, ICCV 2021): registered pseudo-labels, sample selection, view and cross-modal consistency.

    p^ = (p + P(p)) / 2,  r = P(p^)                                   label correction, P ``registration.register``
    C  = l(T p^, f(Tx)) + l(p^, P(p^))                                stable and plausible
    L  = L_sup + 1[C <= tau] l(f(x_strong), p^) + l(f(x), r) + lambda_c (L_view + L_m2d + L_d2m)

Confident photos are learned from under the strong change, all of them under a perturbation alone (two strengths). The
paper keeps p over an epoch; here it comes from the live network in each step, and tau is a quantile.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from distill.methods.base import WINDOW, Method, Setting, TargetOptions
from distill.pseudo_labels.bone_registration import correct
from distill.pseudo_labels.quantile_threshold import QuantileGate
from distill.pseudo_labels.silhouette_circles import circles, edge_distance, mask_disagreement
from distill.targets.views import TargetBatch, ViewsConfig
from dualmod.data.batch import HandBatch
from dualmod.geometry.view_warps import inverse, move_maps, move_points
from dualmod.losses.pose import pose_distance
from dualmod.network.model import DualModalityNet
from dualmod.network.prediction import Prediction
from synth.common.config import check, option


@dataclass
class Options(TargetOptions):
    """Selection of photos and weights of the losses."""

    registration: bool = option(True, "correct the labels' bone lengths, P")
    selection: bool = option(True, "learn under the strong change from confident photos alone")
    keep_share: float = option(0.5, "quantile of C up to which a photo is confident")
    label_weight: float = option(1.0, "weight of the pseudo-labels")
    consistency_weight: float = option(0.1, "weight of view and cross-modal consistency, lambda_c")

    def __post_init__(self) -> None:
        super().__post_init__()
        check(0 < self.keep_share <= 1, "method.keep_share", self.keep_share, "in (0, 1]")
        for key in ("label_weight", "consistency_weight"):
            check(getattr(self, key) >= 0, f"method.{key}", getattr(self, key), "0 or more")

    def views(self) -> ViewsConfig:
        """The perturbed view Tx."""
        return ViewsConfig(num_views=1)

    def build(self, net: DualModalityNet, setting: Setting) -> "SemiHand":
        """The method for a start network."""
        return SemiHand(self, setting)


class SemiHand(Method):
    """The live network is its own teacher."""

    def __init__(self, options: Options, setting: Setting):
        super().__init__(options, setting)
        self.options = options
        self.gates["confident"] = QuantileGate(options.keep_share, WINDOW)

    def losses(self, net: DualModalityNet, source: HandBatch, target: TargetBatch, step: int) -> Mapping[str, Tensor]:
        options, supervision = self.options, self.options.source.supervision
        target, _, sure = self.right_hands(net, target)
        assert target.views is not None and target.A_weak_views is not None
        A_view_weak = inverse(target.A_weak_views[:, 0])
        plain, perturbed, strong = net(target.weak), net(target.views[:, 0]), net(target.strong)
        with torch.no_grad():
            middle, label = self._labels(plain, target.focal)
            doubt = moved_distance(A_view_weak, middle, perturbed) + pose_distance(
                *middle, *self._register(*middle, target.focal)
            )
            confident, _ = self.gates["confident"](doubt)
            kept = sure & confident if options.selection else sure
        selected = (kept * moved_distance(target.A_strong_weak, middle, strong)).mean()
        corrected = (sure * pose_distance(plain.joints_uv, plain.joints_depth, *label)).mean()
        edge = edge_distance(*circles(plain.joints_uv, plain.joints_depth, target.focal), _size(plain))
        outline, away = mask_disagreement(edge, plain.mask_logits.sigmoid()[:, 0])
        view = view_consistency(A_view_weak, plain, perturbed)
        place, weight = supervision.pose_weight, options.consistency_weight
        return {
            "selected_labels": options.label_weight * place * selected,
            "corrected_labels": options.label_weight * place * corrected,
            "view_consistency": weight * (place * view[0] + supervision.mask_weight * view[1]),
            "circles_to_mask": weight * outline,
            "mask_to_circles": weight * place * away,
            "_kept_by_hands": sure.float().mean(),
            "_kept_by_confidence": confident.float().mean(),
            "_kept_share": kept.float().mean(),
        }

    def _labels(self, plain: Prediction, focal: Tensor) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
        """p^ and r, each as joints_uv and joints_depth."""
        uv, depth = self._register(plain.joints_uv, plain.joints_depth, focal)
        middle = ((plain.joints_uv + uv) / 2, (plain.joints_depth + depth) / 2)
        return middle, self._register(*middle, focal)

    def _register(self, uv: Tensor, depth: Tensor, focal: Tensor) -> tuple[Tensor, Tensor]:
        return correct(uv, depth, focal, lengths=self.options.registration, angles=False)


def moved_distance(
    A: Float[Tensor, "batch 2 3"], pose: tuple[Tensor, Tensor], seen: Prediction
) -> Float[Tensor, "batch"]:
    """l(f(Tx), T p): the distance of what is seen in another view from a pose moved there, over joints inside it."""
    uv = move_points(A, pose[0])
    inside = ((uv > 0) & (uv < 1)).all(-1).to(uv.dtype)
    return pose_distance(seen.joints_uv, seen.joints_depth, uv, pose[1], joint_weight=inside)


def view_consistency(
    A_view_weak: Float[Tensor, "batch 2 3"], plain: Prediction, perturbed: Prediction
) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
    """l(f(Tx), T f(x)) and |mask(Tx) - T mask(x)|_1 where both look, means over the batch; gradients enter both."""
    moved, inside = move_maps(A_view_weak, plain.mask_logits.sigmoid())
    mask = (inside * (perturbed.mask_logits.sigmoid() - moved).abs()).mean()
    return moved_distance(A_view_weak, (plain.joints_uv, plain.joints_depth), perturbed).mean(), mask


def _size(prediction: Prediction) -> tuple[int, int]:
    return prediction.heatmap_logits.shape[-2], prediction.heatmap_logits.shape[-1]
