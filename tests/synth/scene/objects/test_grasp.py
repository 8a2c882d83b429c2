import numpy as np
import pytest

from synth.scene.objects.collision_proxies import Spheres
from synth.scene.objects.grasp import MAX_DEPTH_M, TOUCH_M, HeldHand, bent_fingers, hold
from synth.scene.objects.primitives import KINDS, ProceduralThings, dressed
from tests.synth.scene.hands import gesture, random_hand

SLACK_M = 1e-6


def whole(hand):
    return HeldHand.of(hand.joints, hand.bones, hand.verts)


@pytest.fixture(scope="module")
def held():
    """Hands of the mixture with what they hold."""
    rng, things = np.random.default_rng(0), ProceduralThings()
    drawn = [(hand := random_hand(rng), hold(rng, whole(hand), things.sample(rng))) for _ in range(60)]
    return [(hand, placed) for hand, placed in drawn if placed is not None]


def test_things_are_held_and_never_deeper_in_the_hand_than_flesh_yields(held):
    assert len(held) > 8
    for hand, placed in held:
        surface = Spheres(hand.verts.astype(float), np.zeros(len(hand.verts)))
        assert placed.hull.gap_m(surface) > -MAX_DEPTH_M - SLACK_M
        assert placed.hull.gap_m(hand.bones) > -MAX_DEPTH_M - 1e-6


def test_what_is_held_touches_the_hand(held):
    for hand, placed in held:
        near = np.linalg.norm(placed.verts[:, None] - hand.verts, axis=-1).min()
        assert placed.hull.gap_m(hand.bones) < TOUCH_M and near < 0.05


def test_things_lie_on_the_palms_side_and_across_it():
    rng, things = np.random.default_rng(3), ProceduralThings()
    hand = gesture("asl_c")
    placed = [hold(rng, whole(hand), things.sample(rng)) for _ in range(40)]
    found = [p for p in placed if p is not None and p.thing.name not in ("sphere", "pen")]
    assert len(found) >= 3
    for p in found:
        assert p.t[1] < hand.joints[[5, 9, 13, 17], 1].mean()  # the back of the hand is +y
        assert abs(p.R[2, 0]) > 0.6  # the long side runs from the little finger to the index finger


def test_an_open_pinch_holds_what_is_as_thick_as_its_gap():
    rng, things = np.random.default_rng(1), ProceduralThings()
    hand = gesture("cylinder")
    ends = [11, 23]  # the last spheres of thumb and index finger
    gap_m = np.linalg.norm(np.diff(hand.bones.centres[ends], axis=0)) - hand.bones.radii[ends].sum()
    found = [p for p in (hold(rng, whole(hand), things.sample(rng)) for _ in range(20)) if p is not None]
    between = [p for p in found if np.isclose(p.thing.size_m[2], gap_m + MAX_DEPTH_M)]
    assert len(between) >= 3
    for p in between:
        assert p.hull.gaps_m(hand.bones)[ends].max() < TOUCH_M


def test_bent_fingers_are_counted_and_straight_or_shut_ones_are_not():
    assert bent_fingers(gesture("palm").joints) == 0
    assert bent_fingers(gesture("cylinder").joints) == 4
    assert bent_fingers(gesture("fist").joints) == 0


def test_the_kinds_have_the_size_they_say_and_get_colours():
    rng, things = np.random.default_rng(2), ProceduralThings()
    names = set()
    for _ in range(60):
        thing = dressed(rng, things.sample(rng))
        kind = KINDS[thing.name]
        largest = np.sort(kind.high_m)[::-1]
        assert (thing.size_m <= largest + 1e-6).all() and (thing.size_m >= np.sort(kind.low_m)[::-1] - 1e-6).all()
        assert thing.colours is not None and ((thing.colours >= 0) & (thing.colours <= 1)).all()
        names.add(thing.name)
    assert names == set(KINDS)
