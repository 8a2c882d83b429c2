"""The processes of one training: alone, or one of those that torchrun started."""

import os
from dataclasses import dataclass

from lightning.fabric.plugins.environments.torchelastic import TorchElasticEnvironment


@dataclass(frozen=True)
class Ranks:
    """This process among those of the training.

    Attributes:
        rank: Number of this process, from 0.
        count: Processes on all machines.
        local_count: Processes on this machine.
    """

    rank: int = 0
    count: int = 1
    local_count: int = 1


def launched_ranks() -> Ranks:
    """What torchrun says of this process; one process alone when it was started without."""
    if not TorchElasticEnvironment.detect():
        return Ranks()
    environment = TorchElasticEnvironment()
    return Ranks(environment.global_rank(), environment.world_size(), int(os.environ["LOCAL_WORLD_SIZE"]))


def require_one_process(stage: str) -> None:
    """Refuse torchrun with several processes where a stage cannot share its work.

    Raises:
        ValueError: when there are several.
    """
    count = launched_ranks().count
    if count > 1:
        raise ValueError(f"{stage} runs in one process, not in {count}: start it without torchrun")
