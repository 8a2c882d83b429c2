"""The training loop that pre-training and adaptation share: Lightning, exact resume, metrics in JSON lines.

A step's batch is a pure function of (seed, step), so that a run which was killed goes on from its last checkpoint with
the batches that it would have seen.
"""

import abc
import contextlib
import json
import logging
import math
import signal
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import lightning
import torch
from lightning.pytorch.callbacks import Callback, ModelCheckpoint, TQDMProgressBar
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.utilities.exceptions import SIGTERMException
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from synth.config import check, option

LAST_CHECKPOINT = "last.ckpt"
METRICS_FILE = "metrics.jsonl"


@dataclass
class OptimizerConfig:
    """AdamW with linear warm-up and cosine decay to 2 % of the learning rate."""

    learning_rate: float = option(3e-3, "peak learning rate")
    weight_decay: float = option(0.01, "weight decay")
    warmup_steps: int = option(50, "steps of linear warm-up")
    clip_norm: float = option(5.0, "largest norm of the gradient")

    def __post_init__(self) -> None:
        check(self.learning_rate > 0, "optimizer.learning_rate", self.learning_rate, "positive")
        check(self.weight_decay >= 0, "optimizer.weight_decay", self.weight_decay, "0 or more")
        check(self.warmup_steps >= 0, "optimizer.warmup_steps", self.warmup_steps, "0 or more")
        check(self.clip_norm > 0, "optimizer.clip_norm", self.clip_norm, "positive")


class Steps(Dataset):
    """Steps ``first``, ``first + 1``, ... of a function from step to batch."""

    def __init__(self, batch_of_step: Callable[[int], Any], first: int, last: int):
        self.batch_of_step, self.first, self.last = batch_of_step, first, last

    def __len__(self) -> int:
        return self.last

    def __getitem__(self, index: int) -> Any:
        # Lightning counts batches from the first start, so a resumed loader keeps the full length; the trainer
        # stops it at max_steps and never asks for what lies beyond.
        return self.batch_of_step(min(self.first + index, self.last - 1))


class NotFiniteError(ValueError):
    """A loss that is not finite."""


class TrainingModule(lightning.LightningModule, abc.ABC):
    """A module whose loss is a sum of named terms."""

    def __init__(self, optimizer: OptimizerConfig, max_steps: int):
        super().__init__()
        self.optimizer_config, self.max_steps = optimizer, max_steps

    @abc.abstractmethod
    def losses(self, batch: Any, step: int) -> Mapping[str, Tensor]:
        """The weighted loss terms of one batch by name; their sum is minimised. Names that start with ``_`` are only
        logged."""

    def after_step(self) -> None:
        """Called when the weights have moved, before anything of the step is logged or saved."""

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        terms = self.losses(batch, self.global_step)
        loss = torch.stack([v for k, v in terms.items() if not k.startswith("_")]).sum()
        if not torch.isfinite(loss):
            bad = ", ".join(k for k, v in terms.items() if not torch.isfinite(v)) or "their sum"
            raise NotFiniteError(
                f"the loss is not finite at step {self.global_step} ({bad}); lower optimizer.learning_rate. "
                f"The last checkpoint is kept"
            )
        self.log_dict({k.lstrip("_"): v.detach() for k, v in terms.items()})
        self.log("loss", loss.detach(), prog_bar=True)
        return loss

    def configure_optimizers(self) -> Any:
        config = self.optimizer_config
        trained = [p for p in self.parameters() if p.requires_grad]
        optimizer = torch.optim.AdamW(trained, lr=config.learning_rate, weight_decay=config.weight_decay)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, self._rate)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def _rate(self, step: int) -> float:
        warmup = self.optimizer_config.warmup_steps
        done = min(1.0, max(0, step - warmup) / max(1, self.max_steps - warmup))
        return min(1.0, (step + 1) / (warmup + 1)) * (0.51 + 0.49 * math.cos(math.pi * done))


class _AfterStep(Callback):
    """Lightning calls a module's own hook at the end of a step only when checkpoints have been saved: what it changes
    would be a step behind after a restart."""

    def on_train_batch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, *args: Any) -> None:
        assert isinstance(pl_module, TrainingModule)
        pl_module.after_step()


