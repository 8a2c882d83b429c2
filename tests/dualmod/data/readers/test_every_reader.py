"""What holds for every reader: no label is opened for a target, and an incomplete download is named in one line."""

import shutil

import numpy as np
import pytest

from dualmod.data.image_sets import LABEL_NOTES, open_labelled, open_target
from dualmod.data.readers import load_reader, open_reader, reader_names
from synth.common.conventions import LEFT, RIGHT, UNKNOWN
from tests.dualmod.data.readers.written import WRITERS

SPLITS = {"dexycb": {"test": "s0_val", "adapt": "s0_val"}}
"""Splits that the made-up layouts have, where they are not test and adapt."""
DAMAGED = {
    "cmu": "manual_test/hand_0.json",
    "coco": "annotations/coco_wholebody_val_v1.0.json",
    "dexycb": "calibration/intrinsics/836212060125_640x480.yml",
    "freihand": "evaluation_K.json",
    "h3d": "H3D_crop/annotation.json",
    "ho3d": "evaluation/SM1/meta/0000.pkl",
    "interhand": "annotations/test/InterHand2.6M_test_camera.json",
    "mvhand": "9-17-1-2/mlresults/9-17-1-2-joints.npy",
    "onehand10k": "Test/label_joint.txt",
    "rhd": "evaluation/anno_evaluation.pickle",
    "stb": "labels/B1Counting_SK.mat",
}
LABELLED = sorted(set(WRITERS) - {"folder"})


def split(name: str, kind: str) -> str:
    return SPLITS.get(name, {}).get(kind, kind)


def test_each_reader_has_a_layout_here_and_a_docstring_that_says_what_a_user_must_know():
    assert set(reader_names()) == {*WRITERS, "video", "renders"}
    for name in LABELLED:
        module = __import__(f"dualmod.data.readers.{name}", fromlist=["Layout"])
        for word in ("Source:", "- Joints:", "Handedness", "Splits", "Not confirmed", "pose parameters"):
            assert word.lower() in module.__doc__.lower(), (name, word)
        assert any(unit in module.__doc__ for unit in ("metres", "millimetres", "Pixels of", "40 mm", "pixel centres"))


@pytest.mark.parametrize("name", ["dexycb", "freihand", "ho3d", "interhand", "mvhand"])
def test_where_a_set_has_poses_of_mano_its_reader_says_what_their_mean_is(name):
    documented = __import__(f"dualmod.data.readers.{name}", fromlist=["Layout"]).__doc__
    sentence = documented[documented.index("Pose parameters") :].split("are not read")[0]
    assert "mean" in sentence and len(sentence) < 250


@pytest.mark.parametrize("name", LABELLED)
def test_labels_are_complete_and_agree_with_each_other(opened, name):
    reader = opened(name)
    labelled = reader.labelled(split(name, "test"))
    assert len(labelled) == len(labelled.joints_px) == len(labelled.K) and labelled.name == name
    assert set(labelled.handedness) <= {LEFT, RIGHT, UNKNOWN} and labelled.label_kind in LABEL_NOTES
    assert labelled.definition and reader.page.startswith("http") and reader.licence
    assert np.isfinite(labelled.boxes_px).all() and labelled.image(0).shape == (48, 64, 3)
    assert (np.isfinite(labelled.joints_px).all(-1) == labelled.visible).all()
    in_3d = np.isfinite(labelled.joints_cam).all((1, 2))
    projection = np.einsum("nij,nkj->nki", labelled.K[in_3d], labelled.joints_cam[in_3d])
    there = projection[..., :2] / projection[..., 2:]
    seen = labelled.visible[in_3d]
    np.testing.assert_allclose(there[seen], labelled.joints_px[in_3d][seen], atol=1e-4)
    assert in_3d.any() == (labelled.label_kind == "gt3d")


BLOCKS = {
    "coco": (1, ""),  # both hands of one photograph
    "dexycb": (40, "20200709-subject-01/2020_000004"),  # seen by eight cameras
    "ho3d": (1, "SM1"),
    "interhand": (2, "images/test/Capture0/ROM03_RT_No_Occlusion"),  # without the camera
    "mvhand": (2, "9-17-1-2"),  # seen by four cameras
    "rhd": (2, ""),
    "stb": (2, "B1Counting"),
}
"""Blocks of the made-up test splits where they are not the images, and the name of the first one."""


@pytest.mark.parametrize("name", LABELLED)
def test_blocks_are_recordings_where_the_dataset_names_them(opened, name):
    reader = opened(name)
    labelled = reader.labelled(split(name, "test"))
    count, first = BLOCKS.get(name, (len(labelled), ""))
    assert (labelled.num_blocks, next(iter(reader.labels(split(name, "test")))).block) == (count, first)
    assert len(labelled.blocks) == len(labelled)


