"""Videos as targets: every frame, in order, in any order, and in another process's copy."""

import pickle

import cv2
import numpy as np
import pytest

from dualmod.data.image_sets import open_labelled, open_target
from dualmod.data.video import Video, VideoFrame

GREYS = [20, 60, 100, 140, 180, 220]


@pytest.fixture
def clip(tmp_path):
    """Six frames, each of its own grey, the last third of each red."""
    path = tmp_path / "clip.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 10, (96, 64))
    if not writer.isOpened():
        pytest.skip("this OpenCV writes no video")
    for grey in GREYS:
        frame = np.full((64, 96, 3), grey, np.uint8)
        frame[:, 64:] = (0, 0, 255)
        writer.write(frame)
    writer.release()
    return path


def test_a_video_is_all_of_its_frames_in_order_red_first(clip):
    for entry in (clip, f"video:{clip}"):
        target = open_target(entry)
        assert [frame.name for frame in target.paths] == [f"clip.avi#{k}" for k in range(6)]
        np.testing.assert_allclose([image[:, :48].mean() for image in target], GREYS, atol=4)
        assert target[0].shape == (64, 96, 3) and target[0][32, 88, 0] > 200 > target[0][32, 88, 2]


def test_frames_come_in_any_order(clip):
    video = Video(clip)
    copy = pickle.loads(pickle.dumps(video))
    for index in (4, 1, 2, 5, 0):
        for owner in (video, copy):
            assert VideoFrame(owner, index).read()[:, :48].mean() == pytest.approx(GREYS[index], abs=4)
    with pytest.raises(ValueError, match=r"frame 9 of .*clip\.avi cannot be decoded"):
        video.frame(9)
    assert video.frame(0)[:, :48].mean() == pytest.approx(GREYS[0], abs=4)


def test_what_is_no_video_and_what_has_no_labels_is_said_in_one_line(tmp_path, clip):
    (tmp_path / "empty.mp4").write_bytes(b"no video")
    with pytest.raises(ValueError, match=r"video:.*empty\.mp4 has no frame that can be decoded"):
        open_target(tmp_path / "empty.mp4")
    with pytest.raises(FileNotFoundError, match=r"video:.*nowhere\.mp4 does not exist"):
        open_target(f"video:{tmp_path}/nowhere.mp4")
    for entry in (f"video:{clip}", f"folder:{tmp_path}"):
        with pytest.raises(ValueError, match="has no labels to measure against"):
            open_labelled("", entry, "adapt")
