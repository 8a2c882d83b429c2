"""Stages above the network take the side of the crop at test from its file too: boxes, weak views, the report."""

import base64
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from distill import adapt as adapt_stage
from distill import label_precision
from distill.adaptation.config import AdaptConfig
from distill.monitoring import self_consistency
from distill.report.gallery import TILE_PX, Networks, gallery
from distill.report.runs import load_stages
from dualmod.checkpoints.checkpoint import load_network, save_network
from dualmod.data.image_sets import open_labelled
from dualmod.geometry.crop import box_crop_matrix, crop_image
from dualmod.inference.predictor import Predictor
from dualmod.network.model import DualModalityNet, NetworkConfig
from handbridge.demo.stage import DemoConfig, load_networks

MARGIN = 2.2


@pytest.fixture
def checkpoint(tiny_config: NetworkConfig, tmp_path: Path) -> Path:
    torch.manual_seed(0)
    save_network(tmp_path / "net.safetensors", DualModalityNet(replace(tiny_config, crop_margin=MARGIN)), {})
    return tmp_path / "net.safetensors"


@pytest.fixture
def margins(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[float]]:
    """With which margins networks, weak views and held-out renders were cropped, by what was cropped."""
    noted: dict[str, list[float]] = {"predicted": [], "TargetBatches": [], "held_out_batches": []}
    predict = Predictor.predict

    def predicted(self: Predictor, *given: Any, **named: Any) -> Any:
        noted["predicted"].append(self.crop_margin)
        return predict(self, *given, **named)

    monkeypatch.setattr(Predictor, "predict", predicted)
    for stage in (adapt_stage, self_consistency, label_precision):
        for name in ("TargetBatches", "held_out_batches"):
            if hasattr(stage, name):
                monkeypatch.setattr(stage, name, _noting(getattr(stage, name), noted[name]))
    return noted


def _noting(made: Callable[..., Any], noted: list[float]) -> Callable[..., Any]:
    def call(*given: Any, **named: Any) -> Any:
        noted.append(named["margin"] if "margin" in named else given[2].crop_margin)
        return made(*given, **named)

    return call


def test_adapt_locates_hands_makes_weak_views_and_watches_with_it_and_keeps_it(
    checkpoint: Path, tiny_data: Path, toy_root: Path, tmp_path: Path, margins: dict[str, list[float]]
) -> None:
    given = {"max_steps": 1, "source_batch_size": 2, "target_batch_size": 2, "loader_workers": 0, "threads": 1}
    paths = {"checkpoint": str(checkpoint), "source": str(tiny_data), "target": "toy", "out": str(tmp_path / "o")}
    adapted = adapt_stage.adapt(AdaptConfig(**paths, target_root=str(toy_root), **given))
    assert load_network(adapted).config.crop_margin == MARGIN
    assert all(set(found) == {MARGIN} for found in margins.values()), margins


def test_agreement_with_itself_is_of_its_crops(
    checkpoint: Path, tiny_data: Path, toy_root: Path, tmp_path: Path, margins: dict[str, list[float]]
) -> None:
    out = str(tmp_path / "o")
    self_consistency.self_consistency(
        self_consistency.ConsistencyConfig(str(checkpoint), str(tiny_data), "toy", out, str(toy_root), photos=4)
    )
    assert all(set(found) == {MARGIN} for found in margins.values()), margins


def test_pseudo_labels_are_measured_in_its_crops(
    checkpoint: Path, toy_root: Path, tmp_path: Path, margins: dict[str, list[float]]
) -> None:
    given = [f"checkpoint={checkpoint}", "dataset=toy", f"root={toy_root}", f"out={tmp_path}/o"]
    assert label_precision.main(given) == 0
    assert set(margins["predicted"]) == set(margins["TargetBatches"]) == {MARGIN}


def test_the_demo_crops_each_network_with_its_own(checkpoint: Path) -> None:
    options = {"detector": "windows", "device": "cpu", "views": 2}
    shown = load_networks(DemoConfig(checkpoint=str(checkpoint), before="released_start", **options))
    assert shown.before is not None and (shown.after.crop_margin, shown.before.crop_margin) == (MARGIN, 1.6)


@pytest.mark.parametrize(
    ("config", "metrics", "used"),
    [({}, {}, MARGIN), ({"crop_margin": 0.0}, {"crop_margin": 1.3}, 1.3), ({"crop_margin": 1.6}, {}, 1.6)],
    ids=["not noted", "noted", "noted by an earlier version"],
)
def test_the_report_shows_crops_as_they_were_evaluated(
    checkpoint: Path, evaluated: Callable[..., Path], toy_root: Path, config: dict, metrics: dict, used: float
) -> None:
    (stage,) = load_stages([str(evaluated("dual", 2, checkpoint=checkpoint))])
    run, labelled = stage.of("toy")[0], open_labelled(toy_root, "toy")
    plain = {name: value for name, value in run.config.items() if name != "crop_margin"}
    run = replace(run, config={**plain, **config}, metrics={**run.metrics, **metrics})
    networks: Networks = {}
    found = gallery(labelled, run, run, ("before", "after"), each=1, networks=networks)
    (network,) = networks.values()
    assert network.crop_margin == used
    row = labelled.files.index(f"images/{found.pictures[0].caption[:6]}")
    image = cv2.imdecode(np.frombuffer(base64.b64decode(found.pictures[0].uri.partition(",")[2]), np.uint8), 1)
    assert image is not None
    photo = image[TILE_PX:, :TILE_PX, ::-1].astype(float)  # the second row begins with the photograph alone
    expected = crop_image(labelled.image(row), box_crop_matrix(labelled.boxes_px[row], used, TILE_PX), TILE_PX)
    assert np.abs(cv2.GaussianBlur(photo - expected, (0, 0), 3)).mean() < 4
