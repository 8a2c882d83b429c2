"""Pseudo-labels against Eq. 8 written out, the gate against a sorted list, every switch by what it changes."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from distill.pseudo_labels.bone_registration import correct
from distill.pseudo_labels.denoising import PseudoLabelConfig, make_gates, pseudo_labels
from distill.pseudo_labels.quantile_threshold import QuantileGate
from distill.pseudo_labels.view_consistency import ViewPoses
from dualmod.inference.test_time_augmentation import vote
from dualmod.network.prediction import Prediction

FOCAL = torch.full((6,), 2.0)


def prediction(seed: int, count: int = 6) -> Prediction:
    """Joints near a hand's shape; the other outputs are empty maps."""
    generator = torch.Generator().manual_seed(seed)
    base = torch.rand(21, 2, generator=torch.Generator().manual_seed(99)) * 0.6 + 0.2
    maps = torch.zeros(count, 1, 2, 2)
    return Prediction(
        joints_uv=base + 0.03 * torch.randn(count, 21, 2, generator=generator),
        joints_depth=0.2 * torch.randn(count, 21, generator=generator),
        heatmap_logits=torch.zeros(count, 21, 2, 2),
        confidence=torch.ones(count, 21),
        mask_logits=maps,
        depth=maps,
        embedding=torch.zeros(count, 4),
        handedness_logit=torch.zeros(count),
    )


def test_label_is_the_mean_of_four_poses() -> None:
    first, fused = prediction(0), prediction(1)
    labels = pseudo_labels(first, fused, FOCAL, PseudoLabelConfig())
    rho = [correct(p.joints_uv, p.joints_depth, FOCAL) for p in (first, fused)]
    uv = (first.joints_uv + rho[0][0] + fused.joints_uv + rho[1][0]) / 4
    depth = (first.joints_depth + rho[0][1] + fused.joints_depth + rho[1][1]) / 4
    torch.testing.assert_close(labels.joints_uv, uv)
    torch.testing.assert_close(labels.joints_depth, depth)


def test_spread_is_the_variance_written_out() -> None:
    first, fused = prediction(0), prediction(1)
    config = PseudoLabelConfig(registration=False, angles=False, depth_weight=0.5)
    labels = pseudo_labels(first, fused, FOCAL, config)
    for row in range(6):
        total = 0.0
        for joint in range(21):
            poses = [torch.cat([p.joints_uv[row, joint], p.joints_depth[row, joint, None]]) for p in (first, fused)]
            middle = (poses[0] + poses[1]) / 2
            for pose in poses:
                du, dv, dd = (pose - middle).tolist()
                total += (du**2 + dv**2 + 0.5 * dd**2) / (2 * 21)
        assert float(labels.spread[row]) == pytest.approx(total, rel=1e-4)


def test_each_step_can_be_switched_off() -> None:
    first, fused = prediction(0), prediction(1)
    off = {"registration": False, "angles": False, "gate": False}
    bare = pseudo_labels(first, fused, FOCAL, PseudoLabelConfig(**off, second_pass=False))
    torch.testing.assert_close(bare.joints_uv, first.joints_uv)
    assert bare.kept.all() and bare.report == {"kept_share": 1.0, "spread": 0.0, "kept_by_joint_weights": 1.0}
    two = pseudo_labels(first, fused, FOCAL, PseudoLabelConfig(**off))
    torch.testing.assert_close(two.joints_uv, (first.joints_uv + fused.joints_uv) / 2)
    assert two.report["moved_by_second_pass"] > 0 and "moved_by_correction" not in two.report
    lengths = pseudo_labels(first, fused, FOCAL, PseudoLabelConfig(angles=False, gate=False))
    angles = pseudo_labels(first, fused, FOCAL, PseudoLabelConfig(registration=False, gate=False))
    for one in (lengths, angles):
        assert one.report["moved_by_correction"] > 0
        assert not torch.allclose(one.joints_uv, two.joints_uv, atol=1e-4)
    assert not torch.allclose(lengths.joints_uv, angles.joints_uv, atol=1e-4)


