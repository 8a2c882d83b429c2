"""Every network file that is committed loads with today's code, and predicts what is finite."""

from pathlib import Path

import pytest
import torch

from dualmod.checkpoints.checkpoint import DETECTOR_FORMAT, FORMAT, load_network, read_metadata
from dualmod.detection.checkpoint import load_detector

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted([*(ROOT / "dualmod" / "checkpoints" / "released").glob("*"), *(ROOT / "benchmarks" / "long").glob("*")])
NETWORKS = [path for path in FILES if path.suffix == ".safetensors"]


@pytest.mark.parametrize("path", NETWORKS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_committed_network_loads(path):
    if path.stem == "detector":
        size = (net := load_detector(path)).config.image_size
        outputs = net(torch.rand(1, 3, size, size))
        assert torch.isfinite(outputs.heat).all() and read_metadata(path, wanted=DETECTOR_FORMAT)["notes"]
        return
    net = load_network(path)
    size = net.config.image_size
    with torch.no_grad():
        prediction = net(torch.rand(2, 3, size, size))
    assert prediction.joints_uv.shape == (2, 21, 2) and torch.isfinite(prediction.joints_uv).all()
    assert read_metadata(path, wanted=FORMAT)["notes"]


def test_the_released_ones_are_among_them():
    names = {path.stem for path in NETWORKS if path.parent.name == "released"}
    assert names == {"detector", "pose", "start"}
