"""Every ``method=NAME`` trains end to end at tiny size, and the ablation of methods names them all."""

import json
from pathlib import Path

import cv2
import pytest

from distill.experiments.ablation_steps import AblateConfig
from dualmod.checkpoints.checkpoint import save_network
from dualmod.data.augment import AugmentConfig
from dualmod.data.batch import HandBatch
from dualmod.data.contrast_views import ContrastView
from dualmod.data.synthetic import SyntheticHands
from dualmod.pretrain import PretrainConfig, main, pretrain
from dualmod.pretraining.batches import step_batches
from dualmod.pretraining.config import PretrainMethod
from dualmod.pretraining.contrastive_phase import ContrastPhaseConfig
from synth.common.config import CONFIG_ROOT, compose_config

METHODS = sorted(path.stem for path in (CONFIG_ROOT / "pretrain" / "method").glob("*.yaml"))
SMALL = [
    "network.image_size=64", "network.decoder_width=16", "network.embedding_dims=8",
    *(f"network.{encoder}.{option}" for encoder in ("rgb", "depth")
      for option in ("backbone=mobilenetv3_small_050", "weights=", "frozen_stages=0")),
    "max_steps=2", "batch_size=4", "loader_workers=0", "threads=1", "device=cpu",
]  # fmt: skip
TERMS = {
    "alignment": {"supervision_rgb", "supervision_depth", "alignment"},
    "clce": {"supervision_rgb", "class_contrast", "class_entropy"},
    "cross_contrast": {"contrast_rgb_rgb", "contrast_depth_depth", "contrast_rgb_depth", "contrast_rgb_depth_plus"},
    "dual": {"supervision_fused", "contrast_rgb_fused", "contrast_rgb_fused_plus"},
    "intra_contrast": {"contrast_rgb_rgb", "contrast_depth_depth"},
}


@pytest.fixture
def photos(tiny_data, tmp_path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    hands = SyntheticHands(tiny_data)
    for index in range(6):
        cv2.imwrite(str(folder / f"{index}.png"), hands[index].rgb[..., ::-1])
    return folder


def options_of(method: str, photos: Path, checkpoint: Path) -> list[str]:
    options = [f"method={method}"]
    if method.startswith(("simclr", "peclr", "handclr")):
        options.append("method.phase.batch_size=6")
    if method.startswith("clce"):
        options.append("method.classes.count=4")
    if method.endswith("_real"):
        options.append(f"method.phase.photos={photos}")
    if method == "handclr_real":
        options.append(f"method.phase.pose_checkpoint={checkpoint}")
    return options


@pytest.mark.parametrize("method", METHODS)
def test_a_method_trains(method, tiny_data, tiny_net, photos, tmp_path):
    checkpoint = tmp_path / "poses.safetensors"
    save_network(checkpoint, tiny_net, {})
    out = tmp_path / "run"
    options = [f"data={tiny_data}", f"out={out}", *SMALL, *options_of(method, photos, checkpoint)]
    assert pretrain(compose_config("pretrain", PretrainConfig, options)).is_file()
    rows = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    assert rows[-1]["step"] == 2 and TERMS.get(method, {"supervision_rgb"}) <= set(rows[-1]) - {"contrast_views"}
    assert "contrast_views" not in rows[-1], "a term of the first phase, which is over"
    assert json.loads((out / "metrics.json").read_text())["held_out_map_mm"] > 0


@pytest.mark.parametrize(("positives", "same_image"), [("self", True), ("similar", False)])
def test_the_first_steps_contrast_and_the_rest_is_supervised(tiny_data, positives, same_image):
    hands = SyntheticHands(tiny_data)
    phase = ContrastPhaseConfig(share=0.4, batch_size=6, positives=positives, turn_rad=0.0, shift=0.0)
    method = PretrainMethod(depth_branch=False, fused_branch=False, contrast=[], phase=phase)
    augment = AugmentConfig(crop_px=32, crop_margin=1.5, min_scale=1.0, max_scale=1.0)
    batches = step_batches(method, hands, augment, max_steps=5, batch_size=3, seed=0)
    assert [isinstance(batches(step)[0], ContrastView) for step in range(5)] == [True, True, False, False, False]
    first, second = batches(1)
    assert len(first) == 6 and isinstance(batches(2)[0], HandBatch) and len(batches(2)[0]) == 3
    same_pose = (first.joints_uv - second.joints_uv).abs().amax((1, 2)) < 1e-5
    assert same_pose.all() if same_image else not same_pose.any()


def test_the_ablation_compares_them_all():
    variants = compose_config("ablate", AblateConfig, ["out=o", "variants=methods"]).variants
    assert sorted(variants) == METHODS and next(iter(variants)) == "source_only"
    for name, text in variants.items():
        first, *others = text.split()
        assert first == f"pretrain.method={name}"
        if others:
            overrides = [option.removeprefix("pretrain.") for option in (first, *others)]
            compose_config("pretrain", PretrainConfig, ["data=d", "out=o", *overrides])
    assert "pose_checkpoint=o/seed-0/source_only/model.safetensors" in variants["handclr_real"]


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["method=clcee"], "method=clcee is unknown; legal: alignment, clce"),
        (["method=peclr", "batch_size=1"], "batch_size=1 is not legal: it must be 2 or more with this method"),
        (["method=clce", "batch_size=1"], "batch_size=1 is not legal: it must be 2 or more with this method"),
        (["method=peclr_real"], "method.phase.photos= is not legal: it must be a folder of photos"),
        (["method=peclr_real", "method.phase.photos=nowhere"], "target=nowhere does not exist"),
        (["method=handclr_real", "method.phase.photos=p"], "method.phase.pose_checkpoint= is not legal"),
        (["method=handclr", "data=stream"], "data=stream is not legal: it must be a dataset made by generate"),
        (["method=peclr", "network.embedding_dims=7"], "network.embedding_dims=7 is not legal: it must be even"),
        (["method=alignment", "method.depth_branch=false"], "method.alignment_weight=1.0 is not legal: it must be 0"),
        (["method=cross_contrast", "method.depth_branch=false"], "method.contrast=depth_depth is not legal"),
        (["method=intra_contrast", "method.contrast=[rgb_fused]"], "method.contrast=rgb_fused is not legal"),
        (["method=dual", "method.contrast=[rgb_rbg]"], "method.contrast=rgb_rbg is not legal"),
        (["method=dual", "method.attention=rgb"], "method.attention=rgb is not legal: it must be one of depth, mask"),
        (["method=source_only", "method.plus_depth=predicted"], "method.plus_depth=predicted is not legal"),
        (["method=clce", "method.classes.count=99"], "method.classes.count=99 clusters need as many samples"),
    ],
)
def test_what_cannot_be_trained_ends_in_one_line(overrides, message, tiny_data, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main([f"data={tiny_data}", "out=o", *SMALL, *overrides]) == 1
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1 and message in lines[0]
    assert not (tmp_path / "o").exists()


def test_renders_without_depth_are_no_data_for_a_dual_method(tiny_data, capsys, tmp_path, monkeypatch):
    true_rows = SyntheticHands.__getitem__

    def blind(self, index):
        hand = true_rows(self, index)
        hand.closeness[:] = 0
        return hand

    monkeypatch.setattr(SyntheticHands, "__getitem__", blind)
    assert main([f"data={tiny_data}", f"out={tmp_path / 'o'}", *SMALL, "method=dual"]) == 1
    assert "holds no depth (sample 0), which this method needs; take source_only" in capsys.readouterr().err
