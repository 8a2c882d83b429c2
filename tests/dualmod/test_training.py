"""What the training loop does when a process that loads batches dies."""

import os

import pytest
import torch
from torch import nn

from dualmod.training import OptimizerConfig, TrainingModule, run_training


class Toy(TrainingModule):
    def __init__(self):
        super().__init__(OptimizerConfig(), max_steps=4)
        self.layer = nn.Linear(2, 1)

    def losses(self, batch, step):
        return {"loss_of_batch": self.layer(batch).square().mean()}


def batch_or_death(step: int) -> torch.Tensor:
    if step == 2:
        os._exit(1)
    return torch.full((3, 2), float(step))


def test_a_loader_process_that_dies_is_one_line_with_the_next_step(tmp_path):
    with pytest.raises(OSError, match="one of loader_workers=1 processes died") as caught:
        run_training(
            Toy(), batch_or_death, tmp_path, device=torch.device("cpu"), seed=0, save_every=1, loader_workers=1,
            description="toy",
        )  # fmt: skip
    assert "\n" not in str(caught.value) and "the same command goes on" in str(caught.value)


def test_other_errors_keep_their_kind(tmp_path):
    def broken(step: int) -> torch.Tensor:
        raise RuntimeError("no batch")

    with pytest.raises(RuntimeError, match="no batch"):
        run_training(
            Toy(), broken, tmp_path, device=torch.device("cpu"), seed=0, save_every=1, loader_workers=0,
            description="toy",
        )  # fmt: skip
