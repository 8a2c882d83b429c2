"""A thousand photos in a row: one that cannot be read is named, and no photo stays in memory."""

import json
import weakref
from pathlib import Path

import cv2
import numpy as np
import pytest

from dualmod.inference import image_run as module
from dualmod.inference.detectors import GivenBox
from dualmod.inference.image_io import Photo, PhotoFile, photo_files
from dualmod.inference.image_run import DepthSource, PhotoRun
from dualmod.inference.json_output import Origin
from dualmod.inference.top_down import Camera, TopDownEstimator
from tests.dualmod.disc_predictor import DiscPredictor, disc_image

ORIGIN = Origin("net.safetensors", "0" * 64, "open", "given")
K = np.array([[200.0, 0, 80], [0, 200, 60], [0, 0, 1]])


def estimator(camera: Camera | None = None, **options) -> TopDownEstimator:
    box = GivenBox((10.0, 10.0, 120.0, 110.0))
    return TopDownEstimator(DiscPredictor(), box, "given", camera or Camera(), **options)  # type: ignore[arg-type]


def predicted(run: PhotoRun, files: list[PhotoFile], out: Path) -> None:
    for one in run.readable(files):
        run.predict(one, out)


def test_an_unreadable_file_among_a_thousand_is_skipped_named_and_counted(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "hands_overlay", lambda image, hands: image[::10, ::10].copy())
    photo = cv2.imencode(".jpg", disc_image(60, 60))[1].tobytes()
    (tmp_path / "in").mkdir()
    for k in range(1000):
        (tmp_path / "in" / f"{k:04d}.jpg").write_bytes(photo if k != 437 else b"not a photo")
    run = PhotoRun(estimator(), ORIGIN, None)
    seen: list[weakref.ref] = []
    most = 0
    files, _ = photo_files(str(tmp_path / "in"), tmp_path / "out", frozenset())
    for one in run.readable(files):
        seen.append(weakref.ref(one.photo.pixels))
        most = max(most, sum(photo() is not None for photo in seen[-10:]))
        run.predict(one, tmp_path / "out")
    told = run.to_json()
    assert told["photos"] == told["hands"] == 999 and most <= 2 and not any(photo() is not None for photo in seen[:-1])
    assert [one["file"] for one in told["skipped"]] == [str(tmp_path / "in" / "0437.jpg")]
    assert len(list((tmp_path / "out").iterdir())) == 2 * 999
    assert any("left out 1 of 1000 files" in line and "0437.jpg" in line for line in run.lines(tmp_path / "out"))


def test_nothing_readable_is_an_error_with_the_first_reason(tmp_path):
    (tmp_path / "a.jpg").write_text("hello")
    with pytest.raises(ValueError, match=r"none of 1 photos can be used; .*a.jpg: its content is no image"):
        PhotoRun(estimator(), ORIGIN, None).readable([PhotoFile(tmp_path / "a.jpg", Path("a.jpg"), "a")])


def test_depth_and_K_give_a_metric_root(tmp_path):
    """A wall at 0.5 m with the hand's map before it: the root is a finger's thickness behind 0.5 m."""
    cv2.imwrite(str(tmp_path / "a.png"), disc_image(60, 60, radius=40))
    cv2.imwrite(str(tmp_path / "d.png"), np.full((120, 160), 4000, np.uint16))
    run = PhotoRun(estimator(Camera(K, 0.09)), ORIGIN, DepthSource(tmp_path / "d.png", 1 / 8000))
    predicted(run, [PhotoFile(tmp_path / "a.png", Path("a.png"), "a")], tmp_path / "out")
    told = json.loads((tmp_path / "out/a.json").read_text())
    (hand,) = told["hands"]
    assert hand["scale"] == "metric" and hand["bone_m"] == 0.09 and hand["depth_joints"] > 10
    assert 0.45 < hand["root_cam"][2] < 0.55 and told["camera"] == {"K": K.tolist(), "source": "given"}
    ray = np.linalg.inv(K) @ [*hand["joints_px"][9], 1]
    np.testing.assert_allclose(np.array(hand["root_cam"]) / hand["root_cam"][2], ray, atol=1e-3)


@pytest.mark.parametrize(
    ("camera", "depth", "orientation", "told"),
    [
        (Camera(K * [[4], [4], [1]]), None, 1, "K has its principal point (320, 240) outside the upright image of 160"),
        (Camera(K), "gone", 1, "no depth map: neither a.png nor a.npy"),
        (Camera(K), "small.npy", 1, "has 3 x 2 px, its photo 160 x 120"),
        (Camera(K), "small.npy", 6, "turned by its EXIF orientation 6, its depth map is not"),
    ],
)
def test_camera_and_depth_that_do_not_fit_the_photo(tmp_path, monkeypatch, camera, depth, orientation, told):
    monkeypatch.setattr(module, "read_photo", lambda path: Photo(disc_image(60, 60), orientation))
    (tmp_path / "gone").mkdir()
    np.save(tmp_path / "small.npy", np.ones((2, 3), np.float32))
    run = PhotoRun(estimator(camera), ORIGIN, DepthSource(tmp_path / depth, 0.001) if depth else None)
    with pytest.raises(ValueError, match="none of 1 photos"):
        run.readable([PhotoFile(tmp_path / "a.png", Path("a.png"), "a")])
    assert told in run.skipped[0].reason


def test_unsure_hands_are_left_out_and_the_photo_is_counted(tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((120, 160, 3), np.uint8))
    run = PhotoRun(estimator(min_confidence=0.3), ORIGIN, None)
    predicted(run, [PhotoFile(tmp_path / "a.png", Path("a.png"), "a")], tmp_path / "out")
    assert json.loads((tmp_path / "out/a.json").read_text())["hands"] == []
    assert run.to_json()["photos_without_hand"] == 1 and (tmp_path / "out/a.jpg").exists()
