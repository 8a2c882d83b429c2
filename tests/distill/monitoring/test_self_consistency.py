"""Agreement of a network with itself: a number of the network and the photos, never of a label."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from distill.monitoring.self_consistency import ConsistencyConfig, self_consistency
from dualmod.checkpoints.checkpoint import save_network
from dualmod.data.image_sets import ANNOTATIONS


@pytest.fixture
def config(tiny_net, tiny_data, toy_root: Path, tmp_path: Path) -> ConsistencyConfig:
    save_network(tmp_path / "net.safetensors", tiny_net, {})
    return ConsistencyConfig(
        str(tmp_path / "net.safetensors"), str(tiny_data), "toy", str(tmp_path / "a"), str(toy_root), photos=6
    )


def test_the_criterion_is_disagreement_over_spread_and_needs_no_label(config, toy_root: Path, tmp_path: Path) -> None:
    with_labels = json.loads(self_consistency(config).read_text())
    assert with_labels["criterion"] == pytest.approx(with_labels["disagreement"] / with_labels["spread"])
    assert with_labels["disagreement"] > 0 and with_labels["teacher_gap"] == 0 and with_labels["bone_drift"] == 0
    bare = tmp_path / "bare"
    bare.mkdir()
    with np.load(toy_root / "toy" / ANNOTATIONS) as archive:
        for file in archive["files"][archive["split"] == "adapt"]:
            shutil.copy(toy_root / "toy" / str(file), bare)
    without = self_consistency(replace(config, target=str(bare), target_root="", out=str(tmp_path / "b")))
    assert json.loads(without.read_text()) == with_labels


def test_another_seed_looks_at_other_views(config, tmp_path: Path) -> None:
    first = json.loads(self_consistency(config).read_text())
    second = json.loads(self_consistency(replace(config, seed=1, out=str(tmp_path / "b"))).read_text())
    assert first != second
