"""Finding hands in photos of any size, the file of a localizer, and what is said about wrong input."""

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from dualmod.checkpoints.checkpoint import load_network, save_network
from dualmod.detection.centernet_detector import Localizer
from dualmod.detection.checkpoint import load_localizer, localizer_notes, round_as_stored, save_localizer
from dualmod.detection.decode import DecodeConfig
from dualmod.detection.fuse_conv_bn import folded
from dualmod.detection.letterbox import letterbox
from dualmod.detection.network import LocalizerNet, LocalizerNetConfig
from tests.dualmod.detection.conftest import TINY


@pytest.mark.parametrize("shape", [(480, 640), (100, 33), (1, 1), (2000, 3), (7, 900), (64, 64)])
def test_a_photo_of_any_size_fits_and_boxes_come_back(shape):
    fitted = letterbox(np.full((*shape, 3), 255, np.uint8), 64)
    height, width = shape
    box = np.array([[0.1 * width, 0.2 * height, 0.5 * width, 0.9 * height]])
    assert fitted.to_photo(fitted.from_photo(box)) == pytest.approx(box)
    whole = fitted.from_photo(np.array([[-0.5, -0.5, width - 0.5, height - 0.5]]))[0]
    rows, columns = np.nonzero(fitted.rgb[..., 0] > 127)
    seen = [columns.min() - 0.5, rows.min() - 0.5, columns.max() + 0.5, rows.max() + 0.5]
    assert whole == pytest.approx(seen) and max(whole[2:] - whole[:2]) == 64


@pytest.mark.parametrize("photo", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 4), np.uint8), np.zeros((4, 4, 3))])
def test_what_is_no_8_bit_rgb_is_refused_in_one_line(photo):
    with pytest.raises(ValueError, match="is no 8-bit RGB image"):
        letterbox(photo, 64)


def test_find_is_the_same_for_each_photo_alone(tiny_localizer):
    photos = [np.random.default_rng(k).integers(0, 256, (40 + 9 * k, 77, 3), dtype=np.uint8) for k in range(5)]
    localizer = Localizer(tiny_localizer, torch.device("cpu"), config=DecodeConfig(min_score=0.05), batch_size=2)
    together = localizer.find(photos)
    assert localizer.find([]) == [] and sum(map(len, together)) > 0
    for photo, hands in zip(photos, together, strict=True):
        (alone,) = localizer.find([photo])
        assert [h.score for h in alone] == pytest.approx([h.score for h in hands], abs=1e-5)
        assert [h.score for h in hands] == sorted((h.score for h in hands), reverse=True)
        for one, other in zip(alone, hands, strict=True):
            assert one.box_px == pytest.approx(other.box_px, abs=1e-2)
            assert 0 <= one.right_probability <= 1


@pytest.mark.parametrize("backbone", ["mobilenetv3_small_050", "tf_efficientnet_lite0"])
def test_a_folded_network_is_the_same_function(backbone):
    torch.manual_seed(0)
    net = LocalizerNet(LocalizerNetConfig(**{**vars(TINY), "backbone": backbone}))
    net.train()(torch.rand(4, 3, 64, 64))  # statistics that are not those of the start
    before, image = net.eval()(torch.ones(1, 3, 64, 64)).heat, torch.rand(2, 3, 64, 64)
    fast = folded(net)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in fast.modules())
    for name, value in vars(fast(image)).items():
        assert torch.allclose(value, getattr(net(image), name), atol=1e-4)
    assert torch.equal(net(torch.ones(1, 3, 64, 64)).heat, before)


def test_a_file_gives_the_network_that_was_measured(tiny_localizer, tmp_path):
    round_as_stored(tiny_localizer).eval()
    file = tmp_path / "model.safetensors"
    save_localizer(file, tiny_localizer, {"stage": "test"})
    loaded, image = load_localizer(file), torch.rand(1, 3, 64, 64)
    assert torch.equal(loaded(image).heat, tiny_localizer(image).heat) and not loaded.training
    assert localizer_notes(file) == {"stage": "test"}
    assert {t.dtype for t in load_file(file).values() if t.ndim == 4} == {torch.float16}


def test_a_pose_network_is_no_localizer_and_a_localizer_no_pose_network(tiny_net, tiny_localizer, tmp_path):
    pose, localizer = tmp_path / "pose.safetensors", tmp_path / "localizer.safetensors"
    save_network(pose, tiny_net, {})
    save_localizer(localizer, tiny_localizer, {})
    with pytest.raises(ValueError, match=r"localizer=.*pose\.safetensors is a pose network.*; give a localizer"):
        Localizer.load(pose, "cpu")
    with pytest.raises(ValueError, match=r"checkpoint=.*is a localizer.*; give a pose network") as error:
        load_network(localizer)
    assert "\n" not in str(error.value)


def test_a_damaged_file_is_named(tmp_path, tiny_localizer):
    file = tmp_path / "model.safetensors"
    file.write_bytes(b"nothing")
    with pytest.raises(ValueError, match="is no readable safetensors file"):
        load_localizer(file)
    with pytest.raises(FileNotFoundError, match="localizer="):
        load_localizer(tmp_path / "none")
    tiny_localizer.config = LocalizerNetConfig(**{**vars(TINY), "width": 24})
    save_localizer(file, tiny_localizer, {})
    with pytest.raises(ValueError, match="does not fit its own network"):
        load_localizer(file)


def test_frozen_stages_stay_and_trimmed_blocks_are_gone():
    net = LocalizerNet(LocalizerNetConfig(**{**vars(TINY), "frozen_stages": 2, "trimmed_blocks": 1})).train()
    before = {name: value.clone() for name, value in net.stages[:2].state_dict().items()}
    net(torch.rand(2, 3, 64, 64)).heat.sum().backward()
    after = net.stages[:2].state_dict()
    assert all(torch.equal(after[name], value) for name, value in before.items())
    assert all(p.grad is None for p in net.stages[:2].parameters())
    assert len(net.stages[-1]) == len(LocalizerNet(TINY).stages[-1]) - 1
    with pytest.raises(ValueError, match=r"network\.trimmed_blocks=9 is not legal"):
        LocalizerNet(LocalizerNetConfig(**{**vars(TINY), "trimmed_blocks": 9}))
