"""The curve of the long training: the fit finds the law that made the errors, table and picture show the rows."""

import json

import numpy as np
import pytest

from benchmarks.long.curve import cpu_seconds_spent
from benchmarks.long.plot import END, START, PowerLaw, fit_power_law, table, write
from benchmarks.long.target import within

VIEWS = np.arange(1, 21) * 1e5


@pytest.mark.parametrize("law", [PowerLaw(8.0, 0.4, 0.02), PowerLaw(3.0, 0.3, 0.0)])
def test_the_fit_finds_the_law(law):
    found = fit_power_law(VIEWS, law(VIEWS))
    assert found.exponent == pytest.approx(law.exponent, abs=0.005)
    assert found.floor == pytest.approx(law.floor, abs=5e-4)
    assert found.factor == pytest.approx(law.factor, rel=0.06)


def rows():
    scores = {"validation_given_pck_box@0.05": 0.5, "validation_given_pck_box@0.2": 0.9, "validation_pck_box@0.1": 0.7,
              "validation_given_epe_mm": 9.87}  # fmt: skip
    law = PowerLaw(8.0, 0.4, 0.02)
    trunk = [
        {"kind": "trunk", "views": int(v), "validation_given_pck_box@0.1": 1 - float(law(v)), **scores} for v in VIEWS
    ]
    branch = {
        **trunk[4],
        "kind": "decayed",
        "views": 550_000,
        "left_at": 500_000,
        "validation_given_pck_box@0.1": 0.955,
    }
    return [*trunk[:5], branch, *trunk[5:]]


def test_the_table_shows_branches_beside_their_trunk_and_the_fit():
    lines = table(rows()).splitlines()
    assert [line.split(" | ")[0].strip("| ") for line in lines[2:5]] == ["500,000", "550,000", "2,000,000"]
    assert "to zero from 500,000" in lines[3] and "| 0.955 |" in lines[3] and "9.9" in lines[3]
    assert "views^-0.40" in lines[-1] and "20 validations" in lines[-1]


def test_the_target_is_read_off_at_the_process_time_of_all_processes():
    trunk = [
        {"kind": "trunk", "views": views, "seconds": wall, "cpu_seconds": cpu, "validation_given_pck_box@0.1": value}
        for views, wall, cpu, value in [
            (1, 150.0, 100.0, 0.5),
            (2, 400.0, 250.0, 0.6),
            (3, 60.0, 40.0, 0.7),
            (4, 140.0, 90.0, 0.8),
            (5, 135, 99, 0.9),
            (6, 300, 50, 0.9),
        ]
    ]
    rows = [*trunk[:2], {"kind": "decayed", "views": 3, "cpu_seconds": 1.0}, *trunk[2:]]
    assert cpu_seconds_spent(trunk) == [100, 250, 290, 340, 439, 489]
    assert within(rows, 99) is None and within(rows, 249) == (0.5, 100, 1) and within(rows, 290) == (0.7, 290, 3)


def test_it_is_written_between_the_markers(tmp_path):
    (tmp_path / "training.md").write_text(f"before\n{START}\nold\n{END}\nafter\n")
    (tmp_path / "curve.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows()))
    for _ in range(2):
        write(tmp_path / "curve.jsonl", tmp_path)
    text = (tmp_path / "training.md").read_text()
    assert text.startswith("before\n") and text.endswith("\nafter\n") and "old" not in text
    assert text.count("| 500,000 |") == 1 and (tmp_path / "training_curve.png").stat().st_size > 10_000
    with pytest.raises(ValueError, match="holds no validation yet"):
        write(tmp_path / "none.jsonl", tmp_path)
