"""Poses: repeatable, within limits, without collisions, and gestures that are what their names say."""

import time

import numpy as np
import pytest

from synth.common.conventions import JOINT_NAMES
from synth.hand import HandAxes, PoseMixture, PoseSampler, angles_from_pose, load_hand, shown_gesture, shows_contact
from synth.hand.anatomy import LOWER_DEG, UPPER_DEG
from synth.hand.gestures import GESTURES, OPEN_PINCHES, PINCHES
from synth.hand.poses import independent_angles, synergy_angles

ARRAYS = load_hand("open")
AXES, SAMPLER = HandAxes.of(ARRAYS), PoseSampler(ARRAYS)
FINGERS = ("index", "middle", "ring", "little")


def joints_of(gesture: str) -> dict[str, np.ndarray]:
    return dict(zip(JOINT_NAMES, AXES.joints(SAMPLER.gesture(gesture)), strict=True))


def extended_fingers(gesture: str) -> set[str]:
    joints = joints_of(gesture)
    reach = {f: np.linalg.norm(joints[f"{f}_tip"] - joints[f"{f}_mcp"]) for f in FINGERS}
    length = {f: sum(np.linalg.norm(joints[f"{f}_{b}"] - joints[f"{f}_{a}"])
                     for a, b in (("mcp", "pip"), ("pip", "dip"), ("dip", "tip"))) for f in FINGERS}  # fmt: skip
    return {f for f in FINGERS if reach[f] > 0.9 * length[f]}


def test_the_same_seed_gives_the_same_poses():
    first, second = ([SAMPLER.sample(np.random.default_rng(s)) for s in range(5)] for _ in range(2))
    for (pose, source), (pose2, source2) in zip(first, second, strict=True):
        np.testing.assert_array_equal(pose, pose2)
        assert source == source2
    assert not np.array_equal(first[0][0], first[1][0])


def test_samples_keep_limits_and_do_not_collide():
    rng = np.random.default_rng(0)
    deepest = {name: SAMPLER._limits[name] for name in GESTURES}
    for _ in range(300):
        pose, source = SAMPLER.sample(rng)
        angles = angles_from_pose(pose, AXES)
        assert pose.shape == (16, 3) and (pose[0] == 0).all()
        assert (angles >= LOWER_DEG - 1e-6).all() and (angles <= UPPER_DEG + 1e-6).all()
        names = source.partition(":")[2].split("-")
        assert SAMPLER.capsules.overlap(AXES.joints(pose)) <= max(0.0025, deepest.get(names[0], 0)) + 1e-9


def test_shares_of_the_mixture_are_kept():
    rng = np.random.default_rng(1)
    kinds = [SAMPLER.sample(rng)[1].partition(":")[0] for _ in range(600)]
    assert kinds.count("gesture") / 600 == pytest.approx(0.50, abs=0.08)
    assert kinds.count("pinch") / 600 == pytest.approx(0.14, abs=0.06)
    only = PoseSampler(ARRAYS, PoseMixture(gesture=0, pinch=0, between=0, synergy=1, independent=0))
    assert {only.sample(rng)[1] for _ in range(20)} == {"synergy"}


def test_an_empty_mixture_and_unknown_gestures_are_refused():
    with pytest.raises(ValueError, match="shares must be at least 0"):
        PoseMixture(gesture=-1)
    with pytest.raises(ValueError, match="shares must be at least 0"):
        PoseMixture(0, 0, 0, 0, 0)
    with pytest.raises(ValueError, match="gesture=wave is unknown"):
        SAMPLER.gesture("wave")


@pytest.mark.parametrize(
    ("gesture", "fingers"),
    [
        ("palm", FINGERS), ("stop", FINGERS), ("four", FINGERS), ("fist", ()), ("thumbs_up", ()), ("one", ("index",)),
        ("victory", ("index", "middle")), ("two_up", ("index", "middle")), ("three", ("index", "middle", "ring")),
        ("three2", ("index", "middle")), ("rock", ("index", "little")), ("call_me", ("little",)), ("gun", ("index",)),
        ("pinch_little", ("index", "middle", "ring")), ("pinch_ring", ("index", "middle", "little")),
        ("pinch_middle", ("index", "ring", "little")),
    ],
)  # fmt: skip
def test_the_right_fingers_are_stretched_out(gesture, fingers):
    assert extended_fingers(gesture) == set(fingers)


@pytest.mark.parametrize("gesture", ["pinch", "ok", "ok_straight", "pinch_fist", "pinch_flat", "zero", "tripod"])
def test_in_a_pinch_thumb_and_index_tips_meet(gesture):
    joints = joints_of(gesture)
    assert np.linalg.norm(joints["thumb_tip"] - joints["index_tip"]) < 0.024  # tips are on the nails' side


