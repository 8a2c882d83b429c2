"""The upper bound: what adaptation could at most reach, had its photographs labels.

The start network is trained on as many renders and photos as ``adapt``, but with the photos' labels, and by
cross-fitting: the rows of each set are cut into blocks, and each block is predicted by a network that has not seen it.
This is the one stage that learns from labels of photographs. Its networks measure; they are for no other use.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from distill.adaptation.base_config import PhotoTrainingConfig
from distill.pseudo_labels.losses import handedness_pseudo_loss, pose_loss
from distill.report.runs import EVALUATION_FOLDER, METRICS_FILE
from distill.targets.cross_fitting import FoldPredictor, fold_of_rows
from distill.targets.labelled import LabelledBatches, PhotoBatch, left_hands
from dualmod.checkpoints.checkpoint import choose_device, load_network, read_notes, save_network
from dualmod.checkpoints.released import pose_file
from dualmod.data.batch import HandBatch
from dualmod.data.image_sets import LabelledImages, open_labelled
from dualmod.data.synthetic import SyntheticHands
from dualmod.evaluate import EvaluateConfig, evaluate_with
from dualmod.inference.predictor import Predictor
from dualmod.network.model import DualModalityNet
from dualmod.pretrain import FREE_KEYS, MODEL_FILE
from dualmod.pretraining.batches import supervised_batches
from dualmod.pretraining.objective import MethodConfig, mirrored_rows, objective
from dualmod.runtime.distributed import require_one_process
from dualmod.training.loop import run_training
from dualmod.training.module import TrainingModule
from synth.common.config import check, option, required, stage_main
from synth.common.files import open_run_folder, require_folder


@dataclass
class UpperBoundConfig(PhotoTrainingConfig):
    """Train on labelled photographs, and measure what adaptation could at most reach."""

    dataset: str = required("name of a set in root or READER:PATH of a public dataset, or several with commas")
    root: str = option("", "folder of the real image sets that are named without a path")
    split: str = option("test", "split of the sets; it must have labels")
    folds: int = option(2, "blocks that each set is cut into; each is predicted by a network that has not seen it")
    method: MethodConfig = option(MethodConfig(), "supervision by renders, method.source of adapt")

    def __post_init__(self) -> None:
        super().__post_init__()
        check(self.folds > 1, "folds", self.folds, "2 or more: no network may predict what it was trained on")


def upper_bound(config: UpperBoundConfig) -> Path:
    """Train a network for each fold, and leave ``fold-K/model.safetensors`` and ``evaluation`` in ``out``.

    Returns:
        Path of the evaluation's ``metrics.json``.

    Raises:
        FileNotFoundError: when the checkpoint, the renders, ``root`` or a file of a dataset is missing.
        ValueError: when a set is unknown, has no labels, or has fewer rows than there are folds.
    """
    require_one_process("upper-bound")
    start = pose_file(config.checkpoint)
    source_dir = require_folder(config.source, "source")
    sets = [open_labelled(config.root, name.strip(), config.split) for name in config.dataset.split(",")]
    smallest = min(sets, key=len)
    legal = f"at most {len(smallest)}, the rows of {smallest.name}"
    check(config.folds <= len(smallest), "folds", config.folds, legal)
    device = choose_device(config.device)
    if config.threads:
        torch.set_num_threads(config.threads)
    out = open_run_folder(config.out, config, overwrite=config.overwrite, free_keys=FREE_KEYS)
    folds = [fold_of_rows(len(labelled), config.folds) for labelled in sets]
    models = [out / f"fold-{k}" / MODEL_FILE for k in range(config.folds)]
    if not all(model.is_file() for model in models):
        hands = SyntheticHands(source_dir, cache_gb=config.cache_gb, holdout=config.holdout)
        photos = _photos_of_folds(config, sets, folds, Predictor(load_network(start), device))
        for model, batches in zip(models, photos, strict=True):
            if not model.is_file():
                _train_fold(config, start, hands, batches, model)
    evaluation = EvaluateConfig(
        checkpoint=str(models[0]), dataset=config.dataset, root=config.root, split=config.split,
        out=str(out / EVALUATION_FOLDER), device=config.device,
    )  # fmt: skip
    predictors = [Predictor.load(model, config.device) for model in models]
    evaluate_with([FoldPredictor(predictors, fold) for fold in folds], sets, evaluation)
    return out / EVALUATION_FOLDER / METRICS_FILE


class UpperBoundModule(TrainingModule):
    """Supervision by renders and by labelled photos."""

    net: DualModalityNet

    def __init__(self, net: DualModalityNet, config: UpperBoundConfig):
        batch_size = config.source_batch_size + config.target_batch_size
        super().__init__(config.optimizer.for_batch(batch_size), config.max_steps)
        self.net, self.config, self.frozen_statistics = net, config, config.frozen_statistics

    def losses(self, batch: Any, step: int) -> Mapping[str, Tensor]:
        views, photos = batch
        method = self.config.method
        terms = objective(self.net, views, method)
        prediction = self.net(photos.rgb)
        unknown = ~photos.has_depth[:, None]
        depth = torch.where(unknown, prediction.joints_depth.detach(), photos.joints_depth)
        terms["photos"] = pose_loss(prediction, photos.joints_uv, depth, photos.joint_weight, method.supervision)
        left_logits = self.net(mirrored_rows(photos.rgb, method.mirrored_share)).handedness_logit
        sides = handedness_pseudo_loss(prediction.handedness_logit, left_logits, photos.has_side)
        terms["photos_handedness"] = method.handedness_weight * sides
        return terms


def _photos_of_folds(
    config: UpperBoundConfig, sets: list[LabelledImages], folds: list[Int[np.ndarray, "rows"]], start: Predictor
) -> list[LabelledBatches]:
    """For each fold the batches of all photos outside of it; ``start`` says which hand it is where no label does."""
    is_left = [left_hands(s, start.predict(s.images, s.boxes_px).right_probability) for s in sets]
    network = start.net.config
    augment = config.augment.for_network(network.image_size, network.crop_margin)
    options = {"batch_size": config.target_batch_size, "seed": config.seed}
    return [
        LabelledBatches(sets, [np.flatnonzero(fold != k) for fold in folds], is_left, augment, **options)
        for k in range(config.folds)
    ]


def _train_fold(
    config: UpperBoundConfig, start: Path, hands: SyntheticHands, photos: LabelledBatches, model_file: Path
) -> None:
    net = load_network(start)
    renders = supervised_batches(
        config.method, hands, photos.augment,
        steps=config.max_steps, images=2 * config.source_batch_size, seed=config.seed + 1,
    )  # fmt: skip

    def batch_of(step: int) -> tuple[tuple[HandBatch, ...], PhotoBatch]:
        return renders[step], photos(step)

    model_file.parent.mkdir(exist_ok=True)
    started = time.perf_counter()
    run_training(
        UpperBoundModule(net, config),
        batch_of,
        model_file.parent,
        device=choose_device(config.device),
        seed=config.seed,
        save_every=config.save_every,
        loader_workers=config.loader_workers,
        description=f"upper bound, {model_file.parent.name}",
    )
    notes = {"stage": "upper-bound", "dataset": config.dataset, "start": read_notes(start)}
    notes |= {"seed": config.seed, "labels": "of photographs; a network to measure with", **hands.notes}
    notes |= {"steps": config.max_steps, "photos": sum(map(len, photos.rows))}
    notes["seconds"] = round(time.perf_counter() - started, 1)
    save_network(model_file, net, notes)


main = stage_main("upper-bound", UpperBoundConfig, upper_bound)

if __name__ == "__main__":
    raise SystemExit(main())
