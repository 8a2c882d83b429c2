"""One photo through the networks: what is found or given, the networks' own answers, refusals, times."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from dualmod.checkpoints.checkpoint import choose_device
from dualmod.detection.detector import HandBox
from dualmod.geometry.lifting import TYPICAL_BONE_M, assumed_K
from dualmod.inference.predictor import Predictor
from dualmod.network.model import DualModalityNet, NetworkConfig
from handbridge.demo.inference import Networks, joints_cm, look
from synth.common.conventions import REFERENCE_BONE, ROOT_JOINT
from synth.hand import HandAxes, load_hand
from synth.scene.view import R_CAM_PALM

SURE = HandBox(np.array([20.0, 10.0, 80.0, 70.0]), 0.9, 0.5)
UNSURE = HandBox(np.array([100.0, 30.0, 140.0, 60.0]), 0.2, 0.5)


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    file = tmp_path / "photo.png"
    cv2.imwrite(str(file), np.random.default_rng(0).integers(0, 255, (96, 160, 3), dtype=np.uint8))
    return file


@pytest.fixture
def networks(tiny_net: DualModalityNet, tiny_config: NetworkConfig) -> Networks:
    torch.manual_seed(1)
    after, before = (Predictor(n, choose_device("cpu")) for n in (tiny_net, DualModalityNet(tiny_config)))
    return Networks(after, before, lambda image: [SURE, UNSURE], least_score=0.5)


def test_each_network_answers_for_the_hands_that_are_sure(networks: Networks, photo: Path) -> None:
    looked = look(networks, photo)
    assert [hand.score for hand in looked.hands] == [0.9] and not looked.is_box_given
    image = cv2.imread(str(photo))[..., ::-1]
    for found, predictor in ((looked.after, networks.after), (looked.before, networks.before)):
        assert found is not None and predictor is not None
        expected = predictor.predict([image], SURE.box_px[None])
        assert np.allclose(found.joints_px, expected.joints_px)
    assert looked.before is not None and not np.allclose(looked.after.joints_px, looked.before.joints_px)
    assert set(looked.seconds) == {"decode", "locate", "network", "network before"}


def test_every_sure_hand_is_looked_at(networks: Networks, photo: Path) -> None:
    both = Networks(networks.after, None, networks.hands_of, least_score=0.1)
    looked = look(both, photo)
    assert len(looked.hands) == len(looked.after.joints_px) == 2 and looked.before is None
    assert "network before" not in looked.seconds


def test_a_given_box_overrides_the_finder(networks: Networks, photo: Path) -> None:
    looked = look(networks, photo, box="90, 20, 150, 80")
    assert looked.is_box_given and looked.hands[0].box_px.tolist() == [90, 20, 150, 80]
    none = Networks(networks.after, None, lambda image: [], least_score=0.0)
    assert look(none, photo, box="90, 20, 150, 80").is_box_given


@pytest.mark.parametrize(("hand", "is_left"), [("left", True), ("right", False)])
def test_a_given_hand_overrides_the_network(networks: Networks, photo: Path, hand: str, is_left: bool) -> None:
    looked = look(networks, photo, hand=hand)
    assert looked.before is not None
    assert looked.after.mirrored.tolist() == looked.before.mirrored.tolist() == [is_left]


def test_no_hand_is_said_with_what_can_be_done(networks: Networks, photo: Path) -> None:
    unsure = Networks(networks.after, None, lambda image: [UNSURE], least_score=0.5)
    with pytest.raises(
        ValueError, match=r"No hand was found .* reached 0\.20 of 0\.50\. .* click two opposite corners"
    ):
        look(unsure, photo)
    with pytest.raises(ValueError, match=r"No hand was found in this photo\. If there is one"):
        look(Networks(networks.after, None, lambda image: [], least_score=0.5), photo)


def test_a_hand_of_typical_size_before_the_assumed_camera_comes_back(networks: Networks, photo: Path) -> None:
    looked = look(networks, photo)
    joints_cam = HandAxes.of(load_hand("open")).joints(np.zeros((16, 3))) @ R_CAM_PALM.T
    joints_cam *= TYPICAL_BONE_M / np.linalg.norm(joints_cam[REFERENCE_BONE[0]] - joints_cam[REFERENCE_BONE[1]])
    joints_cam += np.array([0.02, -0.01, 0.5]) - joints_cam[ROOT_JOINT]
    projected = joints_cam @ assumed_K(160, 96).T
    seen = replace(
        looked.after,
        joints_px=(projected[:, :2] / projected[:, 2:])[None],
        joints_depth=(joints_cam[None, :, 2] - 0.5) / TYPICAL_BONE_M,
    )
    found = joints_cm(looked, seen)
    assert np.allclose(found, 100 * (joints_cam - joints_cam[ROOT_JOINT]), atol=1e-6)
