"""Training data that is rendered when it is wanted: the stored hands, in order, and held-out ones from elsewhere."""

import numpy as np
import pytest
import torch

from dualmod.data.augment import AugmentConfig
from dualmod.data.online_rendering import HELD_OUT_FIRST, MOST_HELD_OUT, StreamedHands, render_config
from dualmod.data.synthetic import PairedBatches, held_out_batches, labelled_hand
from synth.dataset import SampleStore


@pytest.fixture(scope="module")
def hands() -> StreamedHands:
    """The hands of tiny_data, without its disk."""
    return StreamedHands(render_config({"image_size": "64"}), num_samples=100, holdout=0.05)


def test_hands_are_those_of_the_dataset_on_disk(hands, tiny_data):
    store = SampleStore(tiny_data)
    for index, hand in zip((2, 3, 4, 9), hands.rows([2, 3, 4, 9]), strict=True):
        stored = labelled_hand(store[index])
        for name in ("rgb", "closeness", "mask", "joints_px", "joints_depth"):
            assert np.array_equal(getattr(hand, name), getattr(stored, name)), name


def test_a_step_holds_the_samples_of_its_place_and_no_other(hands):
    batches = PairedBatches(hands, AugmentConfig(crop_px=32), steps=5, batch_size=3, seed=4)
    assert [batches.indices(step) for step in range(3)] == [[0, 1, 2], [3, 4, 5], [6, 7, 8]]
    first, again = batches[2], batches[2]
    for one, other in zip(first, again, strict=True):
        assert torch.equal(one.rgb, other.rgb) and torch.equal(one.joints_uv, other.joints_uv)


def test_held_out_renders_are_never_trained_on(hands):
    assert hands.held_out.tolist() == list(range(HELD_OUT_FIRST, HELD_OUT_FIRST + 5))
    (batch,) = held_out_batches(hands, crop_px=32, batch_size=8, margin=1.3)
    assert len(batch) == 5 and torch.isfinite(batch.rgb).all()
    many = StreamedHands(render_config({}), num_samples=10**6, holdout=0.5)
    assert len(many.held_out) == MOST_HELD_OUT


def test_a_checkpoint_will_say_what_was_rendered(hands):
    assert hands.notes["hand_model"] == "open" and "MakeHuman" in hands.notes["licence_notes"][0]
    assert hands.notes["licence_notes"][1].startswith("skinning=lbs: ")
    rendered = hands.notes["generate"]
    assert rendered["image_size"] == 64 and rendered["seed"] == 0 and "num_samples" not in rendered


def test_nested_options_and_texts_with_blanks_reach_generate():
    config = render_config({"scene": {"view": {"side": "0.3"}}, "preset": "demo", "background_dir": "a b/it's (1)"})
    assert config.scene.view.side == 0.3 and config.background_dir == "a b/it's (1)"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"image_sise": "64"}, "generate: image_sise is no option of this stage; did you mean image_size"),
        ({"image_size": "7"}, "generate: image_size=7 is not legal"),
        ({"num_samples": "9"}, "generate.num_samples=9 does not count with data=stream"),
        ({"scene": {"occluder_share": "2"}}, "scene.occluder_share=2"),
    ],
)
def test_bad_options_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        render_config(options)