@pytest.mark.parametrize("name", WRITERS)
def test_a_target_is_the_same_with_every_label_file_gone(tmp_path, name):
    (tmp_path / "whole").mkdir()
    label_files = WRITERS[name](tmp_path / "whole")
    shutil.copytree(tmp_path / "whole", tmp_path / "bare")
    for file in label_files:
        (tmp_path / "bare" / file).unlink()
    whole, bare = (open_target(f"{name}:{tmp_path / place}", split(name, "adapt")) for place in ("whole", "bare"))
    assert [p.name for p in whole.paths] == [p.name for p in bare.paths]
    assert all(np.array_equal(a, b) for a, b in zip(whole, bare, strict=True)) and len(whole) > 0


@pytest.mark.parametrize("name", sorted(set(LABELLED) - {"coco", "dexycb", "h3d"}))
def test_images_to_adapt_to_are_not_those_to_test_on(opened, name):
    reader = opened(name)
    tested = {reader.path / file for file in reader.labelled("test").files}
    assert tested and not tested & set(reader.images("adapt"))


def test_every_missing_label_file_is_named_with_the_official_page(tmp_path):
    for name in LABELLED:
        (tmp_path / name).mkdir()
        reader = load_reader(name)
        label_files = WRITERS[name](tmp_path / name)
        for file in label_files[:: max(1, len(label_files) // 3)]:
            hidden = tmp_path / "hidden"
            shutil.move(tmp_path / name / file, hidden)
            messages = []
            for native in [SPLITS[name]["test"]] if name in SPLITS else dict.fromkeys(reader.splits.values()):
                try:
                    reader(tmp_path / name).labelled(native)
                except FileNotFoundError as error:
                    messages.append(str(error))
            shutil.move(hidden, tmp_path / name / file)
            if name == "cmu":
                continue  # there is one label file for each image, and nothing says how many there should be
            told = [m for m in messages if file in m or file.rpartition("/")[2] in m or name == "coco"]
            assert told and reader.page.split(" ")[0] in told[0] and "\n" not in told[0], (name, file, messages)


@pytest.mark.parametrize("name", LABELLED)
def test_a_missing_image_is_named(opened, name):
    reader = opened(name)
    file = reader.labelled(split(name, "test")).files[-1]
    (reader.path / file).unlink()
    with pytest.raises(FileNotFoundError) as caught:
        reader.labelled(split(name, "test"))
    told, place = str(caught.value), file.rpartition("/")[0]
    # an emptied folder of one camera is named in place of the file
    assert file.rpartition(".")[0] in told or f"{place}/" in told
    assert reader.page.split(" ")[0] in told


@pytest.mark.parametrize("name", sorted(set(LABELLED)))
def test_damaged_label_files_are_named(opened, name):
    reader = opened(name)
    (reader.path / DAMAGED[name]).write_bytes(b"[1, 2")
    with pytest.raises(ValueError, match=DAMAGED[name].rpartition("/")[2]) as caught:
        reader.labelled(split(name, "test"))
    assert "\n" not in str(caught.value)


def test_unknown_readers_splits_and_folders_end_in_one_line(tmp_path, opened):
    with pytest.raises(ValueError, match="no reader freehand; legal: cmu, coco, dexycb, folder, freihand"):
        open_labelled("", f"freehand:{tmp_path}")
    with pytest.raises(FileNotFoundError, match=r"freihand:.*nowhere is no folder.*lmb.informatik.uni-freiburg.de"):
        open_labelled("", f"freihand:{tmp_path}/nowhere")
    with pytest.raises(ValueError, match=r"split=tset is unknown to freihand:.*legal: test, train, adapt, evaluation"):
        opened("freihand").labelled("tset")
    with pytest.raises(ValueError, match="needs root=FOLDER"):
        open_labelled("", "hagrid")
    assert open_reader("hagrid") is None and open_reader("/data/a:b") is None


def test_an_empty_folder_of_images_is_named(tmp_path):
    (tmp_path / "training" / "rgb").mkdir(parents=True)
    with pytest.raises(FileNotFoundError, match=r"no image training/rgb/\*\.jpg"):
        open_target(f"freihand:{tmp_path}")


def test_several_targets_of_several_kinds(opened, tmp_path):
    for name in ("freihand", "folder"):
        opened(name)
    entries = f"freihand:{tmp_path}/freihand, {tmp_path}/folder/album"
    assert len(open_target(entries)) == 8 + 3
