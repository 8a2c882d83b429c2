"""Exported files compute what the network computes, for any batch, and say what they are."""

import json

import numpy as np
import pytest
import torch

from dualmod.checkpoints.checkpoint import load_network
from dualmod.data.augment import plain_crops
from dualmod.data.synthetic import SyntheticHands
from dualmod.deploy.graphs import OUTPUTS
from dualmod.deploy.onnx_file import OnnxNetwork
from synth.common.conventions import JOINT_NAMES
from synth.dataset.shards import file_sha256

onnx = pytest.importorskip("onnx")
BATCHES = (1, 5)


def assert_same(found: dict[str, np.ndarray], prediction) -> None:
    """Each output beside the network's own, field by field."""
    truth = {
        "joints_uv": prediction.joints_uv,
        "joints_depth": prediction.joints_depth,
        "confidence": prediction.confidence,
        "handedness_logit": prediction.handedness_logit,
        "mask": 1 / (1 + torch.exp(-prediction.mask_logits)),
        "depth_map": prediction.depth,
    }
    assert set(found) == set(truth)
    for name, values in truth.items():
        np.testing.assert_allclose(found[name], values.numpy(), atol=1e-4, rtol=0, err_msg=name)


@torch.no_grad()
@pytest.mark.parametrize("batch", BATCHES)
def test_colour_alone(checkpoint, rgb_file, batch):
    rgb = torch.rand(batch, 3, 64, 64)
    net = load_network(checkpoint)
    found = OnnxNetwork(rgb_file)(rgb.numpy())
    assert_same(found, net(rgb))
    assert found["joints_uv"].shape == (batch, 21, 2) and found["mask"].shape == (batch, 1, 16, 16)
    assert found["joints_uv"].std() > 0.005  # weights that put every joint in the middle would agree with anything


@torch.no_grad()
@pytest.mark.parametrize("batch", BATCHES)
def test_colour_and_depth(checkpoint, rgbd_file, tiny_data, batch):
    crops = plain_crops(SyntheticHands(tiny_data).rows(range(batch)), 64, 1.6)
    net = load_network(checkpoint)
    exported = OnnxNetwork(rgbd_file)
    assert exported.inputs == ["rgb", "depth"]
    found = exported(crops.rgb.numpy(), crops.depth.numpy())
    assert_same(found, net.fused(crops.rgb, net.encode_depth(crops.depth)[1]))
    assert np.abs(found["joints_uv"] - net(crops.rgb).joints_uv.numpy()).max() > 1e-3, "depth counts"


@torch.no_grad()
def test_eight_bits(checkpoint, int8_file, tiny_data):
    """Joints move by less than 1 % of the box, on hands that are neither those of calibration nor of the check."""
    crops = plain_crops(SyntheticHands(tiny_data).rows(range(12, 24)), 64, 1.6)
    exported, net = OnnxNetwork(int8_file), load_network(checkpoint)
    for batch in (1, 12):
        found = exported(crops.rgb[:batch].numpy())["joints_uv"]
        moved = np.linalg.norm(found - net(crops.rgb[:batch]).joints_uv.numpy(), axis=-1)
        box = (crops.joints_uv[:batch].amax(1) - crops.joints_uv[:batch].amin(1)).amax(1).numpy()
        assert 0 < (moved / box[:, None]).mean() < 0.01
    assert 0 < float(exported.metadata["int8_mean_box"]) < 0.01
    assert exported.metadata["precision"] == "int8" and exported.metadata["calibration_images"] == "12"


def test_only_late_stages_of_the_encoder_are_in_eight_bits(int8_file):
    model = onnx.load(int8_file)
    made_by = {output: node for node in model.graph.node for output in node.output}
    weights = {entry.name: entry.data_type for entry in model.graph.initializer}
    quantised = {name for name, kind in weights.items() if kind == onnx.TensorProto.INT8}
    assert quantised and all("rgb_encoder." in name or "rgb_neck." in name for name in quantised)
    assert {name.split("stages.")[1][0] for name in quantised if "stages" in name} == {"2", "3", "4"}
    rounded = {made_by[node.input[0]].op_type for node in model.graph.node if node.op_type == "QuantizeLinear"}
    assert "Conv" in rounded and not rounded & {"ConvTranspose", "Softmax", "Gemm", "Exp", "Sigmoid"}


def test_what_a_file_says_of_itself(checkpoint, rgb_file, rgbd_file):
    onnx.checker.check_model(onnx.load(rgb_file), full_check=True)
    said = OnnxNetwork(rgb_file).metadata
    assert json.loads(said["joint_order"]) == list(JOINT_NAMES)
    assert json.loads(said["reference_bone"]) == ["wrist", "middle_mcp"] and said["root_joint"] == "middle_mcp"
    assert (said["image_size"], said["crop_margin"], said["hand_model"]) == ("64", "1.45", "open")
    assert said["checkpoint_sha256"] == file_sha256(checkpoint) and "CC0" in said["licence_notes"]
    assert said["handbridge_version"] and float(said["max_error"]) < 1e-4
    assert json.loads(OnnxNetwork(rgbd_file).metadata["inputs"]) == ["rgb", "depth"]
    shapes = {
        entry.name: [d.dim_param or d.dim_value for d in entry.type.tensor_type.shape.dim]
        for entry in [*onnx.load(rgb_file).graph.input, *onnx.load(rgb_file).graph.output]
    }
    assert shapes["rgb"] == ["batch", 3, 64, 64] and shapes["joints_depth"] == ["batch", 21]
    assert set(shapes) == {"rgb", *OUTPUTS}
