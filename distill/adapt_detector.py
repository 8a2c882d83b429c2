"""Self-training of the detector on unlabelled photos: an averaged teacher finds hands, the student learns to find them
in harder views, and composed scenes stay in every step. No label of a photo is read.
"""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from distill.detection.teacher import HandTeacher, HandTeacherConfig
from distill.detection.views import PhotoViewBatches, PhotoViews, PhotoViewsConfig
from distill.targets.photos import BALANCES, PHOTO, open_photos
from dualmod.checkpoints.checkpoint import choose_device
from dualmod.detection.batches import SceneBatch, SceneBatches, held_out_scenes, make_composer
from dualmod.detection.checkpoint import detector_notes, load_detector, round_as_stored, save_detector
from dualmod.detection.cutouts import Cutouts
from dualmod.detection.decode import DecodeConfig
from dualmod.detection.loss import DetectorLossConfig, detector_losses
from dualmod.detection.metrics import scene_scores
from dualmod.detection.network import DetectorNet
from dualmod.detection.scene_config import SceneConfig
from dualmod.detection.targets import centre_targets
from dualmod.pretrain import FREE_KEYS, MODEL_FILE
from dualmod.pretrain_detector import scene_losses
from dualmod.runtime.distributed import require_one_process
from dualmod.training.loop import run_training
from dualmod.training.module import OptimizerConfig, TrainingModule
from synth.common.config import check, option, required, stage_main
from synth.common.files import open_run_folder, require_file, require_folder, written_atomically
from synth.common.licences import terms_of_folders


@dataclass
class AdaptDetectorConfig:
    """Adapt a detector to unlabelled photographs."""

    detector: str = required("model.safetensors of pretrain-detector")
    source: str = required("folder of the synthetic dataset that stays in the training")
    target: str = required("folder of photos, or several of them or names of real sets with commas")
    out: str = required("folder for the checkpoint and the logs")
    target_root: str = option("", "folder that holds the real sets named in target")
    target_balance: str = option(PHOTO, "of several targets: each photo as likely (photo), or each set (set)")
    background_dir: str = option("", "folder of photos without hands for backgrounds; empty: painted ones only")
    seed: int = option(0, "seed of order, scenes and views")
    max_steps: int = option(200, "optimisation steps")
    source_batch_size: int = option(10, "scenes in a step")
    target_batch_size: int = option(6, "photos in a step")
    target_weight: float = option(1.0, "weight of the losses on photos")
    holdout: float = option(0.04, "share of the dataset that is kept out for testing")
    held_out_scenes: int = option(200, "scenes of held-out hands to measure on")
    frozen_statistics: bool = option(True, "keep the normalisation statistics of the start detector")
    save_every: int = option(50, "steps between checkpoints to resume from")
    loader_workers: int = option(1, "processes that read and compose")
    device: str = option("auto", "auto, cpu or cuda")
    threads: int = option(0, "CPU threads of torch; 0 takes all cores")
    overwrite: bool = option(False, "delete what another run left in out")
    views: PhotoViewsConfig = option(PhotoViewsConfig(), "views of the photos")
    teacher: HandTeacherConfig = option(HandTeacherConfig(), "the teacher and what of it counts")
    scene: SceneConfig = option(SceneConfig(), "the scenes")
    loss: DetectorLossConfig = option(DetectorLossConfig(), "weights of the losses, on scenes and photos alike")
    decode: DecodeConfig = option(DecodeConfig(), "what counts as a hand in the held-out scenes")
    optimizer: OptimizerConfig = option(OptimizerConfig(learning_rate=3e-4, warmup_steps=20), "the optimizer")

    def __post_init__(self) -> None:
        for key in ("max_steps", "save_every", "source_batch_size", "target_batch_size", "held_out_scenes"):
            check(getattr(self, key) > 0, key, getattr(self, key), "positive")
        check(self.target_weight >= 0, "target_weight", self.target_weight, "0 or more")
        check(self.loader_workers >= 0, "loader_workers", self.loader_workers, "0 or more")
        check(0 < self.holdout < 1, "holdout", self.holdout, "between 0 and 1")
        known = self.target_balance in BALANCES
        check(known, "target_balance", self.target_balance, f"one of {', '.join(BALANCES)}")