class JsonLines(Callback):
    """Writes the logged values of every ``every`` steps to ``metrics.jsonl``, and the time spent."""

    def __init__(self, path: Path, every: int):
        self.path, self.every, self.start = path, every, time.perf_counter()

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        self.start = time.perf_counter()
        if self.path.exists():  # drop what an interrupted run wrote after its last checkpoint
            kept = [line for line in self.path.read_text().splitlines() if _step_of(line) <= trainer.global_step]
            self.path.write_text("".join(line + "\n" for line in kept))

    def on_train_batch_end(self, trainer: lightning.Trainer, *args: Any, **kwargs: Any) -> None:
        if trainer.global_step % self.every and trainer.global_step != trainer.max_steps:
            return
        values = {k: round(float(v), 6) for k, v in trainer.callback_metrics.items()}
        row = {"step": trainer.global_step, "seconds": round(time.perf_counter() - self.start, 2), **values}
        with self.path.open("a") as lines:
            lines.write(json.dumps(row) + "\n")


def _step_of(line: str) -> int:
    try:
        return int(json.loads(line)["step"])
    except (ValueError, KeyError):  # the last line of a killed run may be cut short
        return 1 << 62


def run_training(
    module: TrainingModule,
    batch_of_step: Callable[[int], Any],
    out: Path,
    *,
    device: torch.device,
    seed: int,
    save_every: int,
    loader_workers: int,
    description: str,
) -> None:
    """Train ``module`` for its ``max_steps``; when ``out`` holds a checkpoint, go on from it.

    Args:
        module: What to train, on the CPU.
        batch_of_step: The batch of a step: a pure function, called in loader processes.
        out: The run's folder.
        device: Where to train.
        seed: Seeds torch at the start.
        save_every: Steps between checkpoints.
        loader_workers: Processes that make batches.
        description: Shown by the progress bar.
    """
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
    lightning.seed_everything(seed, verbose=False)
    last = out / LAST_CHECKPOINT
    saver = ModelCheckpoint(
        dirpath=out, filename="last", every_n_train_steps=save_every, save_top_k=1, enable_version_counter=False
    )
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="lightning.*")
        warnings.filterwarnings("ignore", message=".*lr_scheduler.step.*")
        trainer = lightning.Trainer(
            accelerator="gpu" if device.type == "cuda" else "cpu",
            devices=1,
            max_steps=module.max_steps,
            gradient_clip_val=module.optimizer_config.clip_norm,
            callbacks=[_AfterStep(), saver, JsonLines(out / METRICS_FILE, every=10), _Progress(description)],
            logger=TensorBoardLogger(str(out), name="", version="tensorboard"),
            log_every_n_steps=10,
            enable_model_summary=False,
            deterministic=device.type == "cpu",
            default_root_dir=out,
        )
        first = _saved_step(last)
        loader = DataLoader(
            Steps(batch_of_step, first, module.max_steps),
            batch_size=None,
            shuffle=False,
            num_workers=loader_workers,
            collate_fn=_unchanged,
            worker_init_fn=_one_thread,
            prefetch_factor=4 if loader_workers else None,
        )
        with _clear_deaths(loader_workers):
            trainer.fit(module, loader, ckpt_path=last if first else None, weights_only=False)


@contextlib.contextmanager
def _clear_deaths(loader_workers: int) -> Iterator[None]:
    """The death of a loader process in one line with the next step, where torch gives a traceback; and a status that is
    not 0 when the run itself was told to end, where Lightning ends it as if it were finished."""
    try:
        yield
    except SIGTERMException as error:
        raise SystemExit(128 + signal.SIGTERM) from error
    except RuntimeError as error:
        if "DataLoader worker" not in str(error):
            raise
        raise OSError(
            f"one of loader_workers={loader_workers} processes died (killed, or out of memory); the same command goes "
            f"on from the last checkpoint, with loader_workers=0 it needs least memory"
        ) from error


def _unchanged(batch: Any) -> Any:
    return batch


def _one_thread(_: int) -> None:
    torch.set_num_threads(1)
    cv2.setNumThreads(1)


def _saved_step(path: Path) -> int:
    """The step a checkpoint was saved at; 0 when there is none.

    Raises:
        ValueError: when the file is damaged.
    """
    if not path.exists():
        return 0
    try:
        return int(torch.load(path, map_location="cpu", weights_only=False)["global_step"])
    except Exception as error:
        raise ValueError(f"{path} is damaged ({error}); delete it to start this run anew") from error


class _Progress(TQDMProgressBar):
    """One bar over all steps."""

    def __init__(self, description: str):
        super().__init__(refresh_rate=5)
        self.description = description

    def init_train_tqdm(self) -> Any:
        bar = super().init_train_tqdm()
        bar.set_description(self.description)
        return bar

    def on_train_epoch_start(self, trainer: lightning.Trainer, *args: Any) -> None:
        super().on_train_epoch_start(trainer, *args)
        self.train_progress_bar.set_description(self.description)
