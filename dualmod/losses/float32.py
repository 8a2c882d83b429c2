"""Full precision for losses of a network that runs in a shorter one."""

from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec

import torch
from torch import Tensor

P = ParamSpec("P")
SHORT = (torch.bfloat16, torch.float16)


def in_float32(loss: Callable[P, Tensor]) -> Callable[P, Tensor]:
    """The loss without autocast, and its tensors of 16 bits in 32: a product of embeddings in bfloat16 has two to three
    digits, which a temperature of 0.5 turns into an error of 1 % of each negative's weight."""

    @wraps(loss)
    def computed(*args: P.args, **kwargs: P.kwargs) -> Tensor:
        first = next(value for value in (*args, *kwargs.values()) if isinstance(value, Tensor))
        with torch.autocast(first.device.type, enabled=False):
            return loss(*map(_long, args), **{key: _long(value) for key, value in kwargs.items()})  # type: ignore[arg-type]

    return computed


def _long(value: Any) -> Any:
    return value.float() if isinstance(value, Tensor) and value.dtype in SHORT else value
