import dataclasses

import numpy as np
import pytest

from synth.common.conventions import DEPTH_STEP_M
from synth.dataset.sample import decode_sample, encode_sample


def test_encode_and_decode_keep_everything_within_the_steps_on_disk(sample):
    back = decode_sample(encode_sample(sample))
    assert np.abs(back.depth_m - sample.depth_m).max() <= DEPTH_STEP_M / 2 + 1e-7
    assert (back.segmentation == sample.segmentation).all() and (back.visible == sample.visible).all()
    assert np.abs(back.rgb.astype(int) - sample.rgb).max() < 8
    for name in ("K", "joints_px", "joints_cam", "pose_aa", "betas", "transl"):
        assert np.allclose(getattr(back, name), getattr(sample, name), atol=1e-4), name
    for name in ("index", "seed", "handedness", "hand_model", "scene", "key"):
        assert getattr(back, name) == getattr(sample, name)


def test_zero_depth_stays_no_measurement(sample):
    back = decode_sample(encode_sample(sample))
    assert ((back.depth_m == 0) == (sample.depth_m == 0)).all()


def test_the_same_sample_gives_the_same_bytes(sample):
    assert encode_sample(sample) == encode_sample(dataclasses.replace(sample))


@pytest.mark.parametrize("name", ["rgb.jpg", "depth.png", "seg.png", "json"])
def test_a_missing_or_broken_member_is_named(sample, name):
    members = encode_sample(sample)
    with pytest.raises(ValueError, match=name.split(".")[0]):
        decode_sample(members | {name: b"nonsense"})
    del members[name]
    with pytest.raises(ValueError, match=name):
        decode_sample(members)
