"""``handbridge label-precision``: how right pseudo-labels are on labelled photos, before and after each step.

It looks at a network that is to teach, on photos that do have labels, and is no part of any training. Boxes
and the side of the hand are the network's own, as in adaptation.
"""

import json
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from distill.pseudo_labels.denoising import PseudoLabelConfig, PseudoLabels, pseudo_labels
from distill.pseudo_labels.uncertainty import hand_doubt, pose_variance
from distill.pseudo_labels.view_consistency import unsteadiness, view_poses
from distill.report.label_precision_figure import precision_figure
from distill.targets.photos import TargetPhotos, neighbours
from distill.targets.start_boxes import locate_hands
from distill.targets.views import TargetBatch, TargetBatches, ViewsConfig
from dualmod.checkpoints.checkpoint import choose_device, load_network
from dualmod.checkpoints.released import pose_file
from dualmod.data.augment import AugmentConfig
from dualmod.data.image_sets import LabelledImages, entry_name, open_labelled
from dualmod.geometry.crop import apply_affine, uv_from_px
from dualmod.inference.predictor import Predictor
from dualmod.inference.test_time_augmentation import vote
from dualmod.network.model import DualModalityNet
from synth.common.config import check, option, required, stage_main
from synth.common.files import open_run_folder, written_atomically

SHARES = np.linspace(0.1, 1.0, 19)
"""Kept shares at which a gate is looked at."""
FIRST, VOTE, PAPER, CONFIGURED = "first pass", "vote", "Eq. 8", "method.pseudo"
PLAIN = PseudoLabelConfig(registration=False, angles=False, second_pass=False, gate=False, confidence=False)
STEPS = {
    FIRST: PLAIN,
    "second pass": replace(PLAIN, second_pass=True),
    "registration": replace(PLAIN, registration=True),
    "angles": replace(PLAIN, angles=True),
    PAPER: replace(PLAIN, second_pass=True, registration=True, angles=True),
    VOTE: replace(PLAIN, vote=True),
}
"""Labels as training makes them, with one step on at a time; with all of the paper's in Eq. 8, whose variance is C."""


@dataclass
class LabelPrecisionConfig:
    """Measure pseudo-labels on labelled photos, offline."""

    checkpoint: str = required("model.safetensors of the network that would make the labels, or released_start")
    dataset: str = required("name of a labelled set in root, or several with commas")
    out: str = required("folder for precision.json and precision.png")
    root: str = option("", "folder of the real image sets")
    split: str = option("test", "split of the set; it must have labels")
    within: float = option(0.1, "a joint is right when it is this near, in sides of the labelled joints' box")
    num_views: int = option(2, "further weak views for agreement and vote")
    batch_size: int = option(64, "photos in one pass")
    seed: int = option(0, "seed of the views")
    device: str = option("auto", "auto, cpu or cuda")
    overwrite: bool = option(False, "delete what another run left in out")
    pseudo: PseudoLabelConfig = option(PseudoLabelConfig(), "steps of the labels that are measured beside single ones")

    def __post_init__(self) -> None:
        check(0 < self.within <= 1, "within", self.within, "above 0 and at most 1")
        check(self.num_views > 0, "num_views", self.num_views, "1 or more")
        check(self.batch_size > 1, "batch_size", self.batch_size, "2 or more")


@dataclass(frozen=True)
class Measured:
    """What is known of each photo.

    Attributes:
        right: By step: whether each joint of its pose lies near its label.
        doubt: By gate: what would leave the photo out, the surest first; NaN where the gate knows nothing.
        joint_doubt: By step: minus the confidence of each joint.
        known: Joints that have a label.
    """

    right: dict[str, Bool[np.ndarray, "photos 21"]]
    doubt: dict[str, Float[np.ndarray, "photos"]]
    joint_doubt: dict[str, Float[np.ndarray, "photos 21"]]
    known: Bool[np.ndarray, "photos 21"]


def label_precision(config: LabelPrecisionConfig) -> dict[str, dict]:
    """Leave ``precision.json`` and ``precision.png`` in ``out``; returns what the first one holds, by set.

    Raises:
        FileNotFoundError: when the checkpoint or a set is missing.
        ValueError: when a set is unknown or has no labels.
    """
    checkpoint = pose_file(config.checkpoint)
    sets = [open_labelled(config.root, name.strip(), config.split) for name in config.dataset.split(",")]
    out = open_run_folder(config.out, config, overwrite=config.overwrite, free_keys=("batch_size", "device"))
    net = load_network(checkpoint).to(choose_device(config.device)).eval()
    found = {entry_name(labelled.name): summary(measure(net, labelled, config), config.pseudo) for labelled in sets}
    with written_atomically(out / "precision.json") as partial:
        partial.write_text(json.dumps(found, indent=2), encoding="utf-8")
    with written_atomically(out / "precision.png") as partial, partial.open("wb") as file:
        file.write(precision_figure(found, config.within))
    return found


