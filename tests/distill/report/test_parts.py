"""Loading of runs, figures and the choice of pictures."""

import base64
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from distill.report.figures import joint_bars, pck, pck_curves
from distill.report.gallery import KINDS, TILE_PX, gallery, spread_out
from distill.report.runs import load_stages, metric_names
from distill.report.tables import dataset_table
from dualmod.data.image_sets import open_labelled

Write = Callable[..., Path]


def test_seeds_of_a_label_become_one_stage_in_the_order_given(evaluated: Write) -> None:
    runs = [evaluated("dual", 2, seed=0), evaluated("adapted", 1, seed=0), evaluated("dual", 2.5, seed=3)]
    stages = load_stages([str(r) for r in runs])
    assert [(s.label, sorted(s.seeds)) for s in stages] == [("dual", [0, 3]), ("adapted", [0])]
    assert stages[0].datasets == ["toy"]
    labelled = load_stages([str(r) for r in runs], ["a", "b", "c"])
    assert [s.label for s in labelled] == ["a", "b", "c"]
    assert "epe_mm" in metric_names(stages, "toy") and "num_images" not in metric_names(stages, "toy")


def test_the_best_of_a_column_is_marked_once_and_by_its_direction(evaluated: Write) -> None:
    stages = load_stages([str(evaluated("dual", 3)), str(evaluated("adapted", 1))])
    table = dataset_table(stages, "toy")
    assert [(r.label, r.hand) for r in table.rows] == [
        ("dual", "predicted"), ("dual", "given"), ("adapted", "predicted"), ("adapted", "given"),
    ]  # fmt: skip
    for metric in ("epe_mm", "pck_box@0.1"):
        column = [name for name, _ in table.columns].index(metric)
        assert [row.cells[column].is_best for row in table.rows] == [False, False, True, False]
    assert dict(table.columns)["epe_mm"] and not dict(table.columns)["auc_2d"]


def test_pck_counts_errors_at_or_under_the_threshold() -> None:
    assert pck(np.array([0.1, 0.2, 0.3, 0.4]), np.array([0.05, 0.1, 0.35, 1.0])).tolist() == [0, 0.25, 0.75, 1]
    assert np.isnan(pck(np.array([]), np.array([0.1]))).all()


def test_figures_are_svg_and_repeat_to_the_byte(evaluated: Write, toy_root: Path) -> None:
    from distill.report.compare import errors_of

    stages = load_stages([str(evaluated("dual", 2, seed=s)) for s in (0, 1)])
    labelled = open_labelled(toy_root, "toy")
    errors = {"dual": [errors_of(e, labelled) for e in stages[0].of("toy").values()]}
    uri = pck_curves(errors, {"dual": "#123456"})
    text = base64.b64decode(uri.partition(",")[2]).decode()
    assert "<svg" in text and "3D PCK" in text and "dual" in text
    assert "#123456" in text and pck_curves(errors, {"dual": "#123456"}) == uri
    bars = base64.b64decode(joint_bars({"dual": np.arange(21.0)}, "mm", {"dual": "red"}).partition(",")[2]).decode()
    assert "little tip" in bars


def test_spread_out_takes_no_neighbours() -> None:
    order = [50, 51, 49, 10, 52, 90, *range(0, 10), *range(53, 90), *range(91, 100)]
    assert spread_out(order, 3) == [50, 10, 90]
    assert spread_out([1, 0], 5) == [1, 0]


def test_gallery_shows_best_worst_and_most_changed(evaluated: Write, toy_root: Path) -> None:
    before, after = (s.of("toy")[0] for s in load_stages([str(evaluated("dual", 2)), str(evaluated("adapted", 1))]))
    labelled = open_labelled(toy_root, "toy")
    truth = labelled.joints_px
    after.predictions["joints_px"][:] = truth + 1
    before.predictions["joints_px"][:] = truth + 1
    after.predictions["joints_px"][4] = truth[4]
    after.predictions["joints_px"][7] += 40
    before.predictions["joints_px"][7] += 40
    before.predictions["joints_px"][2] -= 25
    shown = gallery(labelled, before, after, ("dual", "adapted"), each=1)
    assert [p.kind for p in shown.pictures] == list(KINDS)
    assert [p.caption[:6] for p in shown.pictures] == ["04.png", "07.png", "02.png"]
    assert "taken as a right hand (label: right)" in shown.pictures[0].caption
    assert shown.columns == ("label", "dual", "adapted") and not shown.rows
    assert shown.lacking == ("dual", "adapted")
    data = np.frombuffer(base64.b64decode(shown.pictures[0].uri.partition(",")[2]), np.uint8)
    assert cv2.imdecode(data, cv2.IMREAD_COLOR).shape == (TILE_PX, 3 * TILE_PX, 3)


def test_missing_file_of_a_run_is_named(evaluated: Write) -> None:
    run = evaluated("dual", 2)
    (run / "evaluation" / "predictions.npz").unlink()
    with pytest.raises(ValueError, match=r"is no output of evaluate \(.*predictions.npz"):
        load_stages([str(run)])
