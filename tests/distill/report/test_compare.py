"""Paired differences against loops, and what is claimed of them."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from distill.report.compare import compare, errors_of
from distill.report.runs import load_stages
from dualmod.data.image_sets import LabelledImages, open_labelled

Write = Callable[..., Path]


def test_errors_are_distances_in_boxes_and_millimetres(evaluated: Write, toy_root: Path) -> None:
    (stage,) = load_stages([str(evaluated("dual", 2))])
    labelled = open_labelled(toy_root, "toy")
    found = errors_of(stage.of("toy")[0], labelled)
    predictions = stage.of("toy")[0].predictions
    for image, joint in ((0, 0), (3, 17), (11, 20)):
        du, dv = predictions["joints_px"][image, joint] - labelled.joints_px[image, joint]
        x0, y0, x1, y1 = labelled.boxes_px[image]
        assert found.boxes[image, joint] == pytest.approx((du**2 + dv**2) ** 0.5 / max(x1 - x0, y1 - y0))
        relative = predictions["joints_cam"][image, joint] - predictions["joints_cam"][image, 9]
        true = labelled.joints_cam[image, joint] - labelled.joints_cam[image, 9]
        assert found.mm[image, joint] == pytest.approx(1000 * np.sqrt(((relative - true) ** 2).sum()))


def test_errors_agree_with_the_metrics_of_evaluate(evaluated: Write, toy_root: Path) -> None:
    (stage,) = load_stages([str(evaluated("dual", 2))])
    run = stage.of("toy")[0]
    found = errors_of(run, open_labelled(toy_root, "toy"))
    assert found.mm.mean() == pytest.approx(run.metrics["epe_mm"], abs=1e-4)
    assert (found.boxes <= 0.1).mean() == pytest.approx(run.metrics["pck_box@0.1"], abs=1e-5)


def test_a_clear_advantage_is_claimed_and_its_sign_is_right(evaluated: Write, toy_root: Path) -> None:
    runs = [str(evaluated(name, px, seed=s)) for name, px in (("adapted", 1), ("control", 3)) for s in (0, 1, 2)]
    adapted, control = load_stages(runs)
    labelled = open_labelled(toy_root, "toy")
    for found in compare(adapted, control, "toy", labelled, bootstrap=300):
        assert found.low is not None and found.high is not None
        assert found.outcome == "better" and 0 < found.low < found.difference < found.high
        assert (found.seeds_better, found.num_seeds, found.num_images) == (3, 3, 12)
        assert "adapted is better than control" in found.sentence and "3 of 3 seeds" in found.sentence
    for found in compare(control, adapted, "toy", labelled, bootstrap=300):
        assert found.outcome == "worse" and found.high is not None and found.high < 0


def test_equal_stages_show_no_difference(evaluated: Write, toy_root: Path) -> None:
    runs = [str(evaluated(name, px)) for name, px in (("adapted", 2.01), ("control", 2.0))]
    labelled = open_labelled(toy_root, "toy")
    pck, _ = compare(*load_stages(runs), "toy", labelled, bootstrap=300)
    assert pck.outcome == "not shown" and "one seed only" in pck.sentence


def in_blocks(labelled: LabelledImages, size: int) -> LabelledImages:
    return replace(labelled, blocks=np.arange(len(labelled)) // size)


def test_intervals_resample_blocks_as_a_loop_does(evaluated: Write, toy_root: Path) -> None:
    runs = [str(evaluated(name, px, seed=s)) for name, px in (("adapted", 2), ("control", 2.2)) for s in (0, 1)]
    adapted, control = load_stages(runs)
    labelled = in_blocks(open_labelled(toy_root, "toy"), 3)
    pck, epe = compare(adapted, control, "toy", labelled, bootstrap=200, seed=5)
    errors = [[errors_of(stage.of("toy")[s], labelled).mm for s in (0, 1)] for stage in (adapted, control)]
    rng, means = np.random.default_rng(5), []
    seeds = rng.integers(0, 2, (200, 2))
    for chosen, drawn in zip(seeds, rng.multinomial(4, np.full(4, 0.25), 200), strict=True):
        rows = [3 * block + k for block in range(4) for _ in range(drawn[block]) for k in range(3)]
        means.append(np.mean([errors[1][s][rows] - errors[0][s][rows] for s in chosen]))
    assert (epe.low, epe.high) == pytest.approx(tuple(np.percentile(means, [2.5, 97.5])))
    assert (pck.num_blocks, epe.num_blocks) == (4, 4) and "12 images in 4 blocks" in pck.sentence


def test_copies_of_an_image_in_its_block_show_no_more_than_the_image(evaluated: Write, toy_root: Path) -> None:
    near, far = load_stages([str(evaluated("near", 2)), str(evaluated("far", 2.2))])
    labelled = open_labelled(toy_root, "toy")
    for stage in (near, far):
        found = stage.of("toy")[0].predictions
        found["joints_px"][:] = labelled.joints_px + (found["joints_px"] - labelled.joints_px)[np.arange(12) // 3 * 3]
    blocks, images = (compare(near, far, "toy", of, bootstrap=2000)[0] for of in (in_blocks(labelled, 3), labelled))
    assert blocks.low is not None and blocks.high is not None and images.low is not None and images.high is not None
    assert blocks.difference == images.difference and images.num_blocks == 12 and "blocks" not in images.sentence
    assert blocks.high - blocks.low > 1.4 * (images.high - images.low)  # of 3 copies: about the root of 3


def test_nothing_is_shown_by_one_block(evaluated: Write, toy_root: Path) -> None:
    near, far = load_stages([str(evaluated("near", 0.5)), str(evaluated("far", 5))])
    for found in compare(near, far, "toy", in_blocks(open_labelled(toy_root, "toy"), 12), bootstrap=50):
        assert (found.low, found.high, found.outcome, found.num_blocks) == (None, None, "not shown", 1)
        assert "no interval, as all images are of one block" in found.sentence


def test_small_differences_on_pseudo_labels_are_not_claimed(evaluated: Write, toy_root: Path) -> None:
    near, far = load_stages([str(evaluated("near", 0.5)), str(evaluated("far", 0.5))])
    labelled = open_labelled(toy_root, "toy")
    run = far.of("toy")[0]
    run.predictions["joints_px"][:] = near.of("toy")[0].predictions["joints_px"]
    run.predictions["joints_px"][:, 4] += 30  # 1 of 21 joints is wrong in every image: 4.8 points
    run.predictions["joints_px"][6:, 4] -= 30  # and now in half of them: 2.4 points
    true = compare(near, far, "toy", labelled, bootstrap=300)[0]
    pseudo = compare(near, far, "toy", replace(labelled, label_kind="pseudo2d_ok"), bootstrap=300)[0]
    assert true.difference == pseudo.difference == pytest.approx(1 / 42, abs=1e-6)
    assert (true.outcome, pseudo.outcome) == ("better", "not shown")


def test_a_hand_that_a_run_missed_is_wrong_in_2d_and_left_out_of_3d_in_all_runs(
    evaluated: Write, toy_root: Path
) -> None:
    missed = {("adapted", 0): (), ("adapted", 1): (4,), ("control", 0): (4, 6), ("control", 1): (9,)}
    runs = [str(evaluated(name, 2, seed=seed, missed=rows)) for (name, seed), rows in missed.items()]
    adapted, control = load_stages(runs)
    labelled = open_labelled(toy_root, "toy")
    pck, epe = compare(adapted, control, "toy", labelled, bootstrap=50)
    kept = [k for k in range(12) if k not in (4, 6, 9)]
    for stage, value in ((adapted, epe.first), (control, epe.second)):
        per_run = [errors_of(e, labelled).mm[kept].mean() for e in stage.of("toy").values()]
        assert value == pytest.approx(sum(per_run) / 2)
    assert (epe.num_images, epe.left_out) == (9, 3) and (pck.num_images, pck.left_out) == (12, 0)
    assert (
        "9 images" in epe.sentence
        and "3 more left out: no 3D prediction by adapted of 1 and control of 3" in epe.sentence
    )
    shares = [(errors_of(e, labelled).boxes <= 0.1).mean() for e in control.of("toy").values()]
    assert pck.second == pytest.approx(sum(shares) / 2) and "left out" not in pck.sentence


def test_a_stage_that_predicts_no_3d_is_compared_in_2d_alone(evaluated: Write, toy_root: Path) -> None:
    adapted, control = load_stages([str(evaluated(name, 2)) for name in ("adapted", "control")])
    control.of("toy")[0].predictions["joints_cam"][:] = np.nan
    labelled = open_labelled(toy_root, "toy")
    assert [c.metric for c in compare(adapted, control, "toy", labelled, bootstrap=50)] == ["pck_box@0.1"]


def test_other_images_than_evaluated_are_refused(evaluated: Write, toy_root: Path) -> None:
    (stage,) = load_stages([str(evaluated("dual", 2))])
    labelled = replace(open_labelled(toy_root, "toy"), files=("other.png",) * 12)
    with pytest.raises(ValueError, match="holds other images than were evaluated"):
        errors_of(stage.of("toy")[0], labelled)
