"""Each reader's joints against numbers worked out by hand: order, units, frames, handedness, boxes, splits."""

from pathlib import Path

import numpy as np
import pytest

from dualmod.data.readers import coco, h3d
from dualmod.data.readers.dexycb import split_indices
from dualmod.data.readers.h3d import split_of
from synth.common.conventions import JOINT_NAMES, LEFT, RIGHT, UNKNOWN
from tests.dualmod.data.readers.written import (
    HAND_M,
    HAND_PX,
    INTERHAND_ORDER,
    RHD_ORDER,
    STB_ORDER,
    K,
    image,
    ordered,
    write_json,
)


def assert_hand(labelled, row: int, *, moved_m=(0, 0, 0)) -> None:
    np.testing.assert_allclose(labelled.joints_cam[row], HAND_M + moved_m, atol=1e-6)


def test_freihand(opened):
    reader = opened("freihand")
    labelled = reader.labelled("test")
    assert labelled.files == ("evaluation/rgb/00000000.jpg",) and labelled.handedness == (RIGHT,)
    assert_hand(labelled, 0)
    np.testing.assert_allclose(labelled.joints_px[0], HAND_PX)
    np.testing.assert_allclose(labelled.boxes_px[0], [10, 0, 50, 20])
    trained = reader.labelled("train")
    assert len(trained) == 2 and len(reader.images("adapt")) == 8
    np.testing.assert_allclose(trained.joints_px[1, 20], [10 + 100 * 0.2 / 0.6, 20 - 100 * 0.1 / 0.6])
    write_json(reader.path / "evaluation_K.json", [K.tolist()] * 2)
    with pytest.raises(ValueError, match=r"evaluation_K\.json is not as expected \(2 cameras for 1 samples\)"):
        reader.labelled("test")


def test_rhd_takes_each_hand_that_can_be_seen(opened):
    labelled = opened("rhd").labelled("test")
    assert labelled.handedness == (LEFT, RIGHT, RIGHT)
    assert [f[-9:] for f in labelled.files] == ["00000.png", "00000.png", "00001.png"]
    assert_hand(labelled, 0)
    assert_hand(labelled, 1, moved_m=(0.1, 0, 0))
    np.testing.assert_allclose(labelled.joints_px[1], HAND_PX + np.array([20, 0]))
    assert labelled.visible[1].all() and np.flatnonzero(~labelled.visible[2]).tolist() == [1, 2, 3, 4]


def test_stb_moves_into_the_colour_camera(opened):
    """The rotation is so small that minus its cross product says it to 0.05 mm: 500 mm ahead is (5.98, 2.655) aside."""
    reader = opened("stb")
    labelled = reader.labelled("test")
    assert len(labelled) == 22 and set(labelled.handedness) == {LEFT}
    np.testing.assert_allclose(labelled.joints_cam[0, 5], [0.00598, 0.002655, 0.5], atol=1e-4)
    np.testing.assert_allclose(labelled.joints_px[0, 5], [322.054, 239.665], atol=0.1)
    assert labelled.visible[:, 1:].all() and not labelled.visible[:, 0].any()
    assert [p.name for p in reader.images("adapt")[:3]] == ["SK_color_0.png", "SK_color_1.png", "SK_color_2.png"]
    assert len(reader.images("adapt")) == 110 and reader.images("adapt")[10].name == "SK_color_10.png"


def test_stb_puts_the_wrist_beyond_the_palm(opened):
    """Ring MCP is joint 13, and the palm's centre is where our hand has its wrist: the wrist is at minus joint 13."""
    labelled = opened("stb").labelled("test_bb")
    np.testing.assert_allclose(labelled.joints_cam[0, 1:], HAND_M[1:])
    np.testing.assert_allclose(labelled.joints_cam[0, 0], [-0.13, 0.065, 0.5])
    assert labelled.files[0] == "images/B1Counting/BB_left_0.png"
    np.testing.assert_allclose(labelled.K[0], [[822.79041, 0, 318.47345], [0, 822.79041, 250.31296], [0, 0, 1]])


def test_h3d_is_scaled_to_a_bone_of_40_mm(opened):
    """Neighbouring joints of the made-up hand lie sqrt(125) mm apart; a bone of 40 mm makes the hand larger by that."""
    reader = opened("h3d")
    labelled = reader.labelled("test")
    scale = 40 / np.sqrt(125)
    np.testing.assert_allclose(labelled.joints_cam[0], HAND_M * scale)
    np.testing.assert_allclose(labelled.joints_px[0], HAND_PX)
    assert set(labelled.handedness) == {UNKNOWN} and not any("hand_0" in f for f in labelled.files)
    test, train = (set(reader.images(split)) for split in ("test", "adapt"))
    assert len(test | train) == 20 and not test & train
    assert {reader.path / f for f in labelled.files} < test
    # only the label file says which images show an object, so a target has them, and the reader says so
    assert any(path.stem == "hand_0" for path in train)
    assert "all images of its\n  split, those with an object too" in h3d.__doc__
    # the split of an image must never change
    assert [split_of(f"part1/{k}.jpg") for k in range(8)] == H3D_SPLITS


