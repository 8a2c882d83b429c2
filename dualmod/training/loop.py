"""The training loop that pre-training and adaptation share: Lightning, exact resume, metrics in JSON lines.

A step's batch is a pure function of (seed, step), so that a run which was killed goes on from its last checkpoint with
the batches that it would have seen.
"""

import contextlib
import logging
import signal
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import lightning
import torch
from lightning.pytorch.callbacks import Callback, ModelCheckpoint
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.strategies import DDPStrategy
from lightning.pytorch.utilities.exceptions import SIGTERMException
from torch.utils.data import DataLoader, Dataset

from dualmod.runtime.distributed import Ranks
from dualmod.runtime.malloc import keep_freed_memory
from dualmod.training.averaged_weights import WeightAveraging
from dualmod.training.callbacks import JsonLines, Progress, Validation, Validator, WaitTimer, ends_step
from dualmod.training.module import TrainingModule
from synth.common.config import check, option

LAST_CHECKPOINT = "last.ckpt"
METRICS_FILE = "metrics.jsonl"
PRECISIONS = {"32": "32-true", "bf16": "bf16-mixed"}
"""Value of ``engine.precision`` -> Lightning's."""


@dataclass
class EngineConfig:
    """How a step is computed. The batch, the schedule and the learning rate belong to the step and stay."""

    accumulate: int = option(1, "equal parts of a rank's batch that run one after the other, to save memory")
    precision: str = option("32", f"numbers in the network: {', '.join(PRECISIONS)}")
    compile: str = option("", "torch.compile backend for the network, such as inductor; empty: none")
    ema_decay: float = option(0.0, "decay of the averaged weights that are saved and evaluated; 0: the last ones")
    sync_batchnorm: bool = option(False, "normalise with the statistics of all ranks; CUDA only")

    def __post_init__(self) -> None:
        check(self.accumulate > 0, "engine.accumulate", self.accumulate, "positive")
        check(self.precision in PRECISIONS, "engine.precision", self.precision, f"one of {', '.join(PRECISIONS)}")
        check(0 <= self.ema_decay < 1, "engine.ema_decay", self.ema_decay, "in [0, 1)")
        if self.compile:
            known = torch.compiler.list_backends(exclude_tags=())
            check(self.compile in known, "engine.compile", self.compile, f"empty or one of {', '.join(known)}")

    def check_split(self, batch_size: int, ranks: Ranks, key: str = "batch_size") -> None:
        """Check that the global batch can be split among ranks and micro-batches.

        Raises:
            ValueError: when parts would differ in size: they could not count alike.
        """
        parts = self.accumulate * ranks.count
        legal = f"a multiple of {parts}: engine.accumulate={self.accumulate} on {ranks.count} rank(s)"
        check(batch_size % parts == 0, key, batch_size, legal)


class Steps(Dataset):
    """Steps ``first``, ``first + 1``, ... of a function from step to batch, ``accumulate`` items a step: the batch and
    then as many times nothing as it has further micro-batches."""

    def __init__(self, batch_of_step: Callable[[int], Any], first: int, last: int, accumulate: int = 1):
        self.batch_of_step, self.first, self.last, self.accumulate = batch_of_step, first, last, accumulate

    def __len__(self) -> int:
        return self.last * self.accumulate

    def __getitem__(self, index: int) -> Any:
        # Lightning counts batches from the first start, so a resumed loader keeps the full length; the trainer
        # stops it at max_steps and never asks for what lies beyond.
        step, part = divmod(index, self.accumulate)
        return self.batch_of_step(min(self.first + step, self.last - 1)) if part == 0 else ()