def test_disagreement_is_gated_out_and_labels_carry_no_gradient() -> None:
    first, fused = prediction(0), prediction(0)
    first.joints_uv.requires_grad_(True)
    shifted = fused.joints_uv.clone()
    shifted[2] += 0.2
    fused = Prediction(**{**vars(fused), "joints_uv": shifted})
    config = PseudoLabelConfig(registration=False, angles=False, keep_share=0.8, gate_by="spread")
    labels = pseudo_labels(first, fused, FOCAL, config)
    assert labels.kept.tolist() == [True, True, False, True, True, True]
    assert labels.report["kept_share"] == pytest.approx(5 / 6)
    assert not labels.joints_uv.requires_grad


def test_the_gate_can_go_by_confidence() -> None:
    sure = prediction(0)
    confidence = torch.full_like(sure.confidence, 0.5)
    confidence[1], confidence[4, :5] = 0.4, 1e-9
    sure = Prediction(**{**vars(sure), "confidence": confidence})
    config = PseudoLabelConfig(second_pass=False, keep_share=0.6, gate_by="confidence")
    labels = pseudo_labels(sure, None, FOCAL, config)
    assert labels.kept.tolist() == [True, False, True, True, False, True]
    with pytest.raises(ValueError, match="gate_by=luck is not legal: it must be one of confidence, spread"):
        PseudoLabelConfig(gate_by="luck")
    with pytest.raises(ValueError, match="gate_by=spread is not legal"):
        PseudoLabelConfig(registration=False, angles=False, second_pass=False, gate_by="spread")


def test_joints_outside_the_crop_weigh_nothing() -> None:
    first = prediction(0)
    first.joints_uv[0, 3] = torch.tensor([1.2, 0.5])
    config = PseudoLabelConfig(registration=False, angles=False, second_pass=False)
    weight = pseudo_labels(first, first, FOCAL, config).joint_weight
    assert weight[0, 3] == 0 and weight.sum() == weight.numel() - 1


def test_gate_is_the_quantile_of_the_latest_spreads_and_resumes() -> None:
    rng = np.random.default_rng(0)
    batches = [torch.from_numpy(rng.random(7)) for _ in range(9)]
    gate, resumed = QuantileGate(0.6, 20), None
    for step, batch in enumerate(batches):
        kept, threshold = gate(batch)
        latest = torch.cat(batches[: step + 1])[-20:].numpy()
        assert threshold == pytest.approx(np.quantile(latest, 0.6))
        assert kept.tolist() == (batch <= threshold).tolist()
        if resumed is not None:
            assert resumed(batch)[1] == threshold
        if step == 4:
            resumed = QuantileGate(0.1, 3)
            resumed.load_state_dict(gate.state_dict())


def test_the_gate_of_joints_leaves_out_the_least_confident_ones() -> None:
    first = replace(prediction(0), confidence=torch.linspace(0.1, 1, 6 * 21).view(6, 21)[torch.randperm(6)])
    config = PseudoLabelConfig(registration=False, angles=False, second_pass=False, gate=False, joint_share=0.4)
    labels = pseudo_labels(first, None, FOCAL, config)
    threshold = np.quantile(first.confidence.numpy(), 0.6)
    assert torch.equal(labels.joint_weight > 0, first.confidence >= threshold)
    assert labels.report["kept_by_joints"] == pytest.approx(0.4, abs=0.01)
    later = pseudo_labels(first, None, FOCAL, config, gates=make_gates(config))
    assert torch.equal(later.joint_weight, labels.joint_weight)


@pytest.mark.parametrize(
    ("key", "value"),
    [("joint_share", 0.0), ("keep_share", 0.0), ("keep_share", 1.1), ("window", 0), ("depth_weight", -1)],
)
def test_illegal_values_are_named(key: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"{key}={value} is not legal"):
        PseudoLabelConfig(**{key: value})


