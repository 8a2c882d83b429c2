"""The rule by which methods are chosen, on readings written by hand."""

import json
from pathlib import Path

import pytest

from distill.monitoring.model_selection import AGREEMENT, HELD_OUT, label_free_table, mean_ranks, read_label_free


def leave(out: Path, name: str, seed: int, error: float, criterion: float | None) -> None:
    folder = out / f"seed-{seed}" / name
    (folder / "consistency").mkdir(parents=True)
    (folder / "metrics.json").write_text(json.dumps({HELD_OUT: error, "seconds": 3}))
    if criterion is not None:
        (folder / "consistency" / "consistency.json").write_text(json.dumps({AGREEMENT: criterion, "spread": 0.5}))


@pytest.fixture
def out(tmp_path: Path) -> Path:
    for seed in (0, 1):
        leave(tmp_path, "good", seed, 0.10 + 0.01 * seed, 0.2)
        leave(tmp_path, "bad", seed, 0.30, 0.5)
        leave(tmp_path, "even", seed, 0.05, 0.3 if seed else 0.6)
    leave(tmp_path, "good", 2, 0.9, 0.9)
    leave(tmp_path, "even", 2, 0.9, None)
    return tmp_path


def test_ranks_are_means_over_both_readings_and_the_shared_seeds(out: Path) -> None:
    readings = read_label_free(out, ["good", "bad", "even", "absent"], [0, 1, 2])
    assert readings["good"][1] == {HELD_OUT: 0.11, AGREEMENT: 0.2, "spread": 0.5} and set(readings["even"]) == {0, 1}
    # held out: even 1, good 2, bad 3 twice; agreement: good 1, bad 2, even 3, then good 1, even 2, bad 3
    assert mean_ranks(readings) == {"good": 1.5, "even": 1.75, "bad": 2.75}
    assert list(mean_ranks(readings)) == ["good", "even", "bad"]


def test_the_table_names_the_winner_and_spreads(out: Path) -> None:
    lines = label_free_table(read_label_free(out, ["bad", "good"], [0, 1]))
    assert "Here: **good**" in lines[0]
    assert lines[2].startswith("| no label | mean rank | held_out_error_box | spread | criterion |")
    assert lines[4] == "| good | 1.0 | 0.105 ± 0.007 | 0.500 ± 0.000 | 0.200 ± 0.000 |"


def test_nothing_is_said_without_a_shared_seed(out: Path) -> None:
    assert label_free_table({}) == []
    leave(out, "late", 5, 0.1, 0.1)
    assert label_free_table(read_label_free(out, ["good", "late"], [0, 1, 2, 5])) == []
