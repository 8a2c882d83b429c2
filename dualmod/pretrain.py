"""Pre-training on synthetic pairs of RGB and depth (Lin et al. 2023, section 3.3), and its controls."""

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from dualmod.checkpoints.checkpoint import choose_device, load_network, save_network
from dualmod.checkpoints.released import pose_file
from dualmod.data.augment import AugmentConfig
from dualmod.data.contrast_views import ContrastView
from dualmod.data.hand_source import Hands
from dualmod.data.online_rendering import STREAM, StreamedHands, render_config
from dualmod.data.synthetic import SyntheticHands
from dualmod.evaluation.synthetic_validation import held_out_error
from dualmod.network.model import DualModalityNet, NetworkConfig
from dualmod.pretraining.batches import method_heads, step_batches
from dualmod.pretraining.config import PretrainMethod
from dualmod.pretraining.contrastive_phase import contrast_objective
from dualmod.pretraining.objective import Head, objective
from dualmod.runtime.distributed import Ranks, launched_ranks
from dualmod.training.loop import LAST_CHECKPOINT, EngineConfig, run_training
from dualmod.training.module import OptimizerConfig, TrainingModule
from dualmod.training.validation import RenderValidation, ValidationConfig
from synth.common.config import check, option, required, stage_main
from synth.common.files import open_run_folder, require_folder, written_atomically

MODEL_FILE = "model.safetensors"


@dataclass
class PretrainConfig:
    """Pre-train the dual-modality network on a synthetic dataset."""

    data: str = required("folder of a dataset made by generate; stream: render while training, nothing on disk")
    out: str = required("folder for the checkpoint and the logs")
    seed: int = option(0, "seed of weights, order and augmentation")
    init: str = option("", "checkpoint to start from instead of the backbones' own weights, or released_start")
    first_step: int = option(
        0, "with init: step that it was trained to; batches, schedule and views count on, only the warm-up starts anew"
    )
    max_steps: int = option(800, "optimisation steps, those before first_step among them")
    batch_size: int = option(32, "samples in a step over all ranks; with contrastive terms each is seen in two views")
    batch_blocks: int = option(
        0, "parts of a batch that draw their augmentation apart, a multiple of the ranks; 0: one a rank"
    )
    holdout: float = option(0.04, "share of the dataset that is kept out for testing")
    save_every: int = option(100, "steps between checkpoints to resume from")
    loader_workers: int = option(1, "processes that read and augment")
    cache_gb: float = option(1.0, "largest size in GB of the decoded dataset kept in memory")
    device: str = option("auto", "auto, cpu or cuda")
    threads: int = option(0, "CPU threads of torch; 0 takes all cores")
    overwrite: bool = option(False, "delete what another run left in out")
    generate: dict[str, Any] = option({}, "data=stream: options of generate, as generate.KEY=VALUE")
    network: NetworkConfig = option(NetworkConfig(), "the network")
    method: PretrainMethod = option(PretrainMethod(), "what is trained")
    optimizer: OptimizerConfig = option(OptimizerConfig(), "the optimizer")
    engine: EngineConfig = option(EngineConfig(), "precision, compilation, accumulation, averaged weights")
    augment: AugmentConfig = option(AugmentConfig(), "augmentation of the views")
    validation: ValidationConfig = option(ValidationConfig(), "measuring while training; changes nothing of it")

    def __post_init__(self) -> None:
        check(self.max_steps > 0, "max_steps", self.max_steps, "positive")
        check(self.first_step == 0 or bool(self.init), "first_step", self.first_step, "0 without init=FILE")
        legal = f"0 to max_steps - 1 = {self.max_steps - 1}"
        check(0 <= self.first_step < self.max_steps, "first_step", self.first_step, legal)
        self.optimizer.check_steps(self.max_steps, self.first_step)
        check(self.save_every > 0, "save_every", self.save_every, "positive")
        check(self.loader_workers >= 0, "loader_workers", self.loader_workers, "0 or more")
        check(0 < self.holdout < 1, "holdout", self.holdout, "between 0 and 1")
        check(not self.generate or self.data == STREAM, "data", self.data, f"{STREAM} where generate.KEY is given")
        least = self.method.least_batch
        check(self.batch_size >= least, "batch_size", self.batch_size, f"{least} or more with this method")
        known = self.data != STREAM or not self.method.needs_all_poses
        check(known, "data", self.data, "a dataset made by generate: this method compares all poses before it starts")
        undone = self.method.phase.share > 0 and self.method.phase.undo_geometry
        dims = self.network.embedding_dims
        check(
            dims % 2 == 0 or not undone, "network.embedding_dims", dims, "even with this method: it is read as points"
        )
        check(self.batch_blocks >= 0, "batch_blocks", self.batch_blocks, "0 or more")
        self.engine.check_split(self.batch_size, Ranks())


