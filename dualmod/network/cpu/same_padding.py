"""TensorFlow's 'SAME' padding without a padded copy of the map.

With a stride it adds more zeros after a map than before it, which torch's convolutions cannot do. A kernel with zeros
in front, padded alike on both sides, computes the same values.
"""

from collections.abc import Sequence

from jaxtyping import Float
from timm.layers.padding import get_same_padding
from torch import Tensor
from torch.nn import functional

Sides = tuple[int, int]
"""Vertical and horizontal."""


def same_padding(size: Sequence[int], kernel: Sequence[int], stride: Sequence[int]) -> tuple[Sides, Sides]:
    """Rows and columns of zeros before a map of ``size``, and after it."""
    whole = [int(get_same_padding(*sides, 1)) for sides in zip(size, kernel, stride, strict=True)]
    before = (whole[0] // 2, whole[1] // 2)
    return before, (whole[0] - before[0], whole[1] - before[1])


def symmetric_kernel(weight: Float[Tensor, "outputs inputs height width"], before: Sides, after: Sides) -> Tensor:
    """The kernel that computes with ``after`` on both sides what ``weight`` computes with ``before`` and ``after``."""
    rows, columns = after[0] - before[0], after[1] - before[1]
    return functional.pad(weight, (columns, 0, rows, 0)) if rows or columns else weight
