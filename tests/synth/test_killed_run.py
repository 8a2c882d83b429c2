"""A run that is killed without warning, again and again, ends with the bytes of an undisturbed one."""

import multiprocessing
import time

import numpy as np
import pytest

from synth.dataset.manifest import MANIFEST_FILE
from synth.dataset.verify import verify
from synth.generate import GenerateConfig, generate

OPTIONS = dict(num_samples=40, shard_size=2, image_size=48, seed=7, workers=1)
KILLS = 10


@pytest.mark.slow
def test_ten_kills_at_random_moments_leave_the_same_bytes(tmp_path):
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.synth.warm_generator"])

    def start(out):
        process = context.Process(target=generate, args=(GenerateConfig(out=str(out), **OPTIONS),))
        process.start()
        return process

    start(tmp_path / "undisturbed").join()
    before = time.monotonic()
    start(tmp_path / "again").join()
    whole_s = time.monotonic() - before
    rng = np.random.default_rng(0)
    out, kills, finished = tmp_path / "killed", 0, []
    for attempt in range(3 * KILLS):
        process = start(out)
        goal = num_shards(out) + rng.integers(4)  # by progress: a busy machine may take any time to begin
        while process.is_alive() and num_shards(out) < goal:
            time.sleep(whole_s / 200)
        process.join(rng.uniform(0, whole_s / 10))
        kills += process.is_alive()
        process.kill()
        process.join()
        finished.append(num_shards(out))
        if kills == KILLS:
            break
        if (out / MANIFEST_FILE).exists():
            out.rename(tmp_path / f"killed_{attempt}")
    assert kills == KILLS and len(set(finished)) > 2
    start(out).join()
    folders = [tmp_path / "again", *tmp_path.glob("killed*")]
    for folder in folders:
        assert verify(folder).faults == []
        assert contents(folder) == contents(tmp_path / "undisturbed")
        assert not list(folder.glob(".*"))


def num_shards(folder):
    return len(list(folder.glob("shard-*.tar")))


def contents(folder):
    return {f.name: f.read_bytes() for f in folder.iterdir() if f.suffix == ".tar" or f.name == MANIFEST_FILE}
