"""One training step, whatever is trained: named loss terms, micro-batches, and a stop at what is not finite."""

import abc
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import lightning
import torch
from torch import Tensor, nn

from dualmod.network.train_eval_mode import start_training
from dualmod.training.grad_cache import WholeBatch, micro_batch
from synth.common.config import check, option

SCHEDULES = ("cosine", "constant")


@dataclass
class OptimizerConfig:
    """AdamW with linear warm-up, then cosine decay to 2 % of the learning rate, or a constant rate with a linear decay
    to zero at the end (Zhai et al. 2022; "warm-up, stable, decay" of Hu et al. 2024)."""

    learning_rate: float = option(3e-3, "peak learning rate")
    weight_decay: float = option(0.01, "weight decay")
    warmup_steps: int = option(50, "steps of linear warm-up")
    schedule: str = option("cosine", f"learning rate after the warm-up: {', '.join(SCHEDULES)}")
    decay_steps: int = option(0, "schedule=constant: last steps, in which the rate falls linearly to zero; 0: none")
    clip_norm: float = option(5.0, "largest norm of the gradient")
    base_batch: int = option(0, "batch that learning_rate is for, scaled in proportion for others; 0: not scaled")

    def __post_init__(self) -> None:
        check(self.learning_rate > 0, "optimizer.learning_rate", self.learning_rate, "positive")
        check(self.weight_decay >= 0, "optimizer.weight_decay", self.weight_decay, "0 or more")
        check(self.warmup_steps >= 0, "optimizer.warmup_steps", self.warmup_steps, "0 or more")
        check(self.schedule in SCHEDULES, "optimizer.schedule", self.schedule, f"one of {', '.join(SCHEDULES)}")
        check(self.decay_steps >= 0, "optimizer.decay_steps", self.decay_steps, "0 or more")
        is_used = self.schedule == "constant" or not self.decay_steps
        check(
            is_used,
            "optimizer.decay_steps",
            self.decay_steps,
            "0 with optimizer.schedule=cosine, which decays as it is",
        )
        check(self.clip_norm > 0, "optimizer.clip_norm", self.clip_norm, "positive")
        check(self.base_batch >= 0, "optimizer.base_batch", self.base_batch, "0 or more")

    def for_batch(self, batch_size: int) -> "OptimizerConfig":
        """With the learning rate for a global batch: linear in its size (Goyal et al. 2017)."""
        factor = batch_size / self.base_batch if self.base_batch else 1
        return replace(self, learning_rate=self.learning_rate * factor)

    def check_steps(self, max_steps: int, first_step: int = 0) -> None:
        """Check that warm-up and decay fit into the steps of a run.

        Raises:
            ValueError: when the decay is longer than the run.
        """
        most = max_steps - first_step
        check(self.decay_steps <= most, "optimizer.decay_steps", self.decay_steps, f"at most {most}, the run's steps")

    def rate(self, step: int, max_steps: int, first_step: int = 0) -> float:
        """Learning rate of a step: a function of nothing else, so that a checkpoint goes on under another schedule.

        Args:
            step: The step.
            max_steps: Step at which the run ends; the decay ends there.
            first_step: Step that the optimizer started at; the warm-up starts there.
        """
        warm = min(1.0, (step - first_step + 1) / (self.warmup_steps + 1))
        if self.schedule == "constant":
            return self.learning_rate * warm * min(1.0, (max_steps - step) / max(1, self.decay_steps))
        done = min(1.0, max(0, step - self.warmup_steps) / max(1, max_steps - self.warmup_steps))
        return self.learning_rate * (warm * (0.51 + 0.49 * math.cos(math.pi * done)))


class NotFiniteError(ValueError):
    """A loss or a gradient that is not finite."""