H3D_SPLITS = ["train", "train", "train", "test", "train", "train", "test", "test"]


def test_mvhand_puts_the_hand_into_each_camera(opened):
    labelled = opened("mvhand").labelled("test")
    assert len(labelled) == 2 * 2 * 4 and set(labelled.handedness) == {RIGHT}
    assert labelled.files[:4] == tuple(f"9-17-1-2/rgb/00000_{view}.jpg" for view in range(4))
    assert_hand(labelled, 0)
    assert_hand(labelled, 2, moved_m=(-0.1, 0, 0.5))
    np.testing.assert_allclose(labelled.joints_px[2, 20], [313.715 + 619.475 * 0.1, 223.921 - 619.189 * 0.1])


def test_ho3d_turns_from_opengl(opened):
    reader = opened("ho3d")
    trained = reader.labelled("train")
    assert trained.files == ("train/MC1/rgb/0000.png",) and len(reader.images("adapt")) == 2
    assert_hand(trained, 0)
    labelled = reader.labelled("test")
    assert labelled.files == ("evaluation/SM1/rgb/0000.jpg",) and labelled.handedness == (RIGHT,)
    assert_hand(labelled, 0)
    np.testing.assert_allclose(labelled.joints_px[0], HAND_PX, atol=1e-9)
    assert labelled.boxes_px[0].tolist() == [5, 6, 55, 46]
    write_json(reader.path / "evaluation_xyz.json", [])
    with pytest.raises(ValueError, match="0 hands for 1 lines"):
        reader.labelled("test")


def test_dexycb_leaves_out_frames_without_a_hand(opened):
    reader = opened("dexycb")
    labelled = reader.labelled("s0_val")
    assert len(labelled) == 2 * 20 * 8 and len(reader.images("s0_val")) == 2 * 20 * 9
    assert labelled.handedness == (RIGHT,) * 160 + (LEFT,) * 160
    assert labelled.files[0] == "20200709-subject-01/2020_000004/836212060125/color_000000.jpg"
    assert_hand(labelled, 0)
    np.testing.assert_allclose(labelled.joints_px[0], HAND_PX, atol=1e-4)
    (reader.path / "20200709-subject-01" / "2020_000000").rmdir()
    with pytest.raises(FileNotFoundError, match="20200709-subject-01 has 99 of 100 sequences"):
        reader.labelled("s0_val")


def test_dexycb_knows_a_person_by_the_date(opened):
    """Names of the first releases are read too, and a missing folder is named as the current one has it."""
    reader = opened("dexycb")
    old = reader.path / "20200709-weiy"
    (reader.path / "20200709-subject-01").rename(old)
    labelled = reader.labelled("s0_val")
    assert labelled.files[0] == "20200709-weiy/2020_000004/836212060125/color_000000.jpg" and len(labelled) == 320
    assert reader.images("s0_val")[0].is_relative_to(old)
    (reader.path / "20200813-subject-02").rename(reader.path / "elsewhere")
    with pytest.raises(
        FileNotFoundError, match=r"20200813-subject-02; unpack 20200813-subject-02\.tar\.gz of https://dex"
    ):
        reader.images("s0_val")


def test_dexycbs_setups():
    """People, views and sequences of each person, as the toolkit lists them."""
    sizes = {(s, p): tuple(len(ids) for ids in split_indices(s, p)) for s in ("s0", "s1", "s2", "s3")
             for p in ("train", "val", "test")}  # fmt: skip
    assert (
        sizes["s0", "train"] == (10, 8, 80) and sizes["s0", "val"] == (2, 8, 20) and sizes["s0", "test"] == (8, 8, 20)
    )
    assert sizes["s1", "train"] == (7, 8, 100) and sizes["s1", "test"] == (2, 8, 100)
    assert sizes["s2", "train"] == (10, 6, 100) and sizes["s2", "val"] == sizes["s2", "test"] == (10, 1, 100)
    assert (
        sizes["s3", "train"] == (10, 8, 75) and sizes["s3", "val"] == (10, 8, 10) and sizes["s3", "test"] == (10, 8, 15)
    )
    assert split_indices("s3", "val")[2] == [15, 16, 17, 18, 19, 95, 96, 97, 98, 99]
    assert split_indices("s1", "val") == ([6], list(range(8)), list(range(100)))


