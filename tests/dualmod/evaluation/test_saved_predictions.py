"""Saved predictions are measured as a network's are: a case counted by hand, a round trip, misses, and bad files."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from dualmod.checkpoints.checkpoint import save_network
from dualmod.evaluate import main

COUNT = 4
ALL_JOINTS = 21


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Four images whose boxes have a longer side of 100 px; the first two are right hands, the third a left one."""
    folder = tmp_path / "real" / "toy"
    (folder / "images").mkdir(parents=True)
    for k in range(COUNT):
        cv2.imwrite(str(folder / f"images/{k}.png"), np.full((128, 128, 3), 90, np.uint8))
    joints = np.random.default_rng(0).uniform(20, 100, (COUNT, ALL_JOINTS, 2))
    xyz = np.random.default_rng(1).normal(0, 0.03, (COUNT, ALL_JOINTS, 3)) + np.array([0, 0, 0.5])
    np.savez(
        folder / "annotations.npz",
        files=np.array([f"images/{k}.png" for k in range(COUNT)]),
        split=np.array(["test"] * COUNT),
        uv=joints,
        vis=np.ones((COUNT, ALL_JOINTS), np.uint8),
        xyz=xyz,
        K=np.stack([np.array([[300.0, 0, 64], [0, 300, 64], [0, 0, 1]])] * COUNT),
        hand=np.array(["R", "R", "L", "?"]),
        label=np.array(["gt3d"] * COUNT),
        bbox=np.tile([14.0, 20.0, 114.0, 100.0], (COUNT, 1)),
    )
    return tmp_path / "real"


def truth(root: Path) -> dict[str, np.ndarray]:
    with np.load(root / "toy" / "annotations.npz") as found:
        return {key: found[key] for key in ("files", "uv", "xyz")}


def measured(root: Path, out: str, *options: str, **arrays: np.ndarray) -> dict:
    """``metrics.json`` of ``evaluate`` on those arrays."""
    np.savez(root / f"{out}.npz", **arrays)
    given = [f"predictions={root}/{out}.npz", "dataset=toy", f"root={root}", f"out={root}/{out}", "bootstrap=20"]
    assert main([*given, *options]) == 0
    return json.loads((root / out / "metrics.json").read_text())["toy"]


def test_a_case_counted_by_hand(root):
    """One image exact, one 7 px (0.07 boxes) off, one 15 px, one not found; rows in another order than the set's."""
    rows = truth(root)
    joints_px = rows["uv"] + np.array([0.0, 7.0, 15.0, np.nan])[:, None, None] * [1, 0]
    right = np.array([0.9, 0.2, 0.1, np.nan])
    order = [2, 0, 3, 1]
    arrays = {"files": rows["files"][order], "joints_px": joints_px[order], "right_probability": right[order]}
    told = measured(root, "hand", "crop_margin=1.6", **arrays)
    assert told["pck_box@0.05"] == 0.25 and told["pck_box@0.1"] == 0.5 and told["pck_box@0.2"] == 0.75
    assert told["pck_crop@0.05"] == 0.5 and told["crop_margin"] == 1.6  # of a crop of 160 px: 8 px
    assert told["auc_2d"] == pytest.approx((1 + (0.2 - 0.07) / 0.2 + (0.2 - 0.15) / 0.2 + 0) / 4, abs=1e-6)
    assert told["missed"] == 1 and told["handedness_accuracy"] == pytest.approx(2 / 3, abs=1e-6)
    assert "epe_mm" not in told and told["num_images"] == COUNT


def test_the_side_of_the_crop_is_the_saved_one_or_what_is_said_and_else_not_known(root):
    """One hand exact, three 7 px off: 0.05 of a crop is 6 px of 120, 8 px of 160."""
    rows = truth(root)
    joints_px = rows["uv"] + np.array([0.0, 7.0, 7.0, 7.0])[:, None, None] * [1, 0]
    arrays = {"files": rows["files"], "joints_px": joints_px}
    assert not any("crop" in name for name in measured(root, "unknown", **arrays))
    sides_px = np.array([120.0, 120.0, 160.0, 120.0])
    saved = measured(root, "saved", **arrays, crop_sides_px=sides_px)
    assert saved["pck_crop@0.05"] == 0.5 and "crop_margin" not in saved
    with np.load(root / "saved" / "predictions.npz") as again:
        assert again["crop_sides_px"].tolist() == sides_px.tolist()
    said = measured(root, "said", "crop_margin=1.6", **arrays, crop_sides_px=sides_px)
    assert said["pck_crop@0.05"] == 1.0 and said["crop_margin"] == 1.6
    missed = {"joints_px": np.where(np.arange(4)[:, None, None] == 3, np.nan, joints_px)}
    sides_px[3] = np.nan
    assert measured(root, "missed", **arrays | missed, crop_sides_px=sides_px)["pck_crop@0.05"] == 0.5


