"""Training of the detector on composed scenes: no photo of a hand and no label of one."""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from dualmod.checkpoints.checkpoint import choose_device
from dualmod.detection.batches import SceneBatch, SceneBatches, held_out_scenes, make_composer
from dualmod.detection.checkpoint import detector_notes, load_detector, round_as_stored, save_detector
from dualmod.detection.cutouts import Cutouts
from dualmod.detection.decode import DecodeConfig
from dualmod.detection.loss import DetectorLossConfig, detector_losses
from dualmod.detection.metrics import scene_scores
from dualmod.detection.network import DetectorNet, DetectorNetConfig
from dualmod.detection.scene_config import SceneConfig
from dualmod.detection.targets import centre_targets
from dualmod.pretrain import FREE_KEYS, MODEL_FILE
from dualmod.runtime.distributed import require_one_process
from dualmod.training.loop import EngineConfig, run_training
from dualmod.training.module import OptimizerConfig, TrainingModule
from synth.common.config import check, option, required, stage_main
from synth.common.files import open_run_folder, require_folder, written_atomically
from synth.common.licences import terms_of_folders


@dataclass
class PretrainDetectorConfig:
    """Train the network that finds hands in whole photos, on scenes pasted together from renders."""

    data: str = required("folder of a dataset made by generate")
    out: str = required("folder for the checkpoint and the logs")
    seed: int = option(0, "seed of weights, order and scenes")
    init: str = option("", "detector to start from instead of the backbone's own weights")
    background_dir: str = option("", "folder of photos without hands for backgrounds; empty: painted ones only")
    max_steps: int = option(800, "optimisation steps")
    batch_size: int = option(16, "scenes in a step")
    holdout: float = option(0.04, "share of the dataset that is kept out for testing")
    held_out_scenes: int = option(200, "scenes of held-out hands to measure on")
    save_every: int = option(100, "steps between checkpoints to resume from")
    loader_workers: int = option(1, "processes that read and compose")
    device: str = option("auto", "auto, cpu or cuda")
    threads: int = option(0, "CPU threads of torch; 0 takes all cores")
    overwrite: bool = option(False, "delete what another run left in out")
    network: DetectorNetConfig = option(DetectorNetConfig(), "the network")
    scene: SceneConfig = option(SceneConfig(), "the scenes")
    loss: DetectorLossConfig = option(DetectorLossConfig(), "weights of the losses")
    decode: DecodeConfig = option(DecodeConfig(), "what counts as a hand in the held-out scenes")
    optimizer: OptimizerConfig = option(OptimizerConfig(learning_rate=2e-3), "the optimizer")
    engine: EngineConfig = option(EngineConfig(), "precision, compilation, accumulation, averaged weights")

    def __post_init__(self) -> None:
        for key in ("max_steps", "save_every", "held_out_scenes"):
            check(getattr(self, key) > 0, key, getattr(self, key), "positive")
        check(self.batch_size > 1, "batch_size", self.batch_size, "2 or more")
        check(self.batch_size % self.engine.accumulate == 0, "batch_size", self.batch_size,
              f"a multiple of engine.accumulate={self.engine.accumulate}")  # fmt: skip
        check(self.loader_workers >= 0, "loader_workers", self.loader_workers, "0 or more")
        check(0 < self.holdout < 1, "holdout", self.holdout, "between 0 and 1")


class DetectorModule(TrainingModule):
    """The losses of the centre maps on composed scenes."""

    net: DetectorNet

    def __init__(self, net: DetectorNet, config: PretrainDetectorConfig):
        super().__init__(config.optimizer.for_batch(config.batch_size), config.max_steps, config.engine.accumulate)
        self.net, self.weights = net, config.loss

    def compiled_parts(self) -> Sequence[nn.Module]:
        return (self.net,)

    def losses(self, batch: Any, step: int) -> Mapping[str, Tensor]:
        return scene_losses(self.net, batch, self.weights)


def scene_losses(net: DetectorNet, batch: SceneBatch, weights: DetectorLossConfig) -> dict[str, Tensor]:
    """The weighted losses on one batch of scenes by name."""
    maps = net(batch.rgb)
    height, width = maps.heat.shape[-2:]
    return detector_losses(maps, centre_targets(batch.hands, (height, width)), weights)


def pretrain_detector(config: PretrainDetectorConfig) -> Path:
    """Train, and leave ``model.safetensors``, ``metrics.json``, ``metrics.jsonl`` and ``last.ckpt`` in ``out``.

    Returns:
        The detector's path.

    Raises:
        FileNotFoundError: when the dataset, the backgrounds or a weight file is missing.
        ValueError: when one of them cannot be used, or ``out`` holds another run.
    """
    require_one_process("pretrain-detector")
    device = choose_device(config.device)
    if config.threads:
        torch.set_num_threads(config.threads)
    cutouts = Cutouts(require_folder(config.data, "data"), config.holdout)
    torch.manual_seed(config.seed)
    net = load_detector(config.init, "init") if config.init else DetectorNet(config.network)
    composer = make_composer(config.scene, net.config.image_size, config.background_dir)
    out = open_run_folder(config.out, config, overwrite=config.overwrite, free_keys=FREE_KEYS)
    model_file = out / MODEL_FILE
    if model_file.exists():
        return model_file
    started = time.perf_counter()
    report = run_training(
        DetectorModule(net, config),
        SceneBatches(cutouts, composer, batch_size=config.batch_size, seed=config.seed),
        out,
        device=device,
        seed=config.seed,
        save_every=config.save_every,
        loader_workers=config.loader_workers,
        description="pretrain-detector",
        engine=config.engine,
    )
    metrics = {"seconds": round(time.perf_counter() - started, 1), "steps": config.max_steps, **asdict(report)}
    scenes = held_out_scenes(cutouts, composer, config.held_out_scenes)
    metrics |= scene_scores(round_as_stored(net).to(device), scenes, config.decode)
    with written_atomically(out / "metrics.json") as partial:
        partial.write_text(json.dumps(metrics, indent=2))
    notes = {"stage": "pretrain-detector", "seed": config.seed, **cutouts.notes, **metrics}
    if config.background_dir:
        notes["licence_notes"] = [
            *cutouts.notes["licence_notes"], terms_of_folders("background_dir", config.background_dir)
        ]  # fmt: skip
    if config.init:
        notes["start"] = detector_notes(config.init)
    save_detector(model_file, net, notes)
    return model_file


main = stage_main("pretrain-detector", PretrainDetectorConfig, pretrain_detector)

if __name__ == "__main__":
    raise SystemExit(main())
