"""The network: read-out on known heatmaps, the two passes, frozen stages, checkpoints that stand alone."""

from dataclasses import replace

import pytest
import torch

from dualmod.checkpoints.checkpoint import load_network, read_notes, save_network
from dualmod.network.decoder import read_out
from dualmod.network.encoder import Encoder, EncoderConfig
from dualmod.network.model import DualModalityNet, NetworkConfig, network_dict, network_from_dict


def test_read_out_of_a_point_is_that_cell_with_full_confidence():
    heatmaps = torch.full((1, 21, 8, 8), -100.0)
    heatmaps[:, :, 2, 5] = 100.0
    depths = torch.zeros(1, 21, 8, 8)
    depths[0, 4, 2, 5] = 0.7
    uv, depth, confidence = read_out(heatmaps, depths)
    torch.testing.assert_close(uv[0, 0], torch.tensor([5.5 / 8, 2.5 / 8]))
    torch.testing.assert_close(depth[0, 4], torch.tensor(0.7))
    assert (confidence > 0.99).all()


def test_read_out_of_a_flat_map_is_the_centre_without_confidence():
    uv, depth, confidence = read_out(torch.zeros(2, 21, 8, 8), torch.rand(2, 21, 8, 8))
    torch.testing.assert_close(uv, torch.full((2, 21, 2), 0.5))
    torch.testing.assert_close(depth[:, 9], torch.zeros(2))
    assert (confidence < 0.01).all()


def test_fused_pass_with_flat_attention_is_the_plain_pass(tiny_net):
    tiny_net.eval()
    rgb = torch.rand(2, 3, 64, 64)
    ones = [torch.ones(2, 1, 64 // 2**k, 64 // 2**k) for k in range(1, 6)]
    torch.testing.assert_close(tiny_net.fused(rgb, ones).joints_uv, tiny_net(rgb).joints_uv)


def test_depth_steers_the_fused_pass(tiny_net):
    tiny_net.eval()
    rgb, depth = torch.rand(2, 3, 64, 64), torch.zeros(2, 1, 64, 64)
    depth[:, :, 10:30, 30:50] = 0.5
    _, attention = tiny_net.encode_depth(depth)
    assert [a.shape[-1] for a in attention] == [32, 16, 8, 4, 2]
    assert not torch.allclose(tiny_net.fused(rgb, attention).joints_uv, tiny_net(rgb).joints_uv)


def test_second_pass_sees_predicted_depth_on_the_predicted_hand_only(tiny_net):
    first = tiny_net.eval()(torch.rand(2, 3, 64, 64))
    assert first.depth.shape == (2, 1, 16, 16)
    nowhere = replace(first, mask_logits=torch.full_like(first.mask_logits, -1.0))
    assert tiny_net.predicted_depth(nowhere).abs().max() == 0
    maps = {"mask_logits": torch.ones_like(first.mask_logits), "depth": torch.full_like(first.depth, 0.25)}
    everywhere = tiny_net.predicted_depth(replace(first, **maps))
    torch.testing.assert_close(everywhere, torch.full((2, 1, 64, 64), 0.25))
    fused, from_depth, _ = tiny_net.second_pass(torch.rand(2, 3, 64, 64), first)
    assert fused.joints_uv.shape == from_depth.joints_uv.shape == (2, 21, 2)


def test_frozen_stages_keep_weights_and_statistics():
    encoder = Encoder(EncoderConfig(backbone="mobilenetv3_small_050", frozen_stages=2), 3).train()
    before = {k: v.clone() for k, v in encoder.stages[:2].state_dict().items()}
    encoder(torch.randn(4, 3, 64, 64))[-1].sum().backward()
    assert all(torch.equal(before[k], v) for k, v in encoder.stages[:2].state_dict().items())
    assert all(p.grad is None for p in encoder.stages[:2].parameters())
    assert all(p.grad is not None for p in encoder.stages[4].parameters())


def test_embeddings_are_unit_vectors_and_skips_can_be_left_out(tiny_config):
    plain = DualModalityNet(NetworkConfig(**{**vars(tiny_config), "skips": False})).eval()
    prediction = plain(torch.rand(2, 3, 64, 64))
    torch.testing.assert_close(prediction.embedding.norm(dim=1), torch.ones(2))
    assert prediction.heatmap_logits.shape == (2, 21, 16, 16)


def test_checkpoint_needs_no_other_file(tiny_net, tmp_path):
    path = tmp_path / "model.safetensors"
    save_network(path, tiny_net, {"stage": "test"})
    loaded, rgb = load_network(path), torch.rand(1, 3, 64, 64)
    torch.testing.assert_close(loaded(rgb).joints_uv, tiny_net.eval()(rgb).joints_uv)
    assert read_notes(path) == {"stage": "test"}


@pytest.mark.parametrize("content", [b"", b"no tensors here", b"\x08\x00\x00\x00\x00\x00\x00\x00{}      "])
def test_a_broken_checkpoint_is_one_line(content, tmp_path):
    path = tmp_path / "model.safetensors"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"checkpoint=.*model.safetensors") as error:
        load_network(path)
    assert "\n" not in str(error.value)


def test_a_missing_checkpoint_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"checkpoint=.*gone.safetensors does not exist"):
        load_network(tmp_path / "gone.safetensors")


