"""Options of every training on renders and photographs: adaptation, its control, and the upper bound.

They are one class so that all of them take as many steps and images unless told otherwise.
"""

from dataclasses import dataclass

from dualmod.data.augment import AugmentConfig
from dualmod.training.module import OptimizerConfig
from synth.common.config import check, option, required


@dataclass
class PhotoTrainingConfig:
    """Train on from a pre-trained network, by renders and by photographs."""

    checkpoint: str = required("model.safetensors of a pre-training; released_start: the one that comes along")
    source: str = required("folder of the synthetic dataset that stays in the training")
    out: str = required("folder for the checkpoint and the logs")
    seed: int = option(0, "seed of order and augmentation")
    max_steps: int = option(300, "optimisation steps")
    source_batch_size: int = option(8, "synthetic samples in a step, in two views each, or twice as many in one")
    target_batch_size: int = option(24, "photos in a step; the control takes half as many more synthetic samples")
    holdout: float = option(0.04, "share of the dataset that is kept out for testing")
    frozen_statistics: bool = option(True, "keep the normalisation statistics of the start checkpoint")
    save_every: int = option(50, "steps between checkpoints to resume from")
    loader_workers: int = option(1, "processes that read and augment")
    cache_gb: float = option(1.0, "largest size in GB of the decoded dataset kept in memory")
    device: str = option("auto", "auto, cpu or cuda")
    threads: int = option(0, "CPU threads of torch; 0 takes all cores")
    overwrite: bool = option(False, "delete what another run left in out")
    optimizer: OptimizerConfig = option(OptimizerConfig(learning_rate=2e-4, warmup_steps=20), "the optimizer")
    augment: AugmentConfig = option(AugmentConfig(), "augmentation of the views")

    def __post_init__(self) -> None:
        for key in ("max_steps", "save_every", "target_batch_size"):
            check(getattr(self, key) > 0, key, getattr(self, key), "positive")
        check(self.source_batch_size > 1, "source_batch_size", self.source_batch_size, "2 or more")
        check(self.target_batch_size % 2 == 0, "target_batch_size", self.target_batch_size, "even")
        check(self.loader_workers >= 0, "loader_workers", self.loader_workers, "0 or more")
        check(0 < self.holdout < 1, "holdout", self.holdout, "between 0 and 1")