def test_interhand_takes_single_hands_from_the_world_into_the_camera(opened):
    """The world's y is the camera's x, so the left hand, 50 mm along y, lies 50 mm to the right."""
    reader = opened("interhand")
    labelled = reader.labelled("test")
    assert labelled.handedness == (RIGHT, LEFT) and len(reader.images("adapt")) == 2
    assert_hand(labelled, 0)
    np.testing.assert_allclose(labelled.joints_px[0], HAND_PX, atol=1e-9)
    np.testing.assert_allclose(labelled.joints_px[1, 9], HAND_PX[9] + np.array([10, 0]), atol=1e-9)
    assert np.flatnonzero(~labelled.visible[1]).tolist() == [4] and np.isnan(labelled.joints_cam[1]).all()


def test_interhand_of_the_first_release(opened):
    reader = opened("interhand")
    (reader.path / "annotations" / "test").rename(reader.path / "annotations" / "all")
    assert reader.labelled("test").handedness == (RIGHT, LEFT)
    (reader.path / "annotations" / "val").rename(reader.path / "annotations" / "machine_annot")
    assert reader.labelled("val").handedness == (RIGHT, LEFT)


def test_interhand_leaves_sequences_of_two_hands_out_of_a_target(opened):
    sequences = {path.parts[-3] for path in opened("interhand").images("adapt")}
    assert sequences == {"ROM03_RT_No_Occlusion", "ROM03_LT_No_Occlusion"}


def test_onehand10k(opened):
    labelled = opened("onehand10k").labelled("test")
    np.testing.assert_allclose(labelled.joints_px[0], HAND_PX)
    assert labelled.visible[0].all() and np.flatnonzero(~labelled.visible[1]).tolist() == [20]
    assert labelled.handedness == (UNKNOWN,) * 2 and labelled.files[1] == "Test/source/1.jpg"


def test_onehand10k_names_a_line_of_another_length(opened):
    reader = opened("onehand10k")
    with (reader.path / "Test" / "label_joint.txt").open("a") as file:
        file.write("2.jpg,64,48,1,5,5\n")
    with pytest.raises(ValueError, match="line 3 has 2 numbers for 21 joints"):
        reader.labelled("test")


def test_coco_wholebody_has_two_hands_of_a_person(opened):
    reader = opened("coco")
    labelled = reader.labelled("test")
    assert labelled.handedness == (LEFT, RIGHT) and labelled.files == ("val2017/000000000139.jpg",) * 2
    np.testing.assert_allclose(labelled.joints_px[0], HAND_PX)
    np.testing.assert_allclose(labelled.joints_px[1, 1:], HAND_PX[1:] + np.array([5, 0]))
    assert np.flatnonzero(~labelled.visible[1]).tolist() == [0]
    np.testing.assert_allclose(labelled.boxes_px, [[9.5, -0.5, 49.5, 19.5], [16.5, -0.5, 54.5, 18.5]])
    assert [p.parent.name for p in reader.images("adapt")] == ["train2017"]
    assert [p.parent.name for p in reader.images("test")] == ["val2017"]


def test_coco_of_one_file_with_paths_below_the_folder(opened):
    """MMPose's conversion of OneHand10K."""
    reader = opened("onehand10k")
    points = np.concatenate([HAND_PX, np.full((21, 1), 2)], 1).ravel().tolist()
    content = {
        "images": [{"id": 7, "file_name": "Test/source/0.jpg"}],
        "annotations": [{"id": 1, "image_id": 7, "keypoints": points, "bbox": [0, 0, 0, 0]}],
    }
    write_json(reader.path / "annotations" / "onehand10k_test.json", content)
    image(reader.path / "Train" / "mask" / "0.png")
    assert {path.parent.name for path in coco.Layout(reader.path).images("adapt")} == {"source"}
    labelled = coco.Layout(reader.path).labelled("test")
    assert labelled.files == ("Test/source/0.jpg",) and labelled.handedness == (UNKNOWN,)
    np.testing.assert_allclose(labelled.boxes_px, [[10, 0, 50, 20]])
    write_json(reader.path / "annotations" / "onehand10k_train.json", content)
    write_json(reader.path / "annotations" / "onehand10k_test.json", {"images": []})
    with pytest.raises(ValueError, match=r"onehand10k_test\.json is not as expected \(no entry 'annotations'\)"):
        coco.Layout(reader.path).labelled("test")
    with pytest.raises(FileNotFoundError, match="no file in annotations for split=val but"):
        coco.Layout(reader.path).labelled("val")


