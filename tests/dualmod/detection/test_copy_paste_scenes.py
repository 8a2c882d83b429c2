"""Composed scenes: hands lie in their boxes, and nowhere else."""

import numpy as np
import pytest

from dualmod.detection.batches import SceneBatches, held_out_scenes, make_composer, scene_batch
from dualmod.detection.copy_paste_scenes import Composer, Scene
from dualmod.detection.cutouts import Cutouts, cutout
from dualmod.detection.scene_config import SceneConfig
from dualmod.detection.targets import HAND, IGNORED, NONE
from synth.dataset import SampleStore
from tests.dualmod.detection.conftest import is_magenta, make_box_hand


class Grey:
    """A folder of photos that shows nothing."""

    def sample(self, rng, size_px):
        return np.full((size_px, size_px, 3), 90, np.uint8)


PLAIN = {
    "photo_share": 1.0,
    "strength": 0.0,
    "person_share": 0.0,
    "turn_rad": 0.0,
    "any_turn_share": 0.0,
    "arm_only_share": 0.0,
}


def composed(seed: int, **changes) -> Scene:
    hand = make_box_hand()
    return Composer(SceneConfig(**{**PLAIN, **changes}), 160, Grey())(lambda: hand, np.random.default_rng(seed))


@pytest.mark.parametrize("whole_share", [0.0, 1.0])
def test_the_box_of_one_hand_is_that_of_its_pixels(whole_share):
    seen = 0
    for seed in range(30):
        scene = composed(seed, hands=[0, 1, 0, 0], whole_share=whole_share)
        rows, columns = np.nonzero(is_magenta(scene.rgb))
        if scene.kind[0] == IGNORED or not len(rows):
            continue
        seen += 1
        found = [columns.min() - 0.5, rows.min() - 0.5, columns.max() + 0.5, rows.max() + 0.5]
        assert scene.boxes_px[0] == pytest.approx(found, abs=1.6)
    assert seen > 20


def test_several_hands_hide_each_other_little_and_each_is_boxed():
    counts = np.zeros(4, int)
    for seed in range(40):
        scene = composed(seed, hands=[0, 0, 1, 1], whole_share=0.5, max_box=0.5)
        counts[len(scene.kind)] += 1
        left = is_magenta(scene.rgb)
        for x0, y0, x1, y1 in np.rint(scene.boxes_px).astype(int):
            left[max(0, y0 - 1) : y1 + 2, max(0, x0 - 1) : x1 + 2] = False
        assert not left.any()
    assert counts[2] > 5 and counts[3] > 5


def test_a_hand_may_be_larger_than_the_photo_that_it_is_pasted_into():
    for seed in range(60):
        scene = composed(seed, hands=[0, 0, 0, 1], whole_share=1.0, min_whole_box=0.05, min_box=0.9, max_overlap=1.0)
        assert len(scene.kind) == 3 and np.isfinite(scene.boxes_px).all()


def test_scenes_without_hands_show_none():
    hand = make_box_hand(arm=np.full((100, 90), 255, np.uint8) - make_box_hand().hand)
    config = SceneConfig(**{**PLAIN, "hands": [1, 0, 0, 0], "arm_only_share": 1.0})
    for seed in range(10):
        scene = Composer(config, 160, Grey())(lambda: hand, np.random.default_rng(seed))
        assert len(scene.kind) == 0 and scene.boxes_px.shape == (0, 4)
        assert is_magenta(scene.rgb).mean() < 0.01


def test_a_hand_that_is_mostly_hidden_is_left_out_of_the_loss():
    kinds = [composed(s, hands=[0, 1, 0, 0], least_visible=share).kind[0] for s in range(8) for share in (0.0, 1.0)]
    assert kinds[::2] == [HAND] * 8 and IGNORED in kinds[1::2]


def test_mirrored_hands_are_the_other_side():
    sides = {float(composed(seed, hands=[0, 1, 0, 0]).right[0]) for seed in range(12)}
    assert sides == {0.0, 1.0}


