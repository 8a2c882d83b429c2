"""Joint orders as bijections and on names that the datasets document; bones."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from synth.common.conventions import BONES, JOINT_NAMES, REFERENCE_BONE
from synth.hand import ORDERS, bone_lengths, from_ours, to_ours

DOCUMENTED = {
    "mano_tips": {0: "wrist", 1: "index_mcp", 7: "little_mcp", 12: "ring_dip", 13: "thumb_cmc", 20: "little_tip"},
    "ho3d": {4: "middle_mcp", 15: "thumb_ip", 17: "index_tip", 19: "ring_tip"},
    "smplx": {3: "index_dip", 18: "middle_tip"},
    "rhd": {0: "wrist", 1: "thumb_tip", 4: "thumb_cmc", 5: "index_tip", 17: "little_tip", 20: "little_mcp"},
    "stb": {1: "little_mcp", 4: "little_tip", 5: "ring_mcp", 17: "thumb_cmc", 20: "thumb_tip"},
    "mvhand": {0: "wrist", 1: "index_mcp", 5: "middle_mcp", 13: "little_mcp", 17: "thumb_cmc", 20: "thumb_tip"},
    "interhand": {0: "thumb_tip", 3: "thumb_cmc", 4: "index_tip", 19: "little_mcp", 20: "wrist"},
    "mediapipe": {2: "thumb_mcp", 5: "index_mcp", 20: "little_tip"},
    "freihand": {1: "thumb_cmc", 8: "index_tip"},
    "dexycb": {4: "thumb_tip", 17: "little_mcp"},
    "onehand10k": {3: "thumb_ip", 12: "middle_tip"},
    "manopth": {9: "middle_mcp"},
}  # fmt: skip


@pytest.mark.parametrize("order", ORDERS)
def test_each_order_is_a_bijection_and_there_and_back_is_nothing(order):
    assert sorted(ORDERS[order]) == list(range(21))
    joints = np.arange(2 * 21 * 3).reshape(2, 21, 3)
    np.testing.assert_array_equal(to_ours(from_ours(joints, order), order), joints)
    np.testing.assert_array_equal(from_ours(to_ours(joints, order), order), joints)


@pytest.mark.parametrize("order", DOCUMENTED)
def test_documented_names(order):
    for place, name in DOCUMENTED[order].items():
        assert JOINT_NAMES[ORDERS[order][place]] == name


def test_from_manopths_own_permutation():
    # manopth: ours = mano_tips[[0, 13, 14, 15, 16, 1, 2, 3, 17, 4, 5, 6, 18, 10, 11, 12, 19, 7, 8, 9, 20]]
    published = [0, 13, 14, 15, 16, 1, 2, 3, 17, 4, 5, 6, 18, 10, 11, 12, 19, 7, 8, 9, 20]
    joints = torch.arange(21.0)[:, None]
    torch.testing.assert_close(to_ours(joints, "mano_tips"), joints[published])


def test_bad_orders_and_counts_are_refused():
    with pytest.raises(ValueError, match="order=openpose is unknown; legal: dexycb"):
        to_ours(np.zeros((21, 3)), "openpose")
    with pytest.raises(ValueError, match=r"\(16, 3\).*21"):
        from_ours(np.zeros((16, 3)), "rhd")


@given(scale=st.floats(0.1, 10), seed=st.integers(0, 1000))
def test_bone_lengths_scale_and_do_not_turn(scale, seed):
    joints = np.random.default_rng(seed).normal(size=(21, 3))
    lengths = bone_lengths(joints)
    assert lengths[BONES.index(REFERENCE_BONE)] == pytest.approx(np.linalg.norm(joints[9] - joints[0]))
    np.testing.assert_allclose(bone_lengths(scale * joints[:, [2, 0, 1]] + 5), scale * lengths)
    np.testing.assert_allclose(bone_lengths(torch.tensor(joints)[None])[0], lengths)