class AdaptDetectorModule(TrainingModule):
    """The losses on scenes, and those on photos with the teacher's finds as labels."""

    net: DetectorNet

    def __init__(self, net: DetectorNet, config: AdaptDetectorConfig):
        batch_size = config.source_batch_size + config.target_batch_size
        super().__init__(config.optimizer.for_batch(batch_size), config.max_steps)
        self.net, self.config, self.frozen_statistics = net, config, config.frozen_statistics
        self.teacher = HandTeacher(net, config.teacher)

    def losses(self, batch: Any, step: int) -> Mapping[str, Tensor]:
        scenes, views = batch
        terms = scene_losses(self.net, scenes, self.config.loss)
        hands, noted = self.teacher.labels(views)
        maps = self.net(views.strong)
        height, width = maps.heat.shape[-2:]
        on_photos = detector_losses(maps, centre_targets(hands, (height, width)), self.config.loss)
        terms |= {f"photo_{name}": self.config.target_weight * term for name, term in on_photos.items()}
        return terms | noted

    def after_step(self) -> None:
        self.teacher.follow(self.net)


def adapt_detector(config: AdaptDetectorConfig) -> Path:
    """Adapt, and leave ``model.safetensors``, ``metrics.json``, ``metrics.jsonl`` and ``last.ckpt`` in ``out``.

    No label of the target is read: what opens it knows the names of the images alone.

    Returns:
        The detector's path.

    Raises:
        FileNotFoundError: when the detector, the dataset or the photos are missing.
        ValueError: when one of them cannot be used, or ``out`` holds another run.
        CollapseError: when the teacher finds far more or far fewer hands than at first.
    """
    require_one_process("adapt-detector")
    require_file(config.detector, "detector")
    cutouts = Cutouts(require_folder(config.source, "source"), config.holdout)
    device = choose_device(config.device)
    if config.threads:
        torch.set_num_threads(config.threads)
    net = load_detector(config.detector)
    photos = open_photos(config.target, config.target_root)
    side_px = net.config.image_size
    composer = make_composer(config.scene, side_px, config.background_dir)
    out = open_run_folder(config.out, config, overwrite=config.overwrite, free_keys=FREE_KEYS)
    model_file = out / MODEL_FILE
    if model_file.exists():
        return model_file
    started = time.perf_counter()
    scenes = SceneBatches(cutouts, composer, batch_size=config.source_batch_size, seed=config.seed + 1)
    views = PhotoViewBatches(
        photos, config.views, side_px=side_px,
        batch_size=config.target_batch_size, seed=config.seed, balance=config.target_balance,
    )  # fmt: skip
    report = run_training(
        AdaptDetectorModule(net, config),
        _batches(scenes, views),
        out,
        device=device,
        seed=config.seed,
        save_every=config.save_every,
        loader_workers=config.loader_workers,
        description="adapt-detector",
    )
    metrics = {"seconds": round(time.perf_counter() - started, 1), "steps": config.max_steps, "photos": len(photos)}
    held_out = held_out_scenes(cutouts, composer, config.held_out_scenes)
    metrics |= asdict(report) | scene_scores(round_as_stored(net).to(device), held_out, config.decode)
    with written_atomically(out / "metrics.json") as partial:
        partial.write_text(json.dumps(metrics, indent=2))
    notes = {"stage": "adapt-detector", "target": config.target, "start": detector_notes(config.detector)}
    folders = {"background_dir": config.background_dir, "target": config.target}
    terms = [
        *cutouts.notes["licence_notes"],
        *(terms_of_folders(key, value) for key, value in folders.items() if value),
    ]
    notes |= {"seed": config.seed, **cutouts.notes, "licence_notes": terms, **metrics}
    save_detector(model_file, net, notes)
    return model_file


def _batches(scenes: SceneBatches, views: PhotoViewBatches) -> Callable[[int], tuple[SceneBatch, PhotoViews]]:
    return lambda step: (scenes(step), views(step))


main = stage_main("adapt-detector", AdaptDetectorConfig, adapt_detector)

if __name__ == "__main__":
    raise SystemExit(main())
