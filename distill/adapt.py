"""Adaptation to unlabelled photos by two-pass self-distillation (Lin et al. 2023, section 3.4), and its control."""

import copy
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Bool
from torch import Tensor, nn

from distill.pseudo_labels import PseudoLabelConfig, QuantileGate, pseudo_labels
from distill.self_distillation import consistency_loss, handedness_pseudo_loss, pseudo_label_loss
from distill.target import TargetBatch, TargetBatches, locate_hands
from dualmod.checkpoint import choose_device, load_network, read_notes, save_network
from dualmod.data.augment import AugmentConfig
from dualmod.data.batch import HandBatch
from dualmod.data.real import open_target
from dualmod.data.synthetic import PairedBatches, SyntheticHands
from dualmod.held_out import held_out_error
from dualmod.network.model import DualModalityNet
from dualmod.objective import MethodConfig, mirrored_rows, objective
from dualmod.prediction import Prediction
from dualmod.predictor import Predictor, choose, right_probability
from dualmod.pretrain import FREE_KEYS, MODEL_FILE
from dualmod.ranks import require_one_process
from dualmod.training import run_training
from dualmod.training_module import OptimizerConfig, TrainingModule
from synth.config import check, option, required, stage_main
from synth.files import open_run_folder, require_file, require_folder, written_atomically


@dataclass
class DistillConfig:
    """How the unlabelled images are learned from."""

    use_target: bool = option(True, "learn from the target; false is the control on synthetic images alone")
    teacher_decay: float = option(0.98, "decay of the averaged teacher that makes the labels; 0: the live network")
    pseudo_label_weight: float = option(1.0, "weight of the pseudo-labels, lambda_l")
    consistency_weight: float = option(0.2, "weight of the consistency between the passes, lambda_f")
    hand_weight: float = option(0.0, "weight of the pseudo-label of left or right; it can run away, so 0 is usual")
    sure_hands_share: float = option(0.7, "share of the photos to learn from: those most surely left or right")
    pseudo: PseudoLabelConfig = option(PseudoLabelConfig(), "how pseudo-labels are denoised")
    source: MethodConfig = option(MethodConfig(), "supervision by synthetic images that is kept on")

    def __post_init__(self) -> None:
        check(0 <= self.teacher_decay < 1, "method.teacher_decay", self.teacher_decay, "in [0, 1)")
        check(0 < self.sure_hands_share <= 1, "method.sure_hands_share", self.sure_hands_share, "in (0, 1]")
        for key in ("pseudo_label_weight", "consistency_weight", "hand_weight"):
            check(getattr(self, key) >= 0, f"method.{key}", getattr(self, key), "0 or more")


@dataclass
class AdaptConfig:
    """Adapt a pre-trained network to unlabelled photographs."""

    checkpoint: str = required("model.safetensors of a pre-training")
    source: str = required("folder of the synthetic dataset that stays in the training")
    target: str = required("folder of photos, or names of real sets with commas")
    out: str = required("folder for the checkpoint and the logs")
    target_root: str = option("", "folder that holds the real sets named in target")
    seed: int = option(0, "seed of order and augmentation")
    max_steps: int = option(200, "optimisation steps")
    source_batch_size: int = option(24, "synthetic samples in a step, each in two views")
    target_batch_size: int = option(16, "photos in a step; the control takes half as many more synthetic samples")
    holdout: float = option(0.04, "share of the dataset that is kept out for testing")
    frozen_statistics: bool = option(True, "keep the normalisation statistics of the start checkpoint")
    save_every: int = option(50, "steps between checkpoints to resume from")
    loader_workers: int = option(1, "processes that read and augment")
    cache_gb: float = option(4.0, "largest size in GB of the decoded dataset kept in memory")
    device: str = option("auto", "auto, cpu or cuda")
    threads: int = option(0, "CPU threads of torch; 0 takes all cores")
    overwrite: bool = option(False, "delete what another run left in out")
    method: DistillConfig = option(DistillConfig(), "the method")
    optimizer: OptimizerConfig = option(OptimizerConfig(learning_rate=4e-4, warmup_steps=20), "the optimizer")
    augment: AugmentConfig = option(AugmentConfig(), "augmentation of the views")

    def __post_init__(self) -> None:
        for key in ("max_steps", "save_every", "target_batch_size"):
            check(getattr(self, key) > 0, key, getattr(self, key), "positive")
        check(self.source_batch_size > 1, "source_batch_size", self.source_batch_size, "2 or more")
        check(self.target_batch_size % 2 == 0, "target_batch_size", self.target_batch_size, "even")
        check(self.loader_workers >= 0, "loader_workers", self.loader_workers, "0 or more")
        check(0 < self.holdout < 1, "holdout", self.holdout, "between 0 and 1")


