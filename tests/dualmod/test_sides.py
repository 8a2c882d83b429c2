"""A network of both sides: one look, joints where the photo has them, and a side that moves nothing."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from dualmod.checkpoints.checkpoint import load_network, save_network
from dualmod.inference.predictor import Predictor, look
from dualmod.inference.test_time_augmentation import VotingPredictor
from dualmod.network.model import DualModalityNet
from synth.common.conventions import LEFT, RIGHT

BOXES = np.array([[20.0, 30.0, 90.0, 100.0], [10.0, 10.0, 70.0, 60.0]])


@pytest.fixture
def nets(tiny_config) -> dict[str, DualModalityNet]:
    made = {}
    for sides in ("right", "both"):
        torch.manual_seed(0)
        made[sides] = DualModalityNet(replace(tiny_config, sides=sides)).eval()
    return made


@pytest.fixture
def photos() -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.integers(0, 255, (120, 110, 3), dtype=np.uint8) for _ in range(2)]


def predictor(net: DualModalityNet) -> Predictor:
    return Predictor(net, torch.device("cpu"))


def test_the_side_moves_no_joint_of_a_network_of_both_and_all_of_one_of_right_hands(nets, photos):
    for sides, net in nets.items():
        right, left = (predictor(net).predict(photos, BOXES, [hand] * 2) for hand in (RIGHT, LEFT))
        assert list(right.mirrored) == [False, False] and list(left.mirrored) == [True, True]
        assert np.array_equal(right.joints_px, left.joints_px) == (sides == "both")
        assert np.array_equal(right.masks, left.masks) == (sides == "both")


def test_a_network_of_both_sides_looks_once(nets, photos):
    for sides, passes in (("right", 2), ("both", 1)):
        seen = []
        handle = nets[sides].rgb_encoder.register_forward_pre_hook(lambda _, args, s=seen: s.append(len(args[0])))
        predictor(nets[sides]).predict(photos, BOXES)
        handle.remove()
        assert len(seen) == passes


def test_the_probability_of_a_right_hand_is_the_output_itself(nets):
    rgb = torch.rand(3, 3, 64, 64)
    prediction, right = look(nets["both"], rgb)
    plain = nets["both"](rgb)
    torch.testing.assert_close(right, plain.handedness_logit.sigmoid())
    assert torch.equal(prediction(torch.tensor([True, False, True])).joints_uv, plain.joints_uv)


def test_a_left_hand_of_a_network_of_right_hands_is_seen_mirrored_and_told_where_it_is(nets, photos):
    rgb = torch.rand(2, 3, 64, 64)
    prediction, _ = look(nets["right"], rgb)
    chosen, flipped = prediction(torch.tensor([True, False])), nets["right"](rgb.flip(-1))
    torch.testing.assert_close(chosen.joints_uv[0, :, 0], 1 - flipped.joints_uv[0, :, 0])
    torch.testing.assert_close(chosen.joints_uv[0, :, 1], flipped.joints_uv[0, :, 1])
    torch.testing.assert_close(chosen.mask_logits[0], flipped.mask_logits[0].flip(-1))
    torch.testing.assert_close(chosen.joints_uv[1], nets["right"](rgb).joints_uv[1])


def test_votes_on_the_side_move_no_joint_of_a_network_of_both(nets, photos):
    voting = VotingPredictor(predictor(nets["both"]), 3)
    given, found = voting.predict(photos, BOXES, [LEFT, RIGHT]), voting.predict(photos, BOXES)
    assert np.array_equal(given.joints_px, found.joints_px) and list(given.mirrored) == [True, False]
    assert list(found.mirrored) == [p < 0.5 for p in found.right_probability]


def test_the_sides_are_kept_in_the_file(nets, tmp_path):
    save_network(tmp_path / "m.safetensors", nets["both"], {})
    assert load_network(tmp_path / "m.safetensors").config.sides == "both"
