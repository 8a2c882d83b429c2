"""Finding hands in photos of any size, the file of a detector, and what is said about wrong input."""

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from dualmod.checkpoints.checkpoint import load_network, save_network
from dualmod.detection.centernet_detector import CenterNetDetector
from dualmod.detection.checkpoint import detector_notes, load_detector, round_as_stored, save_detector
from dualmod.detection.decode import DecodeConfig
from dualmod.detection.fuse_conv_bn import folded
from dualmod.detection.letterbox import letterbox
from dualmod.detection.network import DetectorNet, DetectorNetConfig
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


def test_find_is_the_same_for_each_photo_alone(tiny_detector):
    photos = [np.random.default_rng(k).integers(0, 256, (40 + 9 * k, 77, 3), dtype=np.uint8) for k in range(5)]
    detector = CenterNetDetector(tiny_detector, torch.device("cpu"), config=DecodeConfig(min_score=0.05), batch_size=2)
    together = detector.find(photos)
    assert detector.find([]) == [] and sum(map(len, together)) > 0
    for photo, hands in zip(photos, together, strict=True):
        (alone,) = detector.find([photo])
        assert [h.score for h in alone] == pytest.approx([h.score for h in hands], abs=1e-5)
        assert [h.score for h in hands] == sorted((h.score for h in hands), reverse=True)
        for one, other in zip(alone, hands, strict=True):
            assert one.box_px == pytest.approx(other.box_px, abs=1e-2)
            assert 0 <= one.right_probability <= 1


@pytest.mark.parametrize("backbone", ["mobilenetv3_small_050", "tf_efficientnet_lite0"])
def test_a_folded_network_is_the_same_function(backbone):
    torch.manual_seed(0)
    net = DetectorNet(DetectorNetConfig(**{**vars(TINY), "backbone": backbone}))
    net.train()(torch.rand(4, 3, 64, 64))  # statistics that are not those of the start
    before, image = net.eval()(torch.ones(1, 3, 64, 64)).heat, torch.rand(2, 3, 64, 64)
    fast = folded(net)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in fast.modules())
    for name, value in vars(fast(image)).items():
        assert torch.allclose(value, getattr(net(image), name), atol=1e-4)
    assert torch.equal(net(torch.ones(1, 3, 64, 64)).heat, before)


def test_a_file_gives_the_network_that_was_measured(tiny_detector, tmp_path):
    round_as_stored(tiny_detector).eval()
    file = tmp_path / "model.safetensors"
    save_detector(file, tiny_detector, {"stage": "test"})
    loaded, image = load_detector(file), torch.rand(1, 3, 64, 64)
    assert torch.equal(loaded(image).heat, tiny_detector(image).heat) and not loaded.training
    assert detector_notes(file) == {"stage": "test"}
    assert {t.dtype for t in load_file(file).values() if t.ndim == 4} == {torch.float16}


def test_a_pose_network_is_no_detector_and_a_detector_no_pose_network(tiny_net, tiny_detector, tmp_path):
    pose, detector = tmp_path / "pose.safetensors", tmp_path / "detector.safetensors"
    save_network(pose, tiny_net, {})
    save_detector(detector, tiny_detector, {})
    with pytest.raises(ValueError, match=r"detector=.*pose\.safetensors is a pose network.*; give a detector"):
        CenterNetDetector.load(pose, "cpu")
    with pytest.raises(ValueError, match=r"checkpoint=.*is a detector.*; give a pose network") as error:
        load_network(detector)
    assert "\n" not in str(error.value)


def test_a_damaged_file_is_named(tmp_path, tiny_detector):
    file = tmp_path / "model.safetensors"
    file.write_bytes(b"nothing")
    with pytest.raises(ValueError, match="is no readable safetensors file"):
        load_detector(file)
    with pytest.raises(FileNotFoundError, match="detector="):
        load_detector(tmp_path / "none")
    tiny_detector.config = DetectorNetConfig(**{**vars(TINY), "width": 24})
    save_detector(file, tiny_detector, {})
    with pytest.raises(ValueError, match="does not fit its own network"):
        load_detector(file)


def test_frozen_stages_stay_and_trimmed_blocks_are_gone():
    net = DetectorNet(DetectorNetConfig(**{**vars(TINY), "frozen_stages": 2, "trimmed_blocks": 1})).train()
    before = {name: value.clone() for name, value in net.stages[:2].state_dict().items()}
    net(torch.rand(2, 3, 64, 64)).heat.sum().backward()
    after = net.stages[:2].state_dict()
    assert all(torch.equal(after[name], value) for name, value in before.items())
    assert all(p.grad is None for p in net.stages[:2].parameters())
    assert len(net.stages[-1]) == len(DetectorNet(TINY).stages[-1]) - 1
    with pytest.raises(ValueError, match=r"network\.trimmed_blocks=9 is not legal"):
        DetectorNet(DetectorNetConfig(**{**vars(TINY), "trimmed_blocks": 9}))
