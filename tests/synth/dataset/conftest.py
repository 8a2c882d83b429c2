import numpy as np
import pytest

from synth.dataset.sample import HandSample


def make_sample(index: int = 0, size: int = 32) -> HandSample:
    """A made-up sample whose labels agree with each other; no renderer is needed."""
    rng = np.random.default_rng(index)
    K = np.array([[60.0, 0, 15.5], [0, 62.0, 15.0], [0, 0, 1]])
    joints_cam = np.concatenate([rng.uniform(-0.05, 0.05, (21, 2)), rng.uniform(0.45, 0.55, (21, 1))], 1)
    projected = joints_cam @ K.T
    segmentation = np.zeros((size, size), np.uint8)
    segmentation[8:24, 8:24] = rng.integers(1, 17, (16, 16))
    depth_m = np.where(segmentation > 0, np.float32(0.5 + 0.01 * rng.random()), np.float32(0))
    return HandSample(
        index=index,
        seed=7,
        handedness="right",
        rgb=np.tile(np.arange(size, dtype=np.uint8)[:, None, None] * 4, (1, size, 3)),
        depth_m=depth_m,
        segmentation=segmentation,
        K=K,
        joints_px=projected[:, :2] / projected[:, 2:],
        joints_cam=joints_cam,
        visible=rng.random(21) < 0.7,
        pose_aa=rng.normal(size=(16, 3)),
        betas=rng.normal(size=10),
        transl=rng.normal(size=3),
        hand_model="open",
        scene={"skin": "s1", "light": "room", "pose": "gesture:fist", "photo_edge": None, "sleeve": True},
    )


@pytest.fixture
def sample() -> HandSample:
    return make_sample()


@pytest.fixture
def dataset(tmp_path):
    """A small dataset of made-up samples: 7 samples in shards of 3."""
    from synth.dataset.manifest import new_manifest, write_manifest
    from synth.dataset.shards import shard_name, write_shard

    starts = range(0, 7, 3)
    shards = [
        write_shard(tmp_path / shard_name(k), (make_sample(i) for i in range(start, min(start + 3, 7))))
        for k, start in enumerate(starts)
    ]
    write_manifest(tmp_path, new_manifest({"seed": 7}, "open", ["a licence"], shards))
    return tmp_path