class AdaptModule(TrainingModule):
    """Synthetic supervision and, on the target, pseudo-labels of a teacher and consistency of the passes."""

    def __init__(self, net: DualModalityNet, config: AdaptConfig):
        batch_size = config.source_batch_size + config.target_batch_size
        super().__init__(config.optimizer.for_batch(batch_size), config.max_steps)
        self.net, self.config, self.method = net, config, config.method
        self.teacher = copy.deepcopy(net).requires_grad_(False).eval()
        pseudo = config.method.pseudo
        self.gate = QuantileGate(pseudo.keep_share, pseudo.window)
        self.sure_gate = QuantileGate(config.method.sure_hands_share, pseudo.window)

    def on_train_start(self) -> None:
        self.net.train()
        self.teacher.eval()
        if self.config.frozen_statistics:
            for module in self.net.modules():
                if isinstance(module, nn.BatchNorm2d):
                    module.eval()

    def losses(self, batch: Any, step: int) -> dict[str, Tensor]:
        (view, view_plus), target = batch
        terms = objective(self.net, view, view_plus, self.method.source)
        if target is not None:
            terms |= self._target_losses(target)
        return terms

    def _target_losses(self, target: TargetBatch) -> dict[str, Tensor]:
        teacher = self.teacher if self.method.teacher_decay > 0 else self.net
        with torch.no_grad():
            target, first, sure = self._as_right_hands(teacher, target)
            fused = teacher.second_pass(target.weak, first)[0] if self.method.pseudo.second_pass else None
        labels = pseudo_labels(first, fused, target.focal, self.method.pseudo, gate=self.gate)
        labels = replace(labels, kept=labels.kept & sure)
        first = self.net(target.strong)
        fused, from_depth, _ = self.net.second_pass(target.strong, first)
        supervision = self.method.source.supervision
        pseudo = torch.stack(
            [pseudo_label_loss(p, labels, target.A_strong_weak, supervision) for p in (first, fused, from_depth)]
        ).sum()
        terms = {
            "pseudo_label": self.method.pseudo_label_weight * pseudo,
            "consistency": self.method.consistency_weight * consistency_loss(first, fused, supervision),
            **{f"_{name}": first.depth.new_tensor(value) for name, value in labels.report.items()},
        }
        if self.method.hand_weight > 0:
            left = self.net.encode_rgb(mirrored_rows(target.strong, self.method.source.mirrored_share))
            hand = handedness_pseudo_loss(first.handedness_logit, self.net.handedness(left.pooled)[:, 0], sure)
            terms["pseudo_handedness"] = self.method.hand_weight * hand
        return terms

    def _as_right_hands(
        self, teacher: DualModalityNet, target: TargetBatch
    ) -> tuple[TargetBatch, Prediction, Bool[Tensor, "batch"]]:
        """The photos with those mirrored in which the teacher sees a left hand, its plain prediction on them, and
        whether it is sure enough: a hand taken for the other one teaches the mirror image of its pose."""
        plain, flipped = teacher(target.weak), teacher(target.weak.flip(-1))
        right = right_probability(plain, flipped)
        sure, _ = self.sure_gate(-(right - 0.5).abs())
        left = right < 0.5
        return target.mirrored(left), choose(plain, flipped, left), sure

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["gates"] = [gate.state_dict() for gate in (self.gate, self.sure_gate)]

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        for gate, state in zip((self.gate, self.sure_gate), checkpoint["gates"], strict=True):
            gate.load_state_dict(state)

    def on_train_batch_end(self, *args: Any, **kwargs: Any) -> None:
        decay = self.method.teacher_decay
        with torch.no_grad():
            for mean, live in zip(self.teacher.parameters(), self.net.parameters(), strict=True):
                mean.lerp_(live, 1 - decay)
            for mean, live in zip(self.teacher.buffers(), self.net.buffers(), strict=True):
                mean.copy_(live)


def adapt(config: AdaptConfig) -> Path:
    """Adapt, and leave ``model.safetensors``, ``metrics.json``, ``metrics.jsonl`` and ``last.ckpt`` in ``out``.

    No label of the target is read: what opens it knows the names of the images alone.

    Returns:
        The checkpoint's path.
    """
    require_one_process("adapt")
    require_file(config.checkpoint, "checkpoint")
    source_dir = require_folder(config.source, "source")
    device = choose_device(config.device)
    if config.threads:
        torch.set_num_threads(config.threads)
    net = load_network(config.checkpoint)
    images = open_target(config.target, root=config.target_root)
    hands = SyntheticHands(source_dir, cache_gb=config.cache_gb, holdout=config.holdout)
    out = open_run_folder(config.out, config, overwrite=config.overwrite, free_keys=FREE_KEYS)
    model_file = out / MODEL_FILE
    if model_file.exists():
        return model_file
    started = time.perf_counter()
    augment = replace(config.augment, crop_px=net.config.image_size)
    targets = None
    if config.method.use_target:
        boxes_px = locate_hands(Predictor(net, device), images)
        targets = TargetBatches(images, boxes_px, augment, batch_size=config.target_batch_size, seed=config.seed)
    module = AdaptModule(net.cpu(), config)
    run_training(
        module,
        _batches(config, hands, augment, targets),
        out,
        device=device,
        seed=config.seed,
        save_every=config.save_every,
        loader_workers=config.loader_workers,
        description="adapt" if targets else "control",
    )
    metrics = {"seconds": round(time.perf_counter() - started, 1), "steps": config.max_steps, "photos": len(images)}
    metrics |= held_out_error(net.to(device), hands)
    with written_atomically(out / "metrics.json") as partial:
        partial.write_text(json.dumps(metrics, indent=2))
    notes = {"stage": "adapt", "target": config.target, "start": read_notes(config.checkpoint)}
    save_network(model_file, net, {**notes, "seed": config.seed, **hands.notes, **metrics})
    return model_file


def _batches(
    config: AdaptConfig, hands: SyntheticHands, augment: AugmentConfig, targets: TargetBatches | None
) -> Callable[[int], tuple[tuple[HandBatch, HandBatch], TargetBatch | None]]:
    """The batch of a step. The control sees as many images in a step: each synthetic sample counts for two views."""
    samples = config.source_batch_size + (0 if targets else config.target_batch_size // 2)
    pairs = PairedBatches(hands, augment, steps=config.max_steps, batch_size=samples, seed=config.seed + 1)
    return lambda step: (pairs[step], targets(step) if targets else None)


main = stage_main("adapt", AdaptConfig, adapt)

if __name__ == "__main__":
    raise SystemExit(main())
