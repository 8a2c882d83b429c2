"""Makes single optimisation steps, one whenever it is asked for one: what ``step_times`` interleaves.

It runs as a file of its own, with the packages of this or of another commit on the path. So it asks of ``dualmod``
only what all commits have alike: ``pretrain`` builds a training up to the call of ``run_training``, which is caught
here, and what is timed is the module and the batches that the training would have had.

One JSON object a line: the rows come in, their phases go out; then a row and a phase come in, and seconds go out.
"""

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from typing import Any
from unittest import mock

import cv2
import torch
from torch import nn

from dualmod import pretrain as pretraining
from dualmod.runtime.malloc import keep_freed_memory
from synth.common.config import compose_config

FIRST_PHASE, SUPERVISED = 0, 1


class Built(Exception):  # noqa: N818 - it is no error: it carries what pretrain has built out of it
    """Module and batches of a training that would have started."""

    def __init__(self, module: Any, batches: Callable[[int], Any]):
        super().__init__()
        self.module, self.batches = module, batches


class SharedHands:
    """Opens each dataset once for all rows."""

    def __init__(self, open_hands: Callable[[Any], Any]):
        self.open_hands, self.opened = open_hands, {}

    def __call__(self, config: Any) -> Any:
        key = (config.data, config.cache_gb, config.holdout)
        if key not in self.opened:
            self.opened[key] = self.open_hands(config)
        return self.opened[key]


class Steps:
    """The steps of one training, as Lightning makes them without micro-batches: one by one, and nothing logged."""

    def __init__(self, options: Sequence[str], open_hands: Callable[[Any], Any]):
        """
        Args:
            options: Options of ``pretrain``, all but ``out``.
            open_hands: Stands for that of ``pretrain``.

        Raises:
            ValueError: when an option is not legal, or the dataset cannot be used.
            FileNotFoundError: when a file is missing.
        """
        with tempfile.TemporaryDirectory() as out:
            self.config = compose_config("pretrain", pretraining.PretrainConfig, [*options, f"out={out}/run"])
            self.module, self.batches = _built(self.config, open_hands)
        self.module.on_train_start()
        found = self.module.configure_optimizers()
        self.optimizer: torch.optim.Optimizer = found["optimizer"] if isinstance(found, dict) else found
        self.average = _averaging(self.module, self.config.engine.ema_decay) if self.config.engine.ema_decay else None
        self.next = {FIRST_PHASE: 0, SUPERVISED: self.config.method.phase.steps(self.config.max_steps)}

    @property
    def phases(self) -> dict[int, float]:
        """Phases of the training and their shares of its steps."""
        first = self.config.method.phase.share
        return {FIRST_PHASE: first, SUPERVISED: 1 - first} if first > 0 else {SUPERVISED: 1.0}

    def step(self, phase: int) -> float:
        """Make the phase's next step; the process time of its batch, passes, clipping, update and averaging."""
        number = self.next[phase]
        self.next[phase] += 1
        started = time.process_time()
        self.optimizer.zero_grad()
        terms = self.module.losses(self.batches(number), number)
        torch.stack([value for name, value in terms.items() if not name.startswith("_")]).sum().backward()
        trained = [p for group in self.optimizer.param_groups for p in group["params"]]
        nn.utils.clip_grad_norm_(trained, self.config.optimizer.clip_norm)
        self.optimizer.step()
        if self.average is not None:
            self.average()
        return time.process_time() - started


def _built(config: Any, open_hands: Callable[[Any], Any]) -> tuple[Any, Callable[[int], Any]]:
    """What ``pretrain`` hands to ``run_training``."""

    def caught(module: Any, batches: Callable[[int], Any], *_: Any, **__: Any) -> None:
        raise Built(module, batches)

    with ExitStack() as stack:
        for name, stand_in in (("run_training", caught), ("open_hands", open_hands)):
            stack.enter_context(mock.patch.object(pretraining, name, stand_in))
        try:
            pretraining.pretrain(config)
        except Built as built:
            return built.module, built.batches
    raise AssertionError("pretrain came back without a training")


def _averaging(module: nn.Module, decay: float) -> Callable[[], None]:
    """What averages the weights after a step; older commits have another way, and no row of theirs averages."""
    from dualmod.training.averaged_weights import average_into

    current = [tensor.detach() for tensor in (*module.parameters(), *module.buffers())]
    averages = [tensor.clone() for tensor in current]
    return lambda: average_into(averages, current, decay)


def serve(questions: Iterator[str]) -> Iterator[str]:
    """Answers to lines: first the rows, then a row and a phase each; an error in the rows is the only answer then."""
    try:
        open_hands = SharedHands(pretraining.open_hands)
        rows = {name: Steps(options, open_hands) for name, options in json.loads(next(questions)).items()}
    except (ValueError, OSError) as error:
        yield json.dumps({"error": " ".join(str(error).split())})
        return
    yield json.dumps({name: row.phases for name, row in rows.items()})
    for question in questions:
        name, phase = json.loads(question)
        yield json.dumps(rows[name].step(phase))


def main() -> None:
    """Answer until the input ends."""
    with os.fdopen(os.dup(1), "w", buffering=1) as answers:
        os.dup2(2, 1)  # whatever else is printed goes where errors go
        keep_freed_memory()
        torch.use_deterministic_algorithms(True)  # as Lightning does on a CPU
        cv2.setNumThreads(1)  # as loader processes do
        for answer in serve(sys.stdin):
            answers.write(answer + "\n")


if __name__ == "__main__":
    main()
