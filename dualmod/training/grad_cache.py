"""What a contrastive loss needs when a batch is split: the rows of the whole batch, over micro-batches and ranks.

Averaging gradients over parts is exact for a loss that is a mean over samples, and wrong for one that compares samples
with each other: a part has fewer negatives. So each step takes two passes (as GradCache, Gao et al. 2021): the first
computes all rows without a graph, the second repeats one micro-batch after another with the other rows as constants.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

Gather = Callable[[Tensor], Tensor]
"""Takes a tensor with one row for each sample here to that of the whole batch, in its order."""


def unchanged(rows: Tensor) -> Tensor:
    """The ``Gather`` of a batch that is not split."""
    return rows


def micro_batch(batch: Any, index: int, count: int) -> Any:
    """Part ``index`` of ``count`` equal parts of a tensor, of anything that can be sliced, or of tuples of them."""
    if batch is None or count == 1:
        return batch
    if isinstance(batch, tuple | list):
        return type(batch)(micro_batch(part, index, count) for part in batch)
    rows = len(batch) // count
    return batch[index * rows : (index + 1) * rows]


class WholeBatch:
    """Gathers rows over ``count`` micro-batches and, through ``all_ranks``, over ranks.

    A loss calls it on every tensor that it compares between samples, in the same order for every micro-batch; then its
    value is that of the whole batch. Only the rows of the current micro-batch carry a gradient, ``count`` times it, so
    that the mean over the micro-batches has the gradient of the whole batch.
    """

    def __init__(self, count: int = 1, all_ranks: Gather = unchanged):
        self.count, self.all_ranks = count, all_ranks
        self._rows: list[list[Tensor]] = [[] for _ in range(count)]
        self._index, self._call, self._is_first_pass = 0, 0, False

    @property
    def is_used(self) -> bool:
        """Whether the first pass gathered anything."""
        return any(self._rows)

    def first_pass(self, index: int) -> None:
        """The calls that follow are those of micro-batch ``index``, whose rows are kept."""
        self._index, self._call, self._is_first_pass = index, 0, True
        self._rows[index] = []

    def second_pass(self, index: int) -> None:
        """The calls that follow are those of micro-batch ``index`` once more, now with a gradient."""
        self._index, self._call, self._is_first_pass = index, 0, False

    def __call__(self, rows: Tensor) -> Tensor:
        """The rows of the whole batch; of the right shape alone during the first pass, whose losses don't count."""
        if self.count == 1:
            return self.all_ranks(rows)
        if self._is_first_pass:
            self._rows[self._index].append(rows.detach())
            return torch.cat([rows] * self.count)
        parts = [kept[self._call] for kept in self._rows]
        parts[self._index] = _with_gradient_times(rows, self.count)
        self._call += 1
        return self.all_ranks(torch.cat(parts))


def _with_gradient_times(rows: Tensor, factor: int) -> Tensor:
    if not rows.requires_grad:
        return rows
    same = rows.view_as(rows)
    same.register_hook(lambda gradient: gradient * factor)
    return same