def mmpose_rhd(root: Path, *, description: str, order: list[str], names: list[str], hands: int = 1) -> coco.Layout:
    """MMPose's conversion of RHD, as its test file shows it, of hands whose bones shorten towards the tips."""
    steps = np.array([0, 5, 8, 10])
    points = np.array([(30, 47), *((10 * finger + 5, 35 - step) for finger in range(5) for step in steps)], float)
    joints_m = np.concatenate([(points - K[:2, 2]) / 100, np.ones((21, 1))], 1)
    keypoints = np.concatenate([points, np.ones((21, 1))], 1)
    content = {
        "info": {"description": description},
        "images": [{"id": 7, "file_name": "evaluation/color/00007.png",
                    "cam_param": {"focal": [100, 100], "princpt": [10, 20]}}],
        "annotations": [{"id": k, "image_id": 7, "category_id": 1, "bbox": [5, 25, 40, 22], "hand_type": "left",
                         "keypoints": ordered(keypoints, order).tolist(),
                         "joint_cam": (1000 * ordered(joints_m, order)).tolist()} for k in range(hands)],
        "categories": [{"id": 1, "name": "hand", "keypoints": names}],
    }  # fmt: skip
    write_json(root / "annotations" / "rhd_test.json", content)
    for folder in ("color", "depth", "mask"):
        image(root / "evaluation" / folder / "00007.png")
    return coco.Layout(root)


NUMBERED = ["wrist", *(f"{finger}{k}" for finger in ("thumb", "forefinger", "middle_finger", "ring_finger",
                                                     "pinky_finger") for k in range(1, 5))]  # fmt: skip


def test_coco_reads_mmposes_rhd_from_the_tips(tmp_path):
    """Nested keypoints; thumb1 is the tip of the thumb, at 10 px above the base, and thumb4 the base."""
    reader = mmpose_rhd(tmp_path, description="RHD", order=RHD_ORDER, names=NUMBERED)
    labelled = reader.labelled("test")
    np.testing.assert_allclose(labelled.joints_px[0, :6], [[30, 47], [5, 35], [5, 30], [5, 27], [5, 25], [15, 35]])
    np.testing.assert_allclose(labelled.joints_cam[0, 4], [-0.05, 0.05, 1])
    assert labelled.handedness == (LEFT,) and labelled.visible.all()
    assert [path.parent.name for path in reader.images("test")] == ["color"]


def test_coco_goes_by_the_names_of_keypoints(tmp_path):
    expected = mmpose_rhd(tmp_path, description="", order=list(JOINT_NAMES), names=NUMBERED).labelled("test")
    numbered_stb = [NUMBERED[JOINT_NAMES.index(name)] for name in STB_ORDER]
    for order, names in ((INTERHAND_ORDER, INTERHAND_ORDER), (STB_ORDER, numbered_stb)):
        labelled = mmpose_rhd(tmp_path, description="", order=order, names=names).labelled("test")
        np.testing.assert_allclose(labelled.joints_px, expected.joints_px)
        np.testing.assert_allclose(labelled.joints_cam, expected.joints_cam)
    reader = mmpose_rhd(tmp_path, description="", order=RHD_ORDER, names=["palm", *NUMBERED[1:]])
    with pytest.raises(
        ValueError, match=r"rhd_test\.json: names of keypoints are unknown \(palm, thumb1.*legal: wrist"
    ):
        reader.labelled("test")


@pytest.mark.parametrize(("description", "order"), [("", RHD_ORDER), ("RHD", list(JOINT_NAMES))])
def test_coco_refuses_fingers_that_run_the_other_way_round(tmp_path, description, order):
    """The names are the same in either case, so that ten hands must agree with what the file says."""
    reader = mmpose_rhd(tmp_path, description=description, order=order, names=NUMBERED, hands=10)
    with pytest.raises(ValueError, match=r"fingers of annotations/rhd_test\.json run the other way round"):
        reader.labelled("test")
    other = "" if description else "RHD"
    assert len(mmpose_rhd(tmp_path, description=other, order=order, names=NUMBERED, hands=10).labelled("test")) == 10


def test_cmu(opened):
    labelled = opened("cmu").labelled("test")
    assert labelled.handedness == (LEFT, RIGHT) and labelled.files[0] == "manual_test/hand_0.jpg"
    np.testing.assert_allclose(labelled.joints_px[0, 5:], HAND_PX[5:])
    assert np.flatnonzero(~labelled.visible[0]).tolist() == [4]