def test_3d_is_measured_where_it_was_saved(root):
    """Twice the size, turned by nothing: no error after alignment, the joint's distance to the root before it."""
    rows = truth(root)
    joints_cam = 2 * rows["xyz"]
    joints_cam[3] = np.nan
    told = measured(root, "lifted", files=rows["files"], joints_px=rows["uv"], joints_cam=joints_cam)
    to_root = np.linalg.norm(rows["xyz"] - rows["xyz"][:, 9, None], axis=-1)[:3]
    assert told["epe_mm"] == pytest.approx(1000 * to_root.mean(), abs=1e-3)
    assert told["pa_mpjpe_mm"] < 1e-3 and told["images_3d"] == 3 and told["missed"] == 0
    assert told["handedness_accuracy"] is None


def test_every_interval_is_over_blocks(root):
    rows = truth(root)
    arrays = {"files": rows["files"], "joints_px": rows["uv"] + 9, "joints_cam": 2 * rows["xyz"]}
    free = measured(root, "free", **arrays)
    with np.load(root / "toy/annotations.npz") as found:
        annotations = dict(found)
    np.savez(root / "toy/annotations.npz", **annotations, seq=np.array(["kitchen"] * COUNT))
    tied = measured(root, "tied", **arrays)
    assert (free["num_blocks"], tied["num_blocks"]) == (COUNT, 1) and "epe_mm" in tied["interval_95"]
    assert set(map(tuple, tied["interval_95"].values())) == {(None, None)}
    assert (None, None) not in set(map(tuple, free["interval_95"].values()))


def test_predictions_of_a_network_give_its_numbers_again(root, tiny_net, tmp_path):
    save_network(tmp_path / "net.safetensors", tiny_net, {})
    given = ["dataset=toy", f"root={root}", "bootstrap=20"]
    assert main([f"checkpoint={tmp_path}/net.safetensors", f"out={tmp_path}/first", *given]) == 0
    assert main([f"predictions={tmp_path}/first/predictions.npz", f"out={tmp_path}/again", *given]) == 0
    first, again = (json.loads((tmp_path / n / "metrics.json").read_text())["toy"] for n in ("first", "again"))
    shared = set(first) & set(again) - {"given_for_3d"}
    assert {
        "pck_box@0.1",
        "pck_crop@0.05",
        "epe_mm",
        "interval_95",
        "per_joint",
        "freihand",
        "handedness_accuracy",
    } <= shared
    assert {name: first[name] for name in shared} == {name: again[name] for name in shared}
    assert (tmp_path / "again" / "overlays.jpg").exists()
    with np.load(tmp_path / "again" / "predictions.npz") as found:
        assert found["joints_px"].shape == (COUNT, ALL_JOINTS, 2) and set(found["dataset"]) == {"toy"}


def files(count: int = COUNT) -> np.ndarray:
    return np.array([f"images/{k}.png" for k in range(count)])


@pytest.mark.parametrize(
    ("arrays", "told"),
    [
        ({"files": files(3), "joints_px": np.ones((3, 21, 2))}, "lacks 1 of 4 images of toy, first images/3.png"),
        ({"files": files()[[0, 0, 1, 2, 3]], "joints_px": np.ones((5, 21, 2))}, "two rows for images/0.png"),
        ({"files": files(), "joints_px": np.ones((4, 16, 2))}, "joints_px is float64 (4, 16, 2)"),
        ({"joints_px": np.ones((4, 21, 2))}, "has no array files"),
        (
            {"files": files(), "joints_px": np.ones((4, 21, 2)), "crop_sides_px": np.array([9.0, 9.0, np.nan, 9.0])},
            "crop_sides_px must be above 0 for each hand of toy",
        ),
        ({"files": files(), "joints_px": np.ones((4, 21, 2)), "dataset": np.array(["other"] * 4)}, "lacks 4 of 4"),
    ],
)
def test_predictions_that_do_not_fit(root, tmp_path, capsys, arrays, told):
    np.savez(tmp_path / "p.npz", **arrays)
    assert main([f"predictions={tmp_path}/p.npz", "dataset=toy", f"root={root}", f"out={tmp_path}/out"]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and told in error and not (tmp_path / "out").exists()


@pytest.mark.parametrize("given", [[], ["checkpoint=a", "predictions=b"]])
def test_one_of_checkpoint_and_predictions(given, root, tmp_path, capsys):
    assert main([*given, "dataset=toy", f"root={root}", f"out={tmp_path}/out"]) == 1
    assert "give checkpoint=FILE, or predictions=FILE" in capsys.readouterr().err
