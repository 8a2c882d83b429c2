"""Errors on held-out renders: the depth map in bones and millimetres, on maps whose error is known."""

from dataclasses import replace

import pytest
import torch

from dualmod.data.augment import plain_crops
from dualmod.data.batch import CLOSENESS_RANGE
from dualmod.data.synthetic import SyntheticHands
from dualmod.evaluation.synthetic_validation import depth_map_error, held_out_error
from dualmod.network.train_eval_mode import start_training


@pytest.fixture
def hands(tiny_data) -> SyntheticHands:
    return SyntheticHands(tiny_data, holdout=0.2)


def test_a_map_that_is_off_by_a_tenth_is_off_by_a_tenth_of_the_range():
    truth = torch.rand(2, 1, 4, 4)
    counts = torch.zeros(2, 1, 4, 4, dtype=torch.bool)
    counts[0, 0, 1, 2] = True
    error = depth_map_error(torch.where(counts, truth - 0.1, truth + 9), truth, counts)
    assert error[0].item() == pytest.approx(0.1 * CLOSENESS_RANGE, rel=1e-5) and torch.isnan(error[1])


def test_the_depth_map_of_a_network_equals_a_loop_over_cells(tiny_net, hands):
    metrics = held_out_error(tiny_net, hands, batch_size=2)
    bones, millimetres = [], []
    for index in hands.held_out:
        hand = hands[int(index)]
        batch = plain_crops([hand], 64, tiny_net.config.crop_margin)
        with torch.no_grad():
            depth = tiny_net(batch.rgb).depth[0, 0]
        errors = []
        for row in range(16):
            for column in range(16):
                cell = slice(4 * row, 4 * row + 4), slice(4 * column, 4 * column + 4)
                if batch.mask[0, 0][cell].min() == 1:
                    errors.append(abs(float(depth[row, column] - batch.depth[0, 0][cell].mean())))
        if errors:
            bones.append(CLOSENESS_RANGE * sum(errors) / len(errors))
            millimetres.append(1000 * hand.bone_m * bones[-1])
            assert 0.05 < hand.bone_m < 0.12
    assert metrics["held_out_map_bones"] == pytest.approx(sum(bones) / len(bones), rel=1e-3)
    assert metrics["held_out_map_mm"] == pytest.approx(sum(millimetres) / len(millimetres), rel=1e-3)


def test_without_a_bones_length_there_are_no_millimetres(tiny_net, hands, monkeypatch):
    unknown = [replace(hands[int(i)], bone_m=float("nan")) for i in hands.held_out]
    monkeypatch.setattr(hands, "rows", lambda indices: unknown)
    metrics = held_out_error(tiny_net, hands)
    assert "held_out_map_mm" not in metrics and metrics["held_out_map_bones"] > 0


def test_a_depth_branch_is_measured_on_the_exact_depth_once_it_was_trained(tiny_net, hands):
    assert not any("held_out_depth_pck" in name for name in held_out_error(tiny_net, hands))
    batch = plain_crops([hands[int(i)] for i in hands.held_out], 64, tiny_net.config.crop_margin)
    start_training(tiny_net, frozen_statistics=False)
    with torch.no_grad():
        for parameter in [*tiny_net.decoder.parameters(), *tiny_net.depth_neck.parameters()]:
            parameter.mul_(-5)  # so that the branches differ as trained ones do
        for _ in range(30):
            tiny_net.encode_depth(batch.depth)
        tiny_net.eval()
        joints = tiny_net.decode(tiny_net.encode_depth(batch.depth)[0]).joints_uv
    box = (batch.joints_uv.amax(1) - batch.joints_uv.amin(1)).amax(1)
    error = (joints - batch.joints_uv).norm(dim=-1) / box[:, None]
    found = held_out_error(tiny_net, hands, batch_size=2)
    for limit in (0.1, 0.2):
        share = float((error < limit).float().mean())
        assert found[f"held_out_depth_pck_box@{limit}"] == pytest.approx(share, abs=1e-4)
    assert 0 < found["held_out_depth_pck_box@0.2"] != found["held_out_pck_box@0.2"]
