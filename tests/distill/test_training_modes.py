"""Every kind of training sets the modes of its network: what is trained counts its batches, what is frozen none.

A loaded network comes in evaluation mode and Lightning leaves it there: trained so, batch normalisation never learns,
and a branch whose statistics were never moved has nothing of what its weights learned.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from safetensors.torch import load_file

from distill.adapt import AdaptConfig, adapt
from distill.adapt_detector import AdaptDetectorConfig, adapt_detector
from distill.methods.control import Options as Control
from distill.upper_bound import UpperBoundConfig, upper_bound
from dualmod.checkpoints.checkpoint import load_network, save_network
from dualmod.detection.checkpoint import save_detector
from dualmod.detection.network import DetectorNet, DetectorNetConfig
from dualmod.network.model import DualModalityNet
from dualmod.network.train_eval_mode import is_untrained
from dualmod.pretrain import PretrainConfig, pretrain
from dualmod.pretrain_detector import PretrainDetectorConfig, pretrain_detector
from dualmod.pretraining.config import PretrainMethod
from dualmod.pretraining.objective import MethodConfig

STEPS = 2
COUNT = ".num_batches_tracked"
SHORT = {"max_steps": STEPS, "loader_workers": 0, "threads": 1, "device": "cpu"}
SMALL = {"source_batch_size": 2, "target_batch_size": 2}
RGB_ALONE = MethodConfig(depth_branch=False, fused_branch=False, contrast=[])
DETECTOR = DetectorNetConfig(image_size=64, backbone="mobilenetv3_small_050", width=8, frozen_stages=1)


@pytest.fixture
def frozen_first(tiny_config):
    return replace(tiny_config, rgb=replace(tiny_config.rgb, frozen_stages=2))


@pytest.fixture
def start(frozen_first, tmp_path: Path) -> Path:
    """A pose network whose first two RGB stages are frozen and which has never been trained."""
    save_network(tmp_path / "start.safetensors", DualModalityNet(frozen_first), {})
    return tmp_path / "start.safetensors"


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for k in range(4):
        cv2.imwrite(str(folder / f"{k}.png"), rng.integers(0, 255, (70, 80, 3), dtype=np.uint8))
    return folder


def counts(model: Path) -> dict[str, int]:
    """Batches that each batch normalisation has counted, by its name."""
    return {k.removesuffix(COUNT): int(v) for k, v in load_file(model).items() if k.endswith(COUNT)}


def check_counts(model: Path, trained: Callable[[str], bool], moved_from: Path | None = None) -> None:
    """What is trained has counted each step once, all else none; statistics of the latter have not moved."""
    found = counts(model)
    assert {name for name in found if trained(name)} and not all(trained(name) for name in found)
    assert {name: count for name, count in found.items()} == {name: STEPS * trained(name) for name in found}
    if moved_from is not None:
        before, after = load_file(moved_from), load_file(model)
        for name in found:
            means = [weights[f"{name}.running_mean"] for weights in (before, after)]
            assert bool((means[0] != means[1]).any()) == trained(name), name


def is_frozen(name: str) -> bool:
    return name.startswith(("rgb_encoder.stages.0.", "rgb_encoder.stages.1."))


def is_rgb(name: str) -> bool:
    return name.startswith(("rgb_", "decoder.")) and not is_frozen(name)


def renders(data: Path, out: Path, **changes) -> PretrainConfig:
    return PretrainConfig(data=str(data), out=str(out), batch_size=3, **SHORT, **changes)


def test_a_fresh_pre_training_counts_what_it_trains(frozen_first, tiny_data, tmp_path):
    alone = PretrainMethod(depth_branch=False, fused_branch=False, contrast=[])
    check_counts(pretrain(renders(tiny_data, tmp_path / "a", network=frozen_first, method=alone)), is_rgb)
    dual = pretrain(renders(tiny_data, tmp_path / "b", network=frozen_first))
    check_counts(dual, lambda name: not is_frozen(name))


@pytest.mark.parametrize("branch", ["without", "with"])
def test_adaptation_says_of_a_depth_branch_that_it_was_never_trained(
    branch, start, tiny_data, photos, tmp_path, capsys
):
    source = MethodConfig() if branch == "with" else RGB_ALONE
    config = AdaptConfig(
        str(start),
        str(tiny_data),
        str(tmp_path / "a"),
        target=str(photos),
        method=Control(source=source),
        **SMALL,
        **SHORT,
    )
    adapt(config)
    assert ("its depth branch was never trained" in capsys.readouterr().err) == (branch == "with")


def test_a_pre_training_that_starts_from_a_checkpoint_counts_what_it_trains(start, tiny_data, tmp_path):
    assert is_untrained(load_network(start).depth_neck)
    model = pretrain(renders(tiny_data, tmp_path / "a", init=str(start)))
    check_counts(model, lambda name: not is_frozen(name), moved_from=start)
    assert not is_untrained(load_network(model).depth_neck)


@pytest.mark.parametrize("keeps", [True, False])
def test_adaptation_and_the_upper_bound_move_statistics_only_when_told(
    keeps, start, tiny_data, photos, tmp_path, toy_root
):
    settings = {"checkpoint": str(start), "source": str(tiny_data), "frozen_statistics": keeps, **SHORT}
    models = [
        adapt(AdaptConfig(target=str(photos), out=str(tmp_path / "adapted"), **settings, **SMALL)),
        adapt(AdaptConfig(target="", out=str(tmp_path / "control"), method=Control(), **settings, **SMALL)),
    ]
    bound = {"dataset": "toy", "root": str(toy_root), "out": str(tmp_path / "bound"), "method": MethodConfig()}
    upper_bound(UpperBoundConfig(**settings, **SMALL, **bound))
    models += sorted((tmp_path / "bound").glob("fold-*/model.safetensors"))
    assert len(models) == 4
    for model in models:
        found = counts(model)
        # passes over photographs count too
        assert all((count >= STEPS) == (not keeps and not is_frozen(name)) for name, count in found.items()), model
        assert all(count == 0 or not keeps for count in found.values()), model


def test_detectors_count_what_they_train(tiny_data, photos, tmp_path):
    save_detector(tmp_path / "start.safetensors", DetectorNet(DETECTOR), {})
    start = str(tmp_path / "start.safetensors")
    for name, options in (("fresh", {"network": DETECTOR}), ("again", {"init": start})):
        model = pretrain_detector(
            PretrainDetectorConfig(data=str(tiny_data), out=str(tmp_path / name), batch_size=2, **SHORT, **options)
        )
        check_counts(model, lambda name: not name.startswith("stages.0."))
    for keeps in (True, False):
        where = (start, str(tiny_data), str(photos), str(tmp_path / f"adapted-{keeps}"))
        config = AdaptDetectorConfig(*where, frozen_statistics=keeps, **SMALL, **SHORT)
        model = adapt_detector(config)
        found = counts(model)
        assert all((n > 0) == (not keeps and not name.startswith("stages.0.")) for name, n in found.items())