class TrainingModule(lightning.LightningModule, abc.ABC):
    """A module whose loss is a sum of named terms.

    Attributes:
        net: What is trained.
        frozen_statistics: Whether its batch normalisation keeps its running statistics.
        whole_batch: To call in ``losses`` on the rows that a term compares between samples, so that it sees the whole
            batch however that is split.
        retired: Names of terms that earlier steps had and the last one had not.
        first_step: Step that this training starts at: 0, or where another one ended whose weights it goes on from.
    """

    net: nn.Module
    frozen_statistics = False

    def __init__(self, optimizer: OptimizerConfig, max_steps: int, accumulate: int = 1, first_step: int = 0):
        super().__init__()
        self.optimizer_config, self.max_steps, self.accumulate = optimizer, max_steps, accumulate
        self.first_step = first_step
        self.whole_batch = WholeBatch(accumulate, self._of_all_ranks)
        self.retired: set[str] = set()
        self._terms: set[str] = set()
        self._batch: Any = None
        self._logged: list[dict[str, Tensor]] = []

    @property
    def step(self) -> int:
        """Steps done, those before ``first_step`` among them: the number of the step that is computed."""
        return self.first_step + self.global_step

    @abc.abstractmethod
    def losses(self, batch: Any, step: int) -> Mapping[str, Tensor]:
        """The weighted loss terms of one batch by name; their sum is minimised. Names that start with ``_`` are only
        logged. With ``accumulate`` it runs twice for each micro-batch, and may change nothing but buffers."""

    def on_train_start(self) -> None:
        """Set the modes: here, for every kind of training, and nowhere else."""
        start_training(self.net, frozen_statistics=self.frozen_statistics)

    def after_step(self) -> None:
        """Called when the weights have moved, before anything of the step is logged or saved."""

    def phase(self, step: int) -> tuple[int, int]:
        """Steps from and up to which the schedule of a step runs: each phase of a training has one of its own."""
        return 0, self.max_steps

    def compiled_parts(self) -> Sequence[nn.Module]:
        """Parts of the network that ``engine.compile`` compiles, each on its own."""
        return ()

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        """Set the step's learning rate, whatever the checkpoint that the run goes on from had."""
        start, end = self.phase(self.step)
        rate = self.optimizer_config.rate(self.step - start, end - start, max(0, self.first_step - start))
        for group in self.trainer.optimizers[0].param_groups:
            group["lr"] = rate

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        part = batch_idx % self.accumulate
        if part == 0:
            self._batch = batch
            if self.accumulate > 1:
                self._first_pass()
        terms = self._second_pass(part)
        loss = torch.stack([v for k, v in terms.items() if not k.startswith("_")]).sum()
        if not torch.isfinite(loss):
            bad = ", ".join(k for k, v in terms.items() if not torch.isfinite(v)) or "their sum"
            raise NotFiniteError(self._not_finite("the loss", bad))
        self._logged.append({"loss": loss.detach(), **{k.lstrip("_"): v.detach() for k, v in terms.items()}})
        if part == self.accumulate - 1:
            self._log_means()
        return loss

    @torch.no_grad()
    def _first_pass(self) -> None:
        """All rows that the whole batch is compared by; nothing of it is left in buffers or in the random state."""
        kept = [buffer.clone() for buffer in self.buffers()]
        with torch.random.fork_rng(devices=[self.device] if self.device.type == "cuda" else []):
            for part in range(self.accumulate):
                self.whole_batch.first_pass(part)
                self.losses(micro_batch(self._batch, part, self.accumulate), self.step)
                if not self.whole_batch.is_used:
                    break
        for buffer, value in zip(self.buffers(), kept, strict=True):
            buffer.copy_(value)
        torch.clear_autocast_cache()  # it would hand weights without a graph to the second pass

    def _second_pass(self, part: int) -> Mapping[str, Tensor]:
        self.whole_batch.second_pass(part)
        return self.losses(micro_batch(self._batch, part, self.accumulate), self.step)

    def _log_means(self) -> None:
        """Log the means over the micro-batches and the ranks."""
        is_shared = self.trainer.world_size > 1
        rows, self._logged = self._logged, []
        means = {name: torch.stack([row[name] for row in rows]).mean() for name in rows[0]}
        self.retired = (self.retired | self._terms) - means.keys()
        self._terms = set(means)
        self.log("loss", means.pop("loss"), prog_bar=True, sync_dist=is_shared)
        self.log_dict(means, sync_dist=is_shared)

    def _of_all_ranks(self, rows: Tensor) -> Tensor:
        if self._trainer is None or self.trainer.world_size == 1:
            return rows
        gathered = self.all_gather(rows, sync_grads=True)
        assert isinstance(gathered, Tensor)
        return gathered.flatten(0, 1)

    def configure_gradient_clipping(self, optimizer: Any, *args: Any, **kwargs: Any) -> None:
        """Clip by norm, and stop before a gradient that is not finite reaches the weights."""
        trained = [p for group in optimizer.param_groups for p in group["params"]]
        norm = nn.utils.get_total_norm([p.grad for p in trained if p.grad is not None])
        if not torch.isfinite(norm):
            raise NotFiniteError(self._not_finite("the gradient", self._terms_with_bad_gradient(trained)))
        nn.utils.clip_grads_with_norm_(trained, self.optimizer_config.clip_norm, norm)

    def _terms_with_bad_gradient(self, trained: list[nn.Parameter]) -> str:
        """Names of the terms whose own gradient is not finite, found by computing the step once more."""
        bad: set[str] = set()
        with torch.enable_grad(), self.trainer.precision_plugin.forward_context():
            for part in range(self.accumulate):
                terms = {k: v for k, v in self._second_pass(part).items() if v.requires_grad}
                for name, term in terms.items():
                    gradient = torch.autograd.grad(term, trained, retain_graph=True, allow_unused=True)
                    if not all(torch.isfinite(g).all() for g in gradient if g is not None):
                        bad.add(name)
        return ", ".join(sorted(bad)) or "their sum"

    def _not_finite(self, what: str, terms: str) -> str:
        return (
            f"{what} is not finite at step {self.step} ({terms}); lower optimizer.learning_rate. "
            f"The last checkpoint is kept"
        )

    def configure_optimizers(self) -> Any:
        config = self.optimizer_config
        trained = [p for p in self.parameters() if p.requires_grad]
        return torch.optim.AdamW(trained, lr=config.learning_rate, weight_decay=config.weight_decay, fused=True)