def test_stages_without_a_tap_are_left_alone(tiny_config):
    torch.manual_seed(0)
    net = DualModalityNet(replace(tiny_config, attention_taps=[2])).eval()
    depth = torch.zeros(2, 1, 64, 64)
    depth[:, :, 10:30, 30:50] = 0.5
    for maps in (net.encode_depth(depth)[1], net.mask_attention((depth > 0).float())):
        assert [bool((m == 1).all()) for m in maps] == [True, False, True, True, True]
    torch.manual_seed(0)
    without = DualModalityNet(replace(tiny_config, attention_taps=[])).eval()
    rgb = torch.rand(2, 3, 64, 64)
    fused = without.fused(rgb, without.encode_depth(depth)[1])
    torch.testing.assert_close(fused.joints_uv, without(rgb).joints_uv)


def test_projectors_that_are_not_shared_differ_and_are_saved(tiny_config, tmp_path):
    torch.manual_seed(0)
    net = DualModalityNet(replace(tiny_config, shared_projector=False))
    pooled = torch.rand(3, 16)
    embeddings = [net.embed(pooled, modality) for modality in ("rgb", "depth", "fused")]
    assert not torch.allclose(embeddings[0], embeddings[1]) and not torch.allclose(embeddings[1], embeddings[2])
    save_network(tmp_path / "m.safetensors", net, {})
    loaded = load_network(tmp_path / "m.safetensors")
    torch.testing.assert_close(loaded.embed(pooled, "fused"), embeddings[2])


@pytest.mark.parametrize("taps", [[0], [6], [1, 1]])
def test_taps_beyond_the_stages_are_refused(tiny_config, taps):
    with pytest.raises(ValueError, match=r"network.attention_taps=.* a list of different stages from 1 to 5"):
        replace(tiny_config, attention_taps=taps)


def test_less_stages_make_a_smaller_network_of_the_same_outputs(tiny_config, tmp_path):
    four = {name: replace(getattr(tiny_config, name), stages=4) for name in ("rgb", "depth")}
    torch.manual_seed(0)
    net = DualModalityNet(replace(tiny_config, **four)).eval()
    assert len(net.rgb_encoder.stages) == len(net.depth_encoder.stages) == 4 and len(net.decoder.up) == 2
    rgb, depth = torch.rand(2, 3, 64, 64), torch.zeros(2, 1, 64, 64)
    depth[:, :, 10:30, 30:50] = 0.5
    assert net(rgb).heatmap_logits.shape == (2, 21, 16, 16)
    latent, attention = net.encode_depth(depth)
    assert [a.shape[-1] for a in attention] == [32, 16, 8, 4]
    assert [m.shape[-1] for m in latent.laterals] == [16, 8, 4]
    assert [m.shape[-1] for m in net.mask_attention((depth > 0).float())] == [32, 16, 8, 4]
    assert not torch.allclose(net.fused(rgb, attention).joints_uv, net(rgb).joints_uv)
    save_network(tmp_path / "m.safetensors", net, {})
    torch.testing.assert_close(load_network(tmp_path / "m.safetensors")(rgb).joints_uv, net(rgb).joints_uv)


def test_the_side_is_a_multiple_of_the_last_stage_s_stride(tiny_config):
    four = {name: replace(getattr(tiny_config, name), stages=4) for name in ("rgb", "depth")}
    torch.manual_seed(0)
    net = DualModalityNet(replace(tiny_config, image_size=112, **four)).eval()
    rgb, depth = torch.rand(2, 3, 112, 112), torch.zeros(2, 1, 112, 112)
    depth[:, :, 10:30, 30:50] = 0.5
    latent, attention = net.encode_depth(depth)
    assert [m.shape[-1] for m in latent.laterals] == [28, 14, 7] and [a.shape[-1] for a in attention] == [56, 28, 14, 7]
    assert [m.shape[-1] for m in net.mask_attention((depth > 0).float())] == [56, 28, 14, 7]
    first = net(rgb)
    assert first.heatmap_logits.shape == (2, 21, 28, 28)
    assert net.second_pass(rgb, first)[0].joints_uv.shape == (2, 21, 2)
    with pytest.raises(ValueError, match=r"network.image_size=112 .*a multiple of 32, at least 64"):
        replace(tiny_config, image_size=112)
    with pytest.raises(ValueError, match=r"network.image_size=120 .*a multiple of 16, at least 64"):
        replace(tiny_config, image_size=120, **four)


def test_encoders_that_differ_in_stages_are_refused(tiny_config):
    with pytest.raises(ValueError, match=r"network.depth.stages=5 .*network.rgb.stages=4: both encoders share"):
        replace(tiny_config, rgb=replace(tiny_config.rgb, stages=4))


def test_a_file_of_the_first_release_saw_right_hands_at_a_margin_of_1_6(tiny_config):
    plain = network_dict(tiny_config)
    for encoder in ("rgb", "depth"):
        del plain[encoder]["stages"]
    del plain["crop_margin"], plain["sides"]
    old = network_from_dict(plain).config
    assert (old.crop_margin, old.sides, old.rgb.stages, old.depth.stages) == (1.6, "right", 5, 5)


@pytest.mark.parametrize(("key", "value"), [("sides", "left"), ("crop_margin", 0.4), ("crop_margin", float("nan"))])
def test_an_unknown_side_or_margin_is_one_line(tiny_config, key, value):
    with pytest.raises(ValueError, match=rf"network.{key}={value} "):
        replace(tiny_config, **{key: value})
