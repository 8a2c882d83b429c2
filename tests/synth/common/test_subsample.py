"""Positions that are spread over a length."""

import pytest

from synth.common.subsample import evenly_spaced


@pytest.mark.parametrize(
    ("length", "most", "expected"),
    [(9, 3, [0, 4, 8]), (5, 9, [0, 1, 2, 3, 4]), (7, 1, [0]), (0, 4, []), (4, 0, []), (100, 4, [0, 33, 66, 99])],
)
def test_first_and_last_are_among_them_and_none_comes_twice(length: int, most: int, expected: list[int]) -> None:
    assert evenly_spaced(length, most) == expected


def test_no_position_comes_twice_at_any_size() -> None:
    for length in range(1, 60):
        for most in range(1, length + 3):
            found = evenly_spaced(length, most)
            assert len(set(found)) == len(found) == min(length, most) and max(found) < length