@pytest.mark.parametrize("gesture", ["fist", "one", "victory", "three", "four", "rock"])
def test_folded_thumbs_lie_across_the_palm(gesture):
    thumb = joints_of(gesture)["thumb_tip"]
    flat = joints_of("flat")
    assert thumb[2] < flat["index_mcp"][2] + 0.004  # no longer beside the hand
    assert thumb[1] < flat["index_mcp"][1] - 0.01  # but in front of the palm


@pytest.mark.parametrize("gesture", ["thumbs_up", "call_me", "gun", "three2", "palm"])
def test_thumbs_that_stick_out_do(gesture):
    assert joints_of(gesture)["thumb_tip"][2] > joints_of("flat")["index_mcp"][2] + 0.04


def test_fingers_of_a_fist_touch_the_palm():
    joints = joints_of("fist")
    for finger in FINGERS:
        assert np.linalg.norm(joints[f"{finger}_tip"] - joints[f"{finger}_mcp"]) < 0.035


def test_gesture_table_is_within_limits_and_collides_nowhere():
    for name, gesture in GESTURES.items():
        angles = gesture.angles_deg()
        assert (angles >= LOWER_DEG).all() and (angles <= UPPER_DEG).all(), name
        assert SAMPLER._overlap(angles) < 0.003, name
    assert {*PINCHES, *OPEN_PINCHES} <= set(GESTURES)


def test_synergies_curl_together_and_dip_follows_pip():
    rng = np.random.default_rng(2)
    pip = np.array([synergy_angles(rng)[[2, 6, 10, 14]] for _ in range(200)])
    assert np.corrcoef(pip.T)[0, 2] > 0.8
    single = np.array([independent_angles(rng) for _ in range(200)])
    assert abs(np.corrcoef(single[:, 2], single[:, 10])[0, 1]) < 0.25
    assert (single[:, 3] <= single[:, 2] + 15).all()
    assert np.abs(np.diff(single[:, [0, 4, 8, 12]], axis=1)).max() <= 60


def test_sampling_is_cheap():
    rng = np.random.default_rng(3)
    start = time.process_time()
    for _ in range(200):
        SAMPLER.sample(rng)
    assert (time.process_time() - start) / 200 < 3e-3


def test_without_contact_no_fingertip_touches_the_thumb_and_with_more_there_are_more():
    drawn = {}
    for contact in (0.0, 1.0, 5.0):
        sampler, rng = PoseSampler(ARRAYS, PoseMixture(contact=contact)), np.random.default_rng(0)
        drawn[contact] = np.mean([shows_contact(sampler.sample(rng)[1]) for _ in range(300)])
    assert drawn[0.0] == 0 and 0.2 < drawn[1.0] < 0.6 < drawn[5.0]


def test_a_gestures_weight_is_an_option_and_the_others_keep_theirs():
    mixture = PoseMixture(weights={"one": "30", "fist": "0"})
    weights = mixture.gesture_weights()
    assert weights == PoseMixture().gesture_weights() | {"one": 30.0, "fist": 0.0}
    sampler, rng = PoseSampler(ARRAYS, mixture), np.random.default_rng(0)
    drawn = [sampler._any_gesture(rng) for _ in range(3000)]
    assert drawn.count("one") / 3000 == pytest.approx(30 / sum(weights.values()), abs=0.04) and "fist" not in drawn
    assert PoseMixture(contact=2, weights={"ok": "3"}).gesture_weights()["ok"] == 6
    with pytest.raises(ValueError, match="weights of which one is above 0"):
        PoseMixture(weights=dict.fromkeys(GESTURES, "0"))


def test_a_pose_is_a_named_gesture_only_by_itself():
    assert shown_gesture("gesture:ok") == "ok"
    assert not any(map(shown_gesture, ("between:palm-one", "pinch:ok-palm", "synergy", "file:3")))


def test_contact_is_read_from_the_source_of_a_pose():
    assert shows_contact("gesture:ok") and shows_contact("pinch:pinch-palm") and shows_contact("between:palm-tripod")
    assert not any(map(shows_contact, ("gesture:fist", "synergy", "independent", "between:palm-one")))


def test_contact_out_of_range_names_its_key():
    with pytest.raises(ValueError, match=r"poses\.contact=-1"):
        PoseMixture(contact=-1)
    with pytest.raises(ValueError, match="one of them above 0"):
        PoseMixture(gesture=0, between=0, synergy=0, independent=0, contact=0)
