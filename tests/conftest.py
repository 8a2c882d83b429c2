"""What the tests of all floors share: a tiny network, and a tiny rendered dataset made once."""

from pathlib import Path

import pytest
import torch

from dualmod.network.encoder import EncoderConfig
from dualmod.network.model import DualModalityNet, NetworkConfig
from synth.generate import GenerateConfig, generate

REAL_ROOT = Path(__file__).resolve().parents[2] / "shared" / "real"


@pytest.fixture
def tiny_config() -> NetworkConfig:
    small = EncoderConfig(backbone="mobilenetv3_small_050")
    return NetworkConfig(image_size=64, rgb=small, depth=small, decoder_width=16, embedding_dims=8)


@pytest.fixture
def tiny_net(tiny_config: NetworkConfig) -> DualModalityNet:
    torch.manual_seed(0)
    return DualModalityNet(tiny_config)


@pytest.fixture(scope="session")
def tiny_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """24 rendered hands at 64 px."""
    out = tmp_path_factory.mktemp("tiny_data") / "data"
    generate(GenerateConfig(out=str(out), num_samples=24, image_size=64, shard_size=12, workers=1))
    return out


@pytest.fixture
def real_root() -> Path:
    """The folder of real image sets beside the checkout."""
    if not REAL_ROOT.is_dir():
        pytest.skip("the real image sets are not beside the checkout")
    return REAL_ROOT
