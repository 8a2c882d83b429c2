"""Video in, annotated video and JSON lines out; what cannot be read ends before anything is written."""

import json

import cv2
import numpy as np
import pytest

from dualmod.inference.detectors import SlidingWindowDetector
from dualmod.inference.json_output import Origin
from dualmod.inference.one_euro import OneEuroConfig
from dualmod.inference.top_down import TopDownEstimator
from dualmod.inference.video_run import VideoRun
from tests.dualmod.disc_predictor import DiscPredictor, disc_image

ORIGIN = Origin("net.safetensors", "0" * 64, "open", "windows")


def written_video(path, frames, rate: float = 25.0):
    height, width = frames[0].shape[:2]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), rate, (width, height))
    for frame in frames:
        writer.write(np.ascontiguousarray(frame[..., ::-1]))
    writer.release()
    return path


def run_on(path, one_euro=None, predictor=None) -> VideoRun:
    predictor = predictor or DiscPredictor()
    return VideoRun(path, TopDownEstimator(predictor, SlidingWindowDetector(predictor), "windows"), ORIGIN, one_euro)


@pytest.fixture
def clip(tmp_path):
    """A disc that moves by 5 px a frame."""
    return written_video(tmp_path / "clip.mp4", [disc_image(40 + 5 * k, 60) for k in range(12)])


def test_a_row_and_a_frame_for_each_frame(clip, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    run = run_on(clip, OneEuroConfig())
    run.predict(out)
    rows = [json.loads(line) for line in (out / "clip.jsonl").read_text().splitlines()]
    assert [row["frame"] for row in rows] == list(range(12)) and rows[5]["time_s"] == pytest.approx(0.2)
    for k, row in enumerate(rows):
        (hand,) = row["hands"]
        np.testing.assert_allclose(np.mean(hand["joints_px_raw"], 0), [40 + 5 * k, 60], atol=1.5)
        lag = np.mean(hand["joints_px_raw"], 0)[0] - np.mean(hand["joints_px"], 0)[0]
        assert hand["track"] == 0 and hand["scale"] == "relative" and -1 < lag < 15
    assert sorted(p.name for p in out.iterdir()) == ["clip.jsonl", "clip.mp4"]
    copy = cv2.VideoCapture(str(out / "clip.mp4"))
    shown = [copy.read() for _ in range(13)]
    assert [ok for ok, _ in shown] == [True] * 12 + [False] and copy.get(cv2.CAP_PROP_FPS) == 25
    assert shown[0][1].shape == (480, 640, 3)
    near = shown[0][1][200:280, 60:260].reshape(-1, 3)
    assert (np.ptp(near.astype(int), axis=1) > 80).sum() > 100  # the disc is white, the fingers are not
    told = run.to_json()
    assert told["frames"] == told["hands"] == 12 and told["frames_per_second"] == 25 and told["searches"] == 1
    assert told["jitter_raw"]["frames"] == 10 and told["jitter_smoothed"]["px_per_frame2"] > 0
    assert sum(part["share"] for part in told["timings"].values()) == pytest.approx(1, abs=1e-3)


def test_without_smoothing_joints_are_those_predicted(clip, tmp_path):
    run = run_on(clip)
    run.predict(tmp_path)
    rows = [json.loads(line) for line in (tmp_path / "clip.jsonl").read_text().splitlines()]
    assert all(hand["joints_px"] == hand["joints_px_raw"] for row in rows for hand in row["hands"])
    assert run.to_json()["jitter_smoothed"] is None


@pytest.mark.parametrize("data", [b"", b"no video at all" * 50])
def test_a_video_without_frames_is_refused(tmp_path, data):
    (tmp_path / "a.mp4").write_bytes(data)
    with pytest.raises(ValueError, match=r"a.mp4 has no frame that can be decoded"):
        run_on(tmp_path / "a.mp4")


def test_nothing_is_left_when_it_fails_on_the_way(clip, tmp_path):
    class Failing(DiscPredictor):
        def predict(self, *args, **kwargs):
            if len(self.boxes) > 8:
                raise RuntimeError("out of memory")
            return super().predict(*args, **kwargs)

    out = tmp_path / "out"
    out.mkdir()
    with pytest.raises(RuntimeError):
        run_on(clip, predictor=Failing()).predict(out)
    assert list(out.iterdir()) == []
