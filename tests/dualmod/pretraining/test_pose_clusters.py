"""Pose classes: clusters that are plain to see, both terms against the losses of which they are made, both forms."""

import math

import numpy as np
import pytest
import torch
from torch.nn import functional

from dualmod.data.batch import HandBatch
from dualmod.data.pose_similarity import pose_vectors
from dualmod.losses.label_aware_contrast import label_aware_contrast
from dualmod.network.model import DualModalityNet
from dualmod.pretraining.objective import MethodConfig, Passes, objective
from dualmod.pretraining.pose_clusters import PoseClasses, PoseClassesConfig, fit_centres

RGB_ALONE = MethodConfig(depth_branch=False, fused_branch=False, contrast_weight=0.0)


def poses(*kinds: int) -> HandBatch:
    """Hands of a few kinds of pose, a little noise on each."""
    base = torch.rand(3, 21, 3, generator=torch.Generator().manual_seed(0))
    joints = base[list(kinds)] + 0.001 * torch.randn(len(kinds), 21, 3)
    images = torch.rand(len(kinds), 3, 64, 64), *torch.rand(2, len(kinds), 1, 64, 64).unbind()
    return HandBatch(*images, joints[..., :2], joints[..., 2], torch.ones(len(kinds), 21), images[1])


def vectors(batch: HandBatch) -> torch.Tensor:
    return pose_vectors(batch.joints_uv, batch.joints_depth)


def classes(soft: bool = False, **options) -> PoseClasses:
    centres, spread = fit_centres(vectors(poses(*[0, 1, 2] * 10)).numpy(), 3, seed=0)
    torch.manual_seed(0)
    return PoseClasses(PoseClassesConfig(weight=1.0, soft=soft, **options), centres, spread, width=16)


def test_kinds_of_pose_become_classes():
    belongs, likeness = classes().assign(vectors(poses(0, 1, 0, 2)))
    assert torch.equal(belongs.sum(1), torch.ones(4)) and torch.equal(belongs[0], belongs[2])
    expected = torch.eye(4)
    expected[0, 2] = expected[2, 0] = 1
    assert torch.equal(likeness, expected)


def test_soft_shares_fall_with_pose_distance():
    made = classes(soft=True)
    vector = vectors(poses(0, 0, 1))
    belongs, likeness = made.assign(vector)
    torch.testing.assert_close(belongs.sum(1), torch.ones(3))
    distance = float((vector[0] - vector[1]).norm())
    assert likeness[0, 1].item() == pytest.approx(math.exp(-(distance**2) / (2 * made.spread**2)), rel=1e-3)
    assert likeness[0, 2] < 1e-6 and torch.equal(likeness.diagonal(), torch.ones(3))


@pytest.mark.parametrize("soft", [False, True])
@pytest.mark.parametrize("num_views", [1, 2])
def test_terms_are_the_losses_on_all_rgb_views(tiny_net: DualModalityNet, soft, num_views):
    tiny_net.eval()
    batch, made = poses(0, 1, 0), classes(soft, balance=0.75, hardness=2.0)
    terms = objective(tiny_net, [batch] * num_views, RGB_ALONE, made)
    assert set(terms) == {"supervision_rgb", "class_contrast", "class_entropy", "handedness"}
    belongs, likeness = made.assign(vectors(batch).repeat(num_views, 1))
    pooled = tiny_net.encode_rgb(batch.rgb.repeat(num_views, 1, 1, 1)).pooled
    contrast = label_aware_contrast(tiny_net.embed(pooled), likeness, temperature=0.5, hardness=2.0)
    entropy = -(made.classifier(pooled).log_softmax(1) * belongs).sum(1).mean()
    torch.testing.assert_close(terms["class_contrast"], 0.75 * contrast)
    torch.testing.assert_close(terms["class_entropy"], 0.25 * entropy)
    (terms["class_contrast"] + terms["class_entropy"]).backward()
    for learns in (made.classifier.weight, next(tiny_net.rgb_encoder.parameters())):
        assert learns.grad is not None and torch.isfinite(learns.grad).all() and learns.grad.abs().max() > 0


def test_a_part_with_the_rows_of_the_others_has_the_contrast_of_the_whole(tiny_net):
    tiny_net.eval()
    batch, made, seen = poses(0, 1, 0, 2), classes(), []

    def passes_of(rows: slice, gather) -> Passes:
        both = HandBatch(**{name: torch.cat([value[rows]] * 2) for name, value in vars(batch).items()})
        latent = tiny_net.encode_rgb(both.rgb)
        return Passes({"rgb": latent}, {"rgb": tiny_net.decode(latent)}, both, 2, gather)

    def keep(rows):
        seen.append(rows.detach())
        return rows

    whole = made(passes_of(slice(None), keep))["class_contrast"]
    rest = iter(seen)
    part = made(passes_of(slice(2), lambda rows: torch.cat([rows, next(rest)[2:]])))["class_contrast"]
    torch.testing.assert_close(part, whole)


def test_a_blind_classifier_costs_the_log_of_the_classes(tiny_net):
    made = classes(balance=0.0)
    torch.nn.init.zeros_(made.classifier.weight)
    torch.nn.init.zeros_(made.classifier.bias)
    batch = poses(0, 1)
    assert objective(tiny_net, [batch], RGB_ALONE, made)["class_entropy"].item() == pytest.approx(math.log(3))


def test_clusters_depend_on_the_seed_alone_and_their_spread_is_a_distance():
    points = np.random.default_rng(0).standard_normal((50, 4))
    (one, spread), (same, _) = fit_centres(points, 5, seed=1), fit_centres(points, 5, seed=1)
    np.testing.assert_array_equal(one, same)
    nearest = np.linalg.norm(points[:, None] - one, axis=-1).min(1)
    assert spread == pytest.approx(math.sqrt((nearest**2).mean()), rel=0.05)


def test_poses_that_all_coincide_have_finite_soft_shares():
    made = PoseClasses(PoseClassesConfig(weight=1.0, soft=True), np.zeros((2, 4)), 0.0, width=3)
    belongs, likeness = made.assign(torch.zeros(2, 4))
    torch.testing.assert_close(belongs, torch.full((2, 2), 0.5))
    assert torch.equal(likeness, torch.ones(2, 2)) and functional.cross_entropy(belongs, belongs).isfinite()


def test_fewer_poses_than_clusters_are_refused():
    with pytest.raises(ValueError, match=r"method.classes.count=9 clusters need as many samples, not 4"):
        fit_centres(np.zeros((4, 3)), 9, seed=0)