class PretrainModule(TrainingModule):
    """The objective on views with labels, and contrast on views without."""

    net: DualModalityNet

    def __init__(self, net: DualModalityNet, config: PretrainConfig, heads: Sequence[Head] = ()):
        optimizer = config.optimizer.for_batch(config.batch_size)
        super().__init__(optimizer, config.max_steps, config.engine.accumulate, config.first_step)
        self.net, self.method = net, config.method
        self.heads = nn.ModuleList(heads)  # type: ignore[arg-type]

    def losses(self, batch: Any, step: int) -> dict[str, Tensor]:
        if isinstance(batch[0], ContrastView):
            first, second = batch
            return contrast_objective(self.net, first, second, self.method.phase, gather=self.whole_batch)
        return objective(self.net, batch, self.method, *self.heads, gather=self.whole_batch)

    def phase(self, step: int) -> tuple[int, int]:
        contrast = self.method.phase.steps(self.max_steps)
        return (0, contrast) if step < contrast else (contrast, self.max_steps)

    def compiled_parts(self) -> list[nn.Module]:
        encoders = (self.net.rgb_encoder, self.net.depth_encoder)
        stages = [stage for encoder in encoders for stage in encoder.stages]
        return [*stages, self.net.rgb_neck, self.net.depth_neck, self.net.decoder]


def pretrain(config: PretrainConfig) -> Path:
    """Train, and leave ``model.safetensors``, ``metrics.json``, ``metrics.jsonl`` and ``last.ckpt`` in ``out``.

    A finished run is left as it is; an interrupted one goes on from its last checkpoint. Under torchrun the ranks share
    each batch; rank 0 writes the files, and the others return before it has.

    Returns:
        The checkpoint's path.
    """
    ranks = launched_ranks()
    blocks = _blocks(config, ranks)
    device = choose_device(config.device)
    if config.threads:
        torch.set_num_threads(config.threads)
    hands = open_hands(config)
    torch.manual_seed(config.seed)
    net = load_network(pose_file(config.init, "init"), "init") if config.init else DualModalityNet(config.network)
    augment = config.augment.for_network(net.config.image_size, net.config.crop_margin)
    batches = step_batches(
        config.method, hands, augment,
        max_steps=config.max_steps, batch_size=config.batch_size, seed=config.seed, device=config.device,
        blocks=blocks, ranks=ranks,
    )  # fmt: skip
    heads = method_heads(config.method, hands, net.config.decoder_width, config.seed)
    validation = RenderValidation(config, hands.notes) if config.validation.every else None
    out = open_run_folder(
        config.out, config, overwrite=config.overwrite, free_keys=FREE_KEYS, brought=(LAST_CHECKPOINT,)
    )
    model_file = out / MODEL_FILE
    if model_file.exists():
        return model_file
    started = time.perf_counter()
    report = run_training(
        PretrainModule(net, config, heads),
        batches,
        out,
        device=device,
        seed=config.seed,
        save_every=config.save_every,
        loader_workers=config.loader_workers,
        description="pretrain",
        engine=config.engine,
        ranks=ranks,
        validation=validation,
    )
    if ranks.rank > 0:
        return model_file
    seen = {"steps": config.max_steps, "views": config.max_steps * config.batch_size}
    metrics = {"seconds": round(time.perf_counter() - started, 1), **seen, **asdict(report)}
    metrics |= held_out_error(net.to(device), hands)
    with written_atomically(out / "metrics.json") as partial:
        partial.write_text(json.dumps(metrics, indent=2))
    save_network(model_file, net, {"stage": "pretrain", "seed": config.seed, **hands.notes, **metrics})
    return model_file


def _blocks(config: PretrainConfig, ranks: Ranks) -> int:
    """Parts of a batch that draw their augmentation apart.

    Raises:
        ValueError: when batch, blocks, micro-batches and ranks don't divide, or something needs one process or CUDA.
    """
    blocks = config.batch_blocks or ranks.count
    config.engine.check_split(config.batch_size, ranks)
    if config.method.phase.share > 0:
        config.engine.check_split(config.method.phase.batch_size, ranks, "method.phase.batch_size")
    check(blocks % ranks.count == 0, "batch_blocks", blocks, f"a multiple of the {ranks.count} ranks")
    check(config.batch_size % blocks == 0, "batch_blocks", blocks, f"a divisor of batch_size={config.batch_size}")
    check(not (config.overwrite and ranks.count > 1), "overwrite", "true", "false under torchrun: delete out first")
    on_cuda = choose_device(config.device).type == "cuda"
    check(on_cuda or not config.engine.sync_batchnorm, "engine.sync_batchnorm", "true", "false without CUDA")
    return blocks


def open_hands(config: PretrainConfig) -> Hands:
    """The dataset in ``data``, or the renders of a stream.

    Raises:
        FileNotFoundError: when the dataset, or a file that a render needs, is missing.
        ValueError: when it is damaged or too small, holds no depth where the method needs it, or an option of
            ``generate`` is illegal.
    """
    if config.data != STREAM:
        hands = SyntheticHands(require_folder(config.data, "data"), cache_gb=config.cache_gb, holdout=config.holdout)
        if config.method.depth_branch and not hands[0].closeness.any():
            raise ValueError(f"data={config.data} holds no depth (sample 0), which this method needs; take source_only")
        return hands
    num_samples = config.max_steps * config.batch_size
    return StreamedHands(render_config(config.generate), num_samples=num_samples, holdout=config.holdout)


FREE_KEYS = ("loader_workers", "cache_gb", "device", "threads", "save_every", "validation")
"""Options that don't change the result."""

main = stage_main("pretrain", PretrainConfig, pretrain)

if __name__ == "__main__":
    raise SystemExit(main())
