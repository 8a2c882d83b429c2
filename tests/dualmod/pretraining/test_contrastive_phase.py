"""The phase of contrast: its loss is that of the parts, what it trains, and what it refuses."""

from dataclasses import replace

import pytest
import torch

from dualmod.data.contrast_views import ContrastView
from dualmod.losses.equivariance import undo_geometry
from dualmod.losses.pair_weights import pose_weights
from dualmod.losses.weighted_nt_xent import weighted_nt_xent
from dualmod.pretraining.contrastive_phase import ContrastPhaseConfig, contrast_objective


def view() -> ContrastView:
    return ContrastView(torch.rand(3, 3, 64, 64), torch.randn(3), 0.1 * torch.randn(3, 2), torch.rand(3, 21, 2))


@pytest.fixture
def views() -> tuple[ContrastView, ContrastView]:
    torch.manual_seed(0)
    return view(), view()


@pytest.mark.parametrize("undo", [True, False])
@pytest.mark.parametrize("weigh", [True, False])
def test_the_loss_is_that_of_its_parts(tiny_net, views, undo, weigh):
    tiny_net.eval()
    config = ContrastPhaseConfig(share=0.5, undo_geometry=undo, pose_weights=weigh, temperature=0.3)
    embedded = [tiny_net.embed(tiny_net.encode_rgb(v.rgb).pooled) for v in views]
    if undo:
        embedded = [undo_geometry(e, v.turn_rad, v.shift) for e, v in zip(embedded, views, strict=True)]
    weights = pose_weights(views[0].joints_uv, views[1].joints_uv) if weigh else (None, None)
    expected = weighted_nt_xent(*embedded, temperature=0.3, positive_weight=weights[0], negative_weight=weights[1])
    torch.testing.assert_close(contrast_objective(tiny_net, *views, config), {"contrast_views": expected})


def test_a_part_with_the_rows_of_the_others_has_the_loss_of_the_whole(tiny_net, views):
    tiny_net.eval()
    config = ContrastPhaseConfig(share=0.5, pose_weights=True)
    seen: list[torch.Tensor] = []

    def keep(rows):
        seen.append(rows.detach())
        return rows

    whole = contrast_objective(tiny_net, *views, config, gather=keep)["contrast_views"]
    rest = iter(seen)
    part = contrast_objective(
        tiny_net, views[0][:1], views[1][:1], config, gather=lambda rows: torch.cat([rows, next(rest)[1:]])
    )["contrast_views"]
    torch.testing.assert_close(part, whole)


def test_encoder_and_projector_learn_and_nothing_else(tiny_net, views):
    contrast_objective(tiny_net, *views, ContrastPhaseConfig(share=0.5))["contrast_views"].backward()
    learns = {name.split(".")[0] for name, p in tiny_net.named_parameters() if p.grad is not None}
    assert learns == {"rgb_encoder", "rgb_neck", "projector"}
    assert all(torch.isfinite(p.grad).all() for p in tiny_net.parameters() if p.grad is not None)


def test_a_batch_without_joints_needs_no_poses(tiny_net, views):
    blind = [replace(v, joints_uv=torch.full((3, 21, 2), torch.nan)) for v in views]
    assert torch.isfinite(contrast_objective(tiny_net, *blind, ContrastPhaseConfig(share=0.5))["contrast_views"])


def test_steps_and_rows_are_shares_of_the_run_and_of_the_batch():
    config = ContrastPhaseConfig(share=0.4, batch_size=32, photo_share=0.25, photos="p")
    assert config.steps(100) == 40 and config.rows() == (24, 8)
    assert ContrastPhaseConfig().steps(100) == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"share": 1.0}, "method.phase.share=1.0"),
        ({"positives": "other"}, "method.phase.positives=other .* one of self, similar"),
        ({"share": 0.4, "photo_share": 0.5}, "method.phase.photos= is not legal: it must be a folder of photos"),
        ({"share": 0.4, "photo_share": 0.5, "photos": "p", "pose_weights": True}, "method.phase.pose_checkpoint= "),
        ({"shift": 0.7}, "method.phase.shift=0.7"),
        ({"batch_size": 1}, "method.phase.batch_size=1"),
    ],
)
def test_what_cannot_be_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        ContrastPhaseConfig(**options)