@torch.no_grad()
def measure(net: DualModalityNet, labelled: LabelledImages, config: LabelPrecisionConfig) -> Measured:
    """Poses of all photos after each step, against their labels, and the doubt of each gate."""
    images = [labelled.image(row) for row in range(len(labelled))]
    device = next(net.parameters()).device
    located = locate_hands(Predictor(net, device), images)
    before_after = neighbours([labelled.folder / file for file in labelled.files])
    photos = TargetPhotos(images, np.zeros(len(images), int), before_after)
    is_video = bool((before_after >= 0).all(1).any())
    augment = AugmentConfig(crop_px=net.config.image_size, crop_margin=net.config.crop_margin)
    views = ViewsConfig(num_views=config.num_views, frames=is_video)
    batches = TargetBatches(
        photos, located, augment,
        batch_size=config.batch_size, seed=config.seed, views=views,
    )  # fmt: skip
    parts: list[Measured] = []
    for start in range(0, len(images), config.batch_size):
        rows = np.arange(start, min(start + config.batch_size, len(images)))
        target, A_weak_image = batches.of_photos(rows, start, np.random.default_rng([config.seed, start]))
        weak_px = np.stack([apply_affine(A, labelled.joints_px[i]) for A, i in zip(A_weak_image, rows, strict=True)])
        true_uv = uv_from_px(weak_px, augment.crop_px)
        boxes_px = labelled.boxes_px[rows]
        scale = np.linalg.norm(A_weak_image[:, :, 0], axis=1) / augment.crop_px
        near_uv = config.within * scale * np.maximum(1, (boxes_px[:, 2:] - boxes_px[:, :2]).max(1))
        parts.append(_batch(net, target.to(device), true_uv, labelled.visible[rows], near_uv, config.pseudo))
    return Measured(
        right={name: np.concatenate([p.right[name] for p in parts]) for name in parts[0].right},
        doubt={name: np.concatenate([p.doubt[name] for p in parts]) for name in parts[0].doubt},
        joint_doubt={name: np.concatenate([p.joint_doubt[name] for p in parts]) for name in parts[0].joint_doubt},
        known=np.concatenate([p.known for p in parts]),
    )


def _batch(
    net: DualModalityNet,
    target: TargetBatch,
    true_uv: Float[np.ndarray, "batch 21 2"],
    known: Bool[np.ndarray, "batch 21"],
    near_uv: Float[np.ndarray, "batch"],
    pseudo: PseudoLabelConfig,
) -> Measured:
    is_left = target.right < 0.5
    target = target.mirrored(is_left)
    first = net(target.weak)
    fused, _, _ = net.second_pass(target.weak, first)
    views = view_poses(net, target, first, mirrored=False)
    _, _, voted_confidence = vote(views.uv, views.depth, views.confidence)

    def labels(config: PseudoLabelConfig) -> PseudoLabels:
        return pseudo_labels(first, fused, target.focal, config, views=views)

    made = {name: labels(config) for name, config in STEPS.items()}
    own = replace(pseudo, temporal=False, gate=False, agreement=False, joint_share=1.0)
    poses = {name: label.joints_uv for name, label in (made | {CONFIGURED: labels(own)}).items()}
    doubt = {
        "hands": -(target.right - 0.5).abs(),
        "confidence": hand_doubt(first.confidence),
        "spread": made[PAPER].spread,
        "agreement": pose_variance(views.uv, views.depth, pseudo.depth_weight),
    }
    if target.frames is not None and target.has_frames is not None:
        seen = net(target.frames.flatten(0, 1)).joints_uv.unflatten(0, (-1, 2))
        doubt["temporal"] = torch.where(target.has_frames, unsteadiness(first.joints_uv, seen), torch.nan)
    truth = torch.from_numpy(true_uv).to(first.joints_uv)
    truth = torch.where(is_left[:, None, None], torch.stack([1 - truth[..., 0], truth[..., 1]], -1), truth)
    near = torch.from_numpy(near_uv).to(truth)[:, None]
    return Measured(
        right={name: _numpy(torch.linalg.norm(uv - truth, dim=-1) <= near) for name, uv in poses.items()},
        doubt={name: _numpy(value) for name, value in doubt.items()},
        joint_doubt={FIRST: _numpy(-first.confidence), VOTE: _numpy(-voted_confidence)},
        known=known,
    )


def summary(measured: Measured, pseudo: PseudoLabelConfig) -> dict:
    """Precision before and after each step: of corrections over all photos, of gates by the share that they keep."""
    base = measured.right[FIRST]
    share_of = {"hands": 0.7, "confidence": pseudo.keep_share, "spread": pseudo.keep_share}
    share_of |= {"agreement": pseudo.agreement_share, "temporal": pseudo.temporal_share}
    gates = {}
    for name, doubt in measured.doubt.items():
        knows = np.isfinite(doubt)
        curve = [precision_of_kept(base[knows], measured.known[knows], doubt[knows], share) for share in SHARES]
        at = precision_of_kept(base[knows], measured.known[knows], doubt[knows], share_of[name])
        gates[name] = {"kept_share": SHARES.tolist(), "precision": curve, "usual_share": share_of[name], "usual": at}
    for step, doubt in measured.joint_doubt.items():
        order = measured.right[step][measured.known][np.argsort(doubt[measured.known], kind="stable")]
        precision = [float(order[: max(1, round(share * len(order)))].mean()) for share in SHARES]
        gates[f"joints of {step}"] = {"kept_share": SHARES.tolist(), "precision": precision}
    corrections = {name: float(right[measured.known].mean()) for name, right in measured.right.items()}
    return {"num_photos": len(base), "corrections": corrections, "gates": gates}


def precision_of_kept(
    right: Bool[np.ndarray, "photos 21"],
    known: Bool[np.ndarray, "photos 21"],
    doubt: Float[np.ndarray, "photos"],
    share: float,
) -> float:
    """Share of the labelled joints that are right, over the ``share`` of the photos that are least in doubt."""
    kept = np.argsort(doubt, kind="stable")[: max(1, round(share * len(doubt)))]
    return float(right[kept][known[kept]].mean())


def _numpy(values: Tensor) -> np.ndarray:
    return values.cpu().numpy()


main = stage_main("label-precision", LabelPrecisionConfig, label_precision)

if __name__ == "__main__":
    raise SystemExit(main())