class _AfterStep(Callback):
    """Lightning calls a module's own hook at the end of a step only when checkpoints have been saved: what it changes
    would be a step behind after a restart."""

    def on_train_batch_end(
        self, trainer: lightning.Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if ends_step(trainer, batch_idx):
            pl_module.after_step()


class _Saver(ModelCheckpoint):
    """Lightning's, but between steps alone: after a resume it would save in the middle of one. It saves after the last
    step too, and before the run ends because it was told to."""

    def on_train_batch_end(
        self, trainer: lightning.Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if not ends_step(trainer, batch_idx):
            return
        told_to_end = trainer.received_sigterm and trainer.world_size == 1  # ranks are told at different steps
        if trainer.global_step == trainer.max_steps or told_to_end:
            self._every_n_train_steps = 1
        super().on_train_batch_end(trainer, pl_module, outputs, batch, batch_idx)

    def on_save_checkpoint(self, trainer: lightning.Trainer, pl_module: Any, checkpoint: dict[str, Any]) -> None:
        checkpoint["first_step"] = pl_module.first_step


@dataclass(frozen=True)
class TrainingReport:
    """What ``run_training`` says of the run.

    Attributes:
        data_share: Share of the time since the first step that the loop of this process waited for data.
    """

    data_share: float


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
    engine: EngineConfig | None = None,
    ranks: Ranks | None = None,
    validation: Validation | None = None,
) -> TrainingReport:
    """Train ``module`` for its ``max_steps``; when ``out`` holds a checkpoint, go on from it.

    With several ranks the network's gradient is averaged over them (Lightning's DDP), and rank 0 writes the files.

    Args:
        module: What to train, on the CPU; made with ``engine.accumulate``.
        batch_of_step: This rank's rows of the batch of a step: a pure function, called in loader processes.
        out: The run's folder.
        device: Where to train.
        seed: Seeds torch at the start.
        save_every: Steps between checkpoints.
        loader_workers: Processes that make batches.
        description: Shown by the progress bar.
        engine: Precision, compilation, accumulation and averaged weights; the usual ones when None.
        ranks: The processes that train together; this one alone when None.
        validation: What measures the weights while they are trained, on rank 0; nothing when None.

    Raises:
        ValueError: when a loss or a gradient is not finite, named by its term; the last checkpoint stays.
    """
    engine, timer = engine or EngineConfig(), WaitTimer()
    if device.type == "cpu":
        keep_freed_memory()
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
    lightning.seed_everything(seed, verbose=False)
    last = out / LAST_CHECKPOINT
    if engine.compile:
        for part in module.compiled_parts():
            part.compile(backend=engine.compile)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="lightning.*")
        trainer = lightning.Trainer(
            accelerator="gpu" if device.type == "cuda" else "cpu",
            **_processes(ranks or Ranks()),
            max_steps=module.max_steps - module.first_step,
            accumulate_grad_batches=module.accumulate,
            precision=PRECISIONS[engine.precision],  # type: ignore[arg-type]
            sync_batchnorm=engine.sync_batchnorm,
            gradient_clip_val=module.optimizer_config.clip_norm,
            callbacks=_callbacks(
                out, engine, timer, save_every=save_every, description=description, validation=validation
            ),
            profiler=timer,
            logger=TensorBoardLogger(str(out), name="", version="tensorboard"),
            log_every_n_steps=10,
            enable_model_summary=False,
            deterministic=device.type == "cpu",
            default_root_dir=out,
        )
        done = _steps_done(last, module.first_step)
        loader = DataLoader(
            Steps(batch_of_step, module.first_step + done, module.max_steps, module.accumulate),
            batch_size=None,
            shuffle=False,
            num_workers=loader_workers,
            collate_fn=_unchanged,
            worker_init_fn=_one_thread,
            prefetch_factor=4 if loader_workers else None,
        )
        with _clear_deaths(loader_workers):
            trainer.fit(module, loader, ckpt_path=last if done else None, weights_only=False)
    return TrainingReport(round(timer.share, 4))


def _processes(ranks: Ranks) -> dict[str, Any]:
    """The trainer's options for this many ranks; each loads its own rows, so that no sampler is needed."""
    if ranks.count == 1:
        return {"devices": 1}
    return {
        "devices": ranks.local_count,
        "num_nodes": ranks.count // ranks.local_count,
        "strategy": DDPStrategy(find_unused_parameters=True),  # a method may leave branches out
        "use_distributed_sampler": False,
    }


def _callbacks(
    out: Path,
    engine: EngineConfig,
    timer: WaitTimer,
    *,
    save_every: int,
    description: str,
    validation: Validation | None,
) -> list[Callback]:
    saver = _Saver(
        dirpath=out, filename="last", every_n_train_steps=save_every, save_top_k=1, enable_version_counter=False
    )
    lines = out / METRICS_FILE
    averaging = WeightAveraging(engine.ema_decay) if engine.ema_decay else None
    counts = averaging.of if averaging else _unchanged
    return [
        _AfterStep(),
        saver,
        *([averaging] if averaging else []),
        JsonLines(lines, every=10, timer=timer),
        *([Validator(lines, validation, timer, counts)] if validation else []),
        Progress(description),
    ]


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


def _steps_done(path: Path, first_step: int) -> int:
    """Steps since ``first_step`` that a checkpoint was saved after; 0 when there is none.

    Raises:
        ValueError: when the file is damaged, or is of a training that started at another step.
    """
    if not path.exists():
        return 0
    try:
        saved = torch.load(path, map_location="cpu", weights_only=False)
        done = int(saved["global_step"])
    except Exception as error:
        raise ValueError(f"{path} is damaged ({error}); delete it to start this run anew") from error
    started = saved.get("first_step", 0)
    if started != first_step:
        raise ValueError(
            f"{path} is of a run with first_step={started}, not {first_step}; give its first_step and init"
        )
    return done
