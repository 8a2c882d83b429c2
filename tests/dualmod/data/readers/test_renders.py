"""Our own datasets as labelled images: the labels are those of the samples, whichever rows are taken."""

import json
import shutil

import numpy as np
import pytest

from dualmod.checkpoints.checkpoint import save_network
from dualmod.data.image_sets import open_labelled, open_target
from dualmod.evaluate import main
from synth.common.conventions import LEFT, RIGHT
from synth.dataset import SampleStore


def test_rows_are_the_samples(tiny_data):
    store, labelled = SampleStore(tiny_data), open_labelled("", f"renders:{tiny_data}")
    assert len(labelled) == 24 and labelled.name == "renders"
    for row in (0, 11, 12, 23):
        sample = store[row]
        assert np.array_equal(labelled.image(row), sample.rgb) and labelled.handedness[row] == sample.handedness
        np.testing.assert_allclose(labelled.joints_cam[row], sample.joints_cam)
        homogeneous = labelled.joints_cam[row] @ labelled.K[row].T
        np.testing.assert_allclose(homogeneous[:, :2] / homogeneous[:, 2:], labelled.joints_px[row], atol=1e-3)
        x, y = sample.joints_px.T
        np.testing.assert_allclose(labelled.boxes_px[row], [x.min(), y.min(), x.max(), y.max()])
    assert labelled.visible.all() and labelled.label_kind == "gt3d"


def test_a_left_hand_stays_one(tiny_data, tmp_path):
    shutil.copytree(tiny_data, tmp_path / "data")
    shard = sorted((tmp_path / "data").glob("*.tar"))[1]
    shard.write_bytes(shard.read_bytes().replace(b'"handedness":"right",', b'"handedness":"left" ,', 1))
    assert open_labelled("", f"renders:{tmp_path}/data").handedness == (RIGHT,) * 12 + (LEFT,) + (RIGHT,) * 11


def test_images_stay_with_their_labels_when_rows_are_left_out(tiny_data):
    store, few = SampleStore(tiny_data), open_labelled("", f"renders:{tiny_data}").thinned(5)
    kept = [int(file.partition(".")[0]) for file in few.files]
    assert kept == [0, 6, 12, 17, 23]
    assert all(np.array_equal(image, store[k].rgb) for image, k in zip(few.images, kept, strict=True))
    assert np.array_equal(few.joints_px, np.stack([store[k].joints_px for k in kept]))


def test_as_a_target_they_are_images_alone(tiny_data):
    store, target = SampleStore(tiny_data), open_target(f"renders:{tiny_data}")
    assert len(target) == 24 and np.array_equal(target[13], store[13].rgb)


def test_they_are_evaluated_by_their_path(tiny_data, tiny_net, tmp_path):
    save_network(tmp_path / "net.safetensors", tiny_net, {})
    given = [f"checkpoint={tmp_path}/net.safetensors", f"dataset=renders:{tiny_data}", f"out={tmp_path}/out"]
    assert main([*given, "bootstrap=0"]) == 0
    told = json.loads((tmp_path / "out/metrics.json").read_text())["renders"]
    assert (
        told["num_images"] == 24
        and {"pck_box@0.05", "pck_box@0.1", "pck_box@0.2"} <= told.keys() & told["given"].keys()
    )


def test_what_is_no_dataset_or_is_damaged_is_one_line(tiny_data, tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere does not exist"):
        open_labelled("", f"renders:{tmp_path}/nowhere")
    shutil.copytree(tiny_data, tmp_path / "cut")
    shard = sorted((tmp_path / "cut").glob("*.tar"))[0]
    store = SampleStore(tiny_data)
    hit = b'"joints_px":[['
    content = shard.read_bytes()
    shard.write_bytes(content.replace(hit, b'"joints_px":"[', 1))
    with pytest.raises(ValueError, match=r"renders:.*00000000.rgb.jpg is not as expected .*labels cannot be read"):
        open_labelled("", f"renders:{tmp_path}/cut")
    image = store.members(0)[1]["rgb.jpg"]
    shard.write_bytes(content.replace(image, bytes(len(image)), 1))
    with pytest.raises(ValueError, match=r"shard-000000.tar, sample 0: member rgb.jpg cannot be decoded"):
        open_labelled("", f"renders:{tmp_path}/cut").image(0)