def test_sure_joints_weigh_more_up_to_twice_the_mean() -> None:
    confidence = torch.full((6, 21), 0.2)
    confidence[:, 3], confidence[:, 4] = 0.1, 0.9
    sure = replace(prediction(0), confidence=confidence, joints_uv=torch.full((6, 21, 2), 0.5))
    weight = pseudo_labels(sure, sure, FOCAL, PseudoLabelConfig(registration=False, angles=False)).joint_weight
    mean = float(confidence.mean())
    assert weight[0, 0].item() == pytest.approx(0.2 / mean)
    assert weight[0, 3].item() == pytest.approx(0.1 / mean)
    assert weight[0, 4].item() == 2.0
    even = PseudoLabelConfig(registration=False, angles=False, confidence=False)
    assert (pseudo_labels(sure, sure, FOCAL, even).joint_weight == 1).all()


def test_weights_report_how_many_equal_joints_they_are_worth() -> None:
    """Half of the joints with three times the weight of the others: (n + 3n)^2 / (2n (n + 9n)) is four fifths."""
    first = replace(prediction(0), confidence=torch.full((6, 21), 0.1))
    first.confidence[:3] = 0.3
    config = PseudoLabelConfig(registration=False, angles=False, second_pass=False, gate=False)
    report = pseudo_labels(first, None, FOCAL, config).report
    assert report["kept_by_joint_weights"] == pytest.approx(0.8)


def test_views_that_disagree_are_left_out_and_their_vote_can_be_the_label() -> None:
    first = prediction(0)
    uv = first.joints_uv + torch.tensor([0.0, 0.1, 0.09])[:, None, None, None]
    uv[1, 4] += 0.2
    depth = first.joints_depth + torch.tensor([0.0, 1.0, 2.0])[:, None, None]
    confidence = torch.tensor([0.2, 0.3, 0.4])[:, None, None].expand(3, 6, 21)
    off = {"registration": False, "angles": False, "second_pass": False, "gate": False}
    config = PseudoLabelConfig(**off, agreement=True, agreement_share=0.8, vote=True)
    labels = pseudo_labels(first, None, FOCAL, config, views=ViewPoses(uv, depth, confidence))
    assert labels.kept.tolist() == [True, True, True, True, False, True]
    voted_uv, voted_depth, _ = vote(uv, depth, confidence)
    torch.testing.assert_close(labels.joints_uv, voted_uv)
    torch.testing.assert_close(labels.joints_depth, voted_depth)
    assert labels.report["kept_by_agreement"] == pytest.approx(5 / 6)
    assert labels.report["kept_by_vote"] == 0  # all move by 0.13 crop sides
    with pytest.raises(ValueError, match="num_views=0 is not legal: it must be 1 or more with agreement"):
        PseudoLabelConfig(agreement=True, num_views=0)


def test_a_frame_between_its_neighbours_is_kept_and_one_without_them_too() -> None:
    first = prediction(0)
    frames = torch.stack([first.joints_uv - 0.1, first.joints_uv + 0.1], 1)  # even motion
    frames[1] += 0.05
    frames[2] += 0.3
    known = torch.tensor([True, True, False, True, True, True])
    off = {"registration": False, "angles": False, "second_pass": False, "gate": False}
    config = PseudoLabelConfig(**off, temporal=True, temporal_share=0.5)
    gates = make_gates(config)
    labels = pseudo_labels(first, None, FOCAL, config, gates=gates, frames=(frames, known))
    assert labels.kept.tolist() == [True, False, True, True, True, True]
    assert len(gates["temporal"].state_dict()["latest"]) == 5


def test_each_step_reports_what_it_keeps() -> None:
    first, fused = prediction(0), prediction(1)
    report = pseudo_labels(first, fused, FOCAL, PseudoLabelConfig()).report
    steps = ("registration", "angles", "second_pass", "confidence", "joint_weights")
    assert all(0 <= report[f"kept_by_{step}"] <= 1 for step in steps)
    alone = correct(first.joints_uv, first.joints_depth, FOCAL, angles=False)[0]
    near = (alone - first.joints_uv).norm(dim=-1) < 0.05
    assert report["kept_by_registration"] == pytest.approx(near.double().mean().item())
