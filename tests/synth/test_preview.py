import cv2
import numpy as np

from synth.dataset import SampleStore
from synth.dataset.statistics import finger_flexion_deg, palm_normal, sample_statistics
from synth.preview import COLUMNS, TILE_PX, colour_depth, colour_parts, main
from tests.synth.dataset.conftest import dataset, make_sample  # noqa: F401


def test_the_preview_is_one_file_with_pictures_and_counts(dataset, tmp_path):  # noqa: F811
    out = tmp_path / "preview.html"
    assert main([f"data={dataset}", f"out={out}", "num_shown=4"]) == 0
    page = out.read_text()
    assert page.count("data:image/") == 6
    assert "gesture:fist" in page and "7 in 3 shards" in page and "a licence" in page
    assert "http" not in page


def test_a_picture_shows_each_image_beside_its_depth(dataset, tmp_path):  # noqa: F811
    out = tmp_path / "gallery.jpg"
    assert main([f"data={dataset}", f"out={out}", "num_shown=5"]) == 0
    sheet, store = cv2.imread(str(out))[..., ::-1].astype(float), SampleStore(dataset)
    assert sheet.shape == (2 * TILE_PX, COLUMNS * TILE_PX, 3)
    for place, shown in enumerate((store[0].rgb, colour_depth(store[0].depth_m))):
        tile = cv2.resize(sheet[:TILE_PX, place * TILE_PX : (place + 1) * TILE_PX], shown.shape[1::-1])
        assert np.abs(tile - shown).mean() < 12


def test_a_missing_dataset_is_one_line(tmp_path, capsys):
    assert main([f"data={tmp_path}", f"out={tmp_path / 'p.html'}"]) == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_a_straight_finger_has_no_flexion_and_a_right_angle_has_90():
    joints = np.zeros((21, 3))
    for finger in range(5):
        joints[1 + 4 * finger : 5 + 4 * finger, 0] = [1, 2, 3, 4]
    assert np.allclose(finger_flexion_deg(joints), 0, atol=1e-4)
    joints[8] = joints[7] + [0, 1, 0]
    assert np.allclose(finger_flexion_deg(joints), [0, 90, 0, 0, 0], atol=1e-4)


def test_the_palm_of_a_right_hand_with_the_thumb_at_the_right_looks_at_the_camera():
    joints = np.zeros((21, 3))
    joints[5], joints[17] = [0.3, -1, 0], [-0.3, -1, 0]
    assert np.allclose(palm_normal(joints), [0, 0, -1])


def test_statistics_of_a_sample():
    sample = make_sample(3)
    statistics = sample_statistics(sample)
    assert statistics.visible_share == sample.visible.mean()
    assert np.isclose(statistics.fill, np.ptp(sample.joints_px, axis=0).max() / 32)
    assert statistics.drawn["photo_edge"] == "False" and statistics.drawn["sleeve"] == "True"


def test_depth_and_parts_are_black_where_there_is_nothing():
    sample = make_sample(0)
    for coloured in (colour_depth(sample.depth_m), colour_parts(sample.segmentation)):
        assert (coloured[sample.segmentation == 0] == 0).all()
        assert coloured[sample.segmentation > 0].any(1).all()
    assert (colour_depth(np.zeros((4, 4))) == 0).all()
