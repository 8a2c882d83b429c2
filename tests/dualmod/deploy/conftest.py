"""A tiny network as a checkpoint, and its ONNX files, made once: tracing takes seconds."""

import shutil
from pathlib import Path

import pytest
import torch

from dualmod import export
from dualmod.checkpoints.checkpoint import save_network
from dualmod.network.encoder import EncoderConfig
from dualmod.network.model import DualModalityNet, NetworkConfig

NOTES = {"hand_model": "open", "licence_notes": ["hand model: CC0"], "stage": "pretrain"}


@pytest.fixture(scope="session", autouse=True)
def packages() -> None:
    """All of this needs the extra ``export``, which the development set-up has."""
    for module in ("onnx", "onnxruntime", "onnxscript"):
        pytest.importorskip(module)


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights, with heatmaps sharp enough that joints lie in different places."""
    torch.manual_seed(0)
    small = EncoderConfig(backbone="test_resnet")
    sizes = {"image_size": 64, "crop_margin": 1.45, "decoder_width": 16, "embedding_dims": 8}
    net = DualModalityNet(NetworkConfig(rgb=small, depth=small, **sizes))
    with torch.no_grad():
        net.decoder.sharpness.fill_(10.0)
    path = tmp_path_factory.mktemp("export") / "model.safetensors"
    save_network(path, net, NOTES)
    return path


@pytest.fixture(scope="session")
def rgb_file(checkpoint: Path) -> Path:
    return _exported(checkpoint, "rgb.onnx")


@pytest.fixture(scope="session")
def rgbd_file(checkpoint: Path) -> Path:
    return _exported(checkpoint, "rgbd.onnx", "depth=true")


@pytest.fixture(scope="session")
def int8_file(checkpoint: Path, rgb_file: Path, tiny_data: Path) -> Path:
    """Quantised from the file that is there: the network is not traced again."""
    given = ("precision=int8", f"calibration={tiny_data}", "calibration_images=12")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(export, "write_onnx", lambda graph, path, opset: shutil.copyfile(rgb_file, path))
        return _exported(checkpoint, "int8.onnx", *given)


def _exported(checkpoint: Path, name: str, *options: str) -> Path:
    out = checkpoint.with_name(name)
    assert export.main([f"checkpoint={checkpoint}", f"out={out}", *options]) == 0
    return out
