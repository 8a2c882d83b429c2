"""A small labelled set of pictures and evaluations of stages on it, as ``evaluate`` leaves them."""

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from omegaconf import OmegaConf

from dualmod.evaluation.metrics import DatasetMetrics, scores_2d, scores_3d

NUM_IMAGES = 12


@pytest.fixture
def toy_root(tmp_path: Path) -> Path:
    """A folder with the set ``toy``: 12 test rows with true 3D, 4 rows to adapt to."""
    folder = tmp_path / "real" / "toy"
    (folder / "images").mkdir(parents=True)
    rng = np.random.default_rng(0)
    count = NUM_IMAGES + 4
    files = np.array([f"images/{k:02d}.png" for k in range(count)])
    for file in files:
        cv2.imwrite(str(folder / file), rng.integers(0, 255, (48, 48, 3), dtype=np.uint8))
    K = np.array([[60.0, 0, 23.5], [0, 60.0, 23.5], [0, 0, 1]])
    xyz = rng.normal(0, 0.03, (count, 21, 3)) + np.array([0, 0, 0.4])
    projected = xyz @ K.T
    test = np.arange(count) < NUM_IMAGES
    np.savez(
        folder / "annotations.npz",
        files=files,
        uv=(projected[..., :2] / projected[..., 2:]).astype(np.float32),
        vis=np.repeat(test[:, None], 21, 1).astype(np.uint8),
        xyz=xyz.astype(np.float32),
        K=np.repeat(K[None], count, 0),
        hand=np.array(["R", "L"] * (count // 2)),
        split=np.where(test, "test", "adapt"),
        label=np.array(["gt3d"] * count),
    )
    return tmp_path / "real"


@pytest.fixture
def evaluated(toy_root: Path, tmp_path: Path):
    """A function that writes the evaluation of a stage whose joints are off by about ``noise_px``.

    ``checkpoint`` is the network that it says it is of, ``missed`` are rows where no hand was found.
    """

    def write(
        name: str, noise_px: float, *, seed: int = 0, checkpoint: str | Path = "gone", missed: Sequence[int] = ()
    ) -> Path:
        with np.load(toy_root / "toy" / "annotations.npz") as archive:
            rows = {key: archive[key][:NUM_IMAGES] for key in archive.files}
        rng = np.random.default_rng([seed, int(100 * noise_px)])
        joints_px = rows["uv"] + noise_px * rng.normal(size=rows["uv"].shape)
        joints_cam = rows["xyz"] + 0.001 * noise_px * rng.normal(size=rows["xyz"].shape)
        out = tmp_path / "runs" / f"seed-{seed}" / name / "evaluation"
        out.mkdir(parents=True)
        sides = (rows["uv"].max(1) - rows["uv"].min(1)).max(1)
        scores = scores_2d(
            joints_px, rows["uv"], rows["vis"] > 0, box_side_px=sides, crop_side_px=1.6 * sides, bootstrap=20
        )
        scores |= scores_3d(joints_cam, rows["xyz"].astype(float), bootstrap=20)
        given = DatasetMetrics(NUM_IMAGES, scores, {}).to_json()
        extras: dict[str, Any] = {"handedness_accuracy": 0.75, "labels": "gt3d", "definition": "toy", "given": given}
        metrics = DatasetMetrics(NUM_IMAGES, scores, extras).to_json()
        (out / "metrics.json").write_text(json.dumps({"toy": metrics}))
        joints_px[list(missed)], joints_cam[list(missed)] = np.nan, np.nan
        config = {"checkpoint": str(checkpoint), "root": str(toy_root), "split": "test", "crop_margin": 1.6}
        OmegaConf.save(OmegaConf.create(config), out / "config.yaml")
        np.savez(
            out / "predictions.npz",
            files=rows["files"],
            dataset=np.array(["toy"] * NUM_IMAGES),
            joints_px=joints_px,
            joints_cam=joints_cam,
            confidence=np.ones((NUM_IMAGES, 21)),
            right_probability=np.ones(NUM_IMAGES),
        )
        return out.parent

    return write


Calls = list[tuple[str, Any]]


def leave(made: Calls, stage: str, product: str) -> Callable[[Any], None]:
    """A stage that notes its config in ``made`` and leaves it in its folder, with an empty product."""

    def run(config: Any) -> None:
        made.append((stage, config))
        out = Path(config.out)
        out.mkdir(parents=True)
        OmegaConf.save(OmegaConf.structured(config), out / "config.yaml")
        (out / product).write_text("{}")

    return run


def leave_evaluation(made: Calls, evaluated: Callable[..., Path], noise_px: dict[str, float]) -> Callable[[Any], None]:
    """An ``evaluate`` that leaves a true evaluation of a stage whose joints are off by ``noise_px`` of its name."""

    def run(config: Any) -> None:
        made.append(("evaluate", config))
        out = Path(config.out)
        name, seed = out.parts[-2], int(out.parts[-3].removeprefix("seed-"))
        shutil.copytree(evaluated(name, noise_px[name], seed=seed) / "evaluation", out)
        OmegaConf.save(OmegaConf.structured(config), out / "config.yaml")

    return run