def test_batches_are_a_pure_function_of_seed_and_step(tiny_data):
    cutouts = Cutouts(tiny_data, 0.1)

    def batch(step: int, seed: int = 0, warm: bool = False):
        batches = SceneBatches(cutouts, Composer(SceneConfig(), 64), batch_size=3, seed=seed)
        if warm:
            batches(step + 1)
        return batches(step)

    first, again, other = batch(4), batch(4, warm=True), batch(4, seed=1)
    assert (first.rgb == again.rgb).all() and (first.hands.boxes_px == again.hands.boxes_px).all()
    assert (first.rgb != other.rgb).any()
    assert first[1:2].rgb.shape == (1, 3, 64, 64) and len(first) == 3


def test_padding_is_no_hand():
    scene = Scene(np.zeros((8, 8, 3), np.uint8), np.ones((1, 4)), np.ones(1), np.array([HAND]))
    hands = scene_batch([scene]).hands
    assert hands.kind.tolist() == [[HAND, NONE, NONE]] and hands.right[0, 1:].isnan().all()


def test_held_out_scenes_show_held_out_samples_alone(tiny_data):
    cutouts = Cutouts(tiny_data, 0.1)
    assert set(cutouts.train).isdisjoint(cutouts.held_out) and len(cutouts.held_out) == 2
    drawn: list[int] = []

    class Noting(Cutouts):
        def __getitem__(self, index):
            drawn.append(index)
            return super().__getitem__(index)

    held_out_scenes(Noting(tiny_data, 0.1), Composer(SceneConfig(), 64), 6)
    assert drawn and set(drawn) <= set(cutouts.held_out.tolist())


def test_a_cutout_is_the_sample_without_what_lies_beyond_its_photo(tiny_data):
    store, cutouts = SampleStore(tiny_data), Cutouts(tiny_data, 0.1)
    for index in range(len(store)):
        sample, found = store[index], cutouts[index]
        top, bottom, left, right = sample.scene["photo_edge"] or (0, 0, 0, 0)
        assert (found.rgb == sample.rgb[top : 64 - bottom, left : 64 - right]).all()
        assert found.joints_px == pytest.approx(sample.joints_px - [left, top])
        assert found.is_right == (sample.handedness == "right")
        inside = sample.segmentation[top : 64 - bottom, left : 64 - right]
        assert ((found.hand > 0) == ((inside >= 1) & (inside <= 16))).all()
        assert ((found.arm > 0) == np.isin(inside, (17, 18))).all()


def test_bad_input_is_named(tmp_path, tiny_data):
    with pytest.raises(FileNotFoundError, match="background_dir="):
        make_composer(SceneConfig(), 64, str(tmp_path / "none"))
    (tmp_path / "photo.jpg").write_text("no photo")
    with pytest.raises(ValueError, match=r"photo\.jpg cannot be read"):
        make_composer(SceneConfig(), 64, str(tmp_path))
    with pytest.raises(ValueError, match=r"holdout=1\.0 of 24 samples"):
        Cutouts(tiny_data, 1.0)
    with pytest.raises(ValueError, match=r"scene\.hands="):
        SceneConfig(hands=[1.0, 1.0])


@pytest.mark.parametrize("broken", [{"json": b"{"}, {"seg.png": b"nothing"}, {"rgb.jpg": b"nothing"}])
def test_a_damaged_sample_is_named(tiny_data, broken):
    cutouts = Cutouts(tiny_data, 0.1)
    key, members = cutouts.store.members(0)
    cutouts.store.members = lambda index: (key, {**members, **broken})  # type: ignore[method-assign]
    with pytest.raises(ValueError, match=f"sample {key} of .* is damaged"):
        cutouts[0]


def test_cutouts_know_whether_the_hand_is_alone():
    label = {"scene": {}, "joints_px": np.zeros((21, 2)), "handedness": "left", "joints_cam": np.ones((21, 3))}
    parts = np.zeros((4, 4), np.uint8)
    assert cutout(np.zeros((4, 4, 3), np.uint8), parts, label).is_alone
    parts[1, 1] = 20
    assert not cutout(np.zeros((4, 4, 3), np.uint8), parts, label).is_alone
