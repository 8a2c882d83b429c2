"""The ablation with stages that only leave their files: shared datasets, order, resuming, refusals, the tables."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from distill.ablate import ablate, main
from distill.adapt import AdaptConfig
from distill.experiments import ablation_steps as steps_module
from distill.experiments.ablation_steps import AblateConfig, ablation_steps
from distill.monitoring.collapse import CollapseError
from distill.monitoring.self_consistency import CONSISTENCY_FILE
from distill.pipeline import PipelineConfig
from distill.upper_bound import UpperBoundConfig
from dualmod.pretrain import PretrainConfig
from synth.common.config import compose_config
from tests.distill.conftest import leave, leave_evaluation

VARIANTS = {
    "plain": "",
    "no_arm": "generate.scene.arm.on=false",
    "longer": "pretrain.max_steps=9",
    "bare": "generate.scene.arm.on=false pretrain.max_steps=9",
}
NOISE_PX = {"plain": 2.0, "no_arm": 3.0, "longer": 1.0, "bare": 2.5}


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch, evaluated: Callable[..., Path]) -> list[tuple[str, Any]]:
    """What the stages were called with."""
    made: list[tuple[str, Any]] = []
    monkeypatch.setattr(steps_module, "generate", leave(made, "generate", "manifest.json"))
    monkeypatch.setattr(steps_module, "pretrain", leave(made, "pretrain", "model.safetensors"))
    monkeypatch.setattr(steps_module, "adapt", leave(made, "adapt", "model.safetensors"))
    monkeypatch.setattr(steps_module, "self_consistency", leave(made, "consistency", CONSISTENCY_FILE))
    monkeypatch.setattr(steps_module, "evaluate", leave_evaluation(made, evaluated, NOISE_PX))
    return made


def config(out: Path, toy_root: Path, **options: Any) -> AblateConfig:
    chosen = {"preset": "demo", "seeds": [0, 1], "variants": VARIANTS, "datasets": "toy", "backgrounds": "none"}
    return AblateConfig(out=str(out), real_root=str(toy_root), **(chosen | options))


def test_variants_that_render_alike_share_a_dataset_and_seeds_are_the_outer_loop(
    calls: list, toy_root: Path, tmp_path: Path
) -> None:
    out = tmp_path / "all"
    ablate(config(out, toy_root, pretrain=["batch_size=3"]))
    renders = [made for stage, made in calls if stage == "generate"]
    assert [Path(made.out).name for made in renders] == ["plain", "no_arm"]
    assert [made.scene.arm.on for made in renders] == [True, False]
    trained = [made for stage, made in calls if stage == "pretrain"]
    assert [made.seed for made in trained] == [0] * 4 + [1] * 4 and {made.batch_size for made in trained} == {3}
    assert [Path(made.data).name for made in trained[:4]] == ["plain", "no_arm", "plain", "no_arm"]
    assert trained[2].max_steps == trained[3].max_steps == 9 != trained[0].max_steps == trained[1].max_steps


def test_what_is_done_stays_and_another_seed_or_variant_is_added(calls: list, toy_root: Path, tmp_path: Path) -> None:
    out = tmp_path / "all"
    two = {name: VARIANTS[name] for name in ("plain", "longer")}
    ablate(config(out, toy_root, seeds=[0], variants=two))
    calls.clear()
    ablate(config(out, toy_root, seeds=[0, 2], variants={**two, "no_arm": VARIANTS["no_arm"]}))
    assert [(stage, Path(made.out).parts[-2:]) for stage, made in calls if stage in ("generate", "pretrain")] == [
        ("generate", ("data", "no_arm")),
        ("pretrain", ("seed-0", "no_arm")),
        ("pretrain", ("seed-2", "plain")),
        ("pretrain", ("seed-2", "longer")),
        ("pretrain", ("seed-2", "no_arm")),
    ]


def test_a_training_that_asks_another_variant_waits_for_it(toy_root: Path, tmp_path: Path) -> None:
    first = tmp_path / "all" / "seed-0" / "plain" / "model.safetensors"
    variants = {"plain": "", "asks": f"pretrain.method.phase.pose_checkpoint={first}", "begins": "pretrain.init=other"}
    steps = {step.name: step for step in ablation_steps(config(tmp_path / "all", toy_root, variants=variants))}
    assert first in (steps["seed-0/asks"].needs or ()) and first in (steps["seed-1/asks"].needs or ())
    assert first not in (steps["seed-1/plain"].needs or ()) and len(steps["seed-0/begins"].needs or ()) == 1


def test_an_interrupted_run_leaves_the_tables_of_what_is_done(
    calls: list, toy_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(_: Any) -> None:
        raise KeyboardInterrupt

    steps = ablation_steps(config(tmp_path / "all", toy_root))
    assert [step.name for step in steps[:3]] == ["data/plain", "seed-0/plain", "seed-0/plain/evaluation"]
    done = steps_module.pretrain

    def second_dies(made: Any) -> None:
        (die if Path(made.out).name == "no_arm" else done)(made)

    monkeypatch.setattr(steps_module, "pretrain", second_dies)
    with pytest.raises(KeyboardInterrupt):
        ablate(config(tmp_path / "all", toy_root))
    table = (tmp_path / "all" / "ablation.md").read_text()
    assert "| plain | - | 1 |" in table and "no_arm |" not in table


def test_three_seeds_are_the_default():
    assert AblateConfig(out="o").seeds == PipelineConfig(out="o").seeds == [0, 1, 2]


def test_tables_give_spread_and_paired_differences(calls: list, toy_root: Path, tmp_path: Path) -> None:
    out = tmp_path / "all"
    table = ablate(config(out, toy_root, baseline="no_arm")).read_text()
    numbers = json.loads((out / "ablation.json").read_text())
    own, base = (numbers["results"][name]["toy"]["pck_box@0.1"] for name in ("longer", "no_arm"))
    gaps = [100 * (own[seed] - base[seed]) for seed in ("0", "1")]
    half = stats.t.ppf(0.975, 1) * np.std(gaps, ddof=1) / np.sqrt(2)
    assert f"({np.mean(gaps):+.1f} ± {half:.1f})" in table.replace("*", "")
    assert f"| {100 * np.mean(list(own.values())):.1f} ± " in table
    assert numbers["baseline"] == "no_arm" and "baseline=no_arm" in numbers["command"]
    assert set(numbers["seconds"]) >= {"data/plain", "seed-1/bare", "seed-1/bare/evaluation"}


@pytest.mark.parametrize(
    ("variants", "message"),
    [
        ({"a": ""}, "two or more"),
        ({"a": "", "b": "pretrain.seed=1"}, r"variant b: pretrain.seed is set by ablate"),
        ({"a": "", "b": "max_steps=1"}, r"variants.b=max_steps=1 is not legal"),
        ({"a": "", "b": "pretrain.max_step=1"}, r"variant b: pretrain: max_step is no option .* max_steps"),
        ({"a": "", "b": "pretrain.batch_size='4"}, "variant b: No closing quotation"),
    ],
)
def test_a_faulty_variant_ends_before_work(
    calls: list, toy_root: Path, tmp_path: Path, variants: dict[str, str], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        ablate(config(tmp_path / "all", toy_root, variants=variants))
    assert not calls and not (tmp_path / "all").exists()


def test_the_shipped_variants_compose(toy_root: Path, tmp_path: Path) -> None:
    for name in ("factors", "methods"):
        cfg = compose_config(
            "ablate", AblateConfig, [f"out={tmp_path / 'x'}", f"variants={name}", "datasets=toy", "seeds=[0]"]
        )
        cfg.real_root = str(toy_root)
        steps = ablation_steps(cfg)
        trained = [step for step in steps if isinstance(step.config, PretrainConfig)]
        configs = [repr(step.config).replace(str(step.out), "") for step in trained]
        assert len(cfg.variants) > 1 and len(set(configs)) == len(configs)


def test_the_command_line_forwards_options(calls: list, toy_root: Path, tmp_path: Path) -> None:
    options = [f"out={tmp_path / 'all'}", "variants=methods", "seeds=[0]", f"real_root={toy_root}", "preset=demo"]
    assert main([*options, "datasets=nowhere"]) == 1
    assert not calls


METHODS = {"plain": "", "longer": "adapt.method=control adapt.max_steps=7", "bare": "adapt.method=cgac"}


def starts(folder: Path) -> str:
    """A start checkpoint for each of two seeds; the path with SEED in place of the seed."""
    for seed in (0, 1):
        (folder / f"seed-{seed}").mkdir(parents=True)
        (folder / f"seed-{seed}" / "model.safetensors").write_text("")
    return str(folder / "seed-SEED" / "model.safetensors")


def test_methods_of_adaptation_start_from_the_checkpoint_of_their_seed(
    calls: list, toy_root: Path, tmp_path: Path
) -> None:
    start = starts(tmp_path / "starts")
    out = tmp_path / "all"
    options = {"variants": METHODS, "start": start, "source": str(tmp_path), "target": "toy", "adapt": ["threads=2"]}
    table = ablate(config(out, toy_root, **options)).read_text()
    assert [stage for stage, _ in calls] == ["evaluate", *["adapt", "evaluate", "consistency"] * 2] * 2
    adapted = [made for stage, made in calls if stage == "adapt"]
    assert [made.checkpoint for made in adapted] == [start.replace("SEED", s) for s in "0011"]
    assert [(made.seed, made.max_steps, made.method.name) for made in adapted[:2]] == [
        (0, 7, "control"),
        (0, adapted[1].max_steps, "cgac"),
    ]
    assert {made.threads for made in adapted} == {2} and {made.target_root for made in adapted} == {str(toy_root)}
    measured = [made for stage, made in calls if stage == "evaluate"]
    assert measured[0].checkpoint == start.replace("SEED", "0") and "seed-0/longer" in measured[1].checkpoint
    assert f"start={start}" in table and "| bare | adapt.method=cgac | 2 |" in table
    assert "All seeds start from one network" not in table


def test_the_released_start_stays_a_name_so_that_another_checkout_resumes(
    calls: list, toy_root: Path, tmp_path: Path
) -> None:
    options = {"variants": METHODS, "start": "released_start", "source": str(tmp_path), "target": "toy"}
    ablate(AblateConfig(out=str(tmp_path / "x"), seeds=[0], real_root=str(toy_root), datasets="toy", **options))
    assert {made.checkpoint for stage, made in calls if stage == "adapt"} == {"released_start"}
    assert "released_start" in {made.checkpoint for stage, made in calls if stage == "evaluate"}


def test_one_start_for_all_seeds_is_said_in_the_table(calls: list, toy_root: Path, tmp_path: Path) -> None:
    start = starts(tmp_path / "starts").replace("SEED", "0")
    options = {"variants": METHODS, "start": start, "source": str(tmp_path), "target": "toy"}
    table = ablate(config(tmp_path / "all", toy_root, **options)).read_text()
    assert {(made.checkpoint, made.seed) for stage, made in calls if stage == "adapt"} == {(start, 0), (start, 1)}
    assert f"All seeds start from one network, {start}: the spread is that of adaptation alone." in table


def test_the_upper_bound_is_one_step_that_measures_itself(
    calls: list, toy_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, evaluated: Callable[..., Path]
) -> None:
    bounds: list[UpperBoundConfig] = []

    def bound(made: UpperBoundConfig) -> None:
        leave(calls, "upper-bound", "nothing")(made)
        shutil.copytree(evaluated("bound", 0.5, seed=made.seed) / "evaluation", Path(made.out) / "evaluation")
        bounds.append(made)

    monkeypatch.setattr(steps_module, "upper_bound", bound)
    start = starts(tmp_path / "starts")
    variants = {"plain": "", "bound": "upper-bound.folds=3"}
    options = {"variants": variants, "start": start, "source": str(tmp_path), "upper_bound": ["threads=2"]}
    table = ablate(config(tmp_path / "all", toy_root, **options)).read_text()
    assert [stage for stage, _ in calls] == ["evaluate", "upper-bound"] * 2
    assert [(made.checkpoint, made.seed) for made in bounds] == [(start.replace("SEED", s), int(s)) for s in "01"]
    assert {(made.folds, made.threads, made.dataset) for made in bounds} == {(3, 2, "toy")}
    assert "| bound | upper-bound.folds=3 | 2 |" in table and "upper-bound.threads=2" in table
    assert "among all variants but bound, 1 the best" in table
    rows = {line.split(" | ")[0]: line.split(" | ")[-1] for line in table.split("rank over sets |")[1].splitlines()}
    assert rows["| plain"] == "1.0 ± 0.0 |" and rows["| bound"] == "- |"


def test_a_collapsed_method_does_not_end_the_ablation(
    calls: list, toy_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    leave = steps_module.adapt

    def collapse(made: Any) -> None:
        leave(made)
        if made.method.name == "control":
            raise CollapseError("collapse alarm at step 10")

    monkeypatch.setattr(steps_module, "adapt", collapse)
    options = {"variants": METHODS, "start": starts(tmp_path / "starts"), "source": str(tmp_path), "target": "toy"}
    ablate(config(tmp_path / "all", toy_root, seeds=[0], **options))
    assert [stage for stage, _ in calls].count("evaluate") == 3
    assert "longer: collapse alarm at step 10" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"source": ""}, "source= is not legal: it must be given with start"),
        ({"start": "one.safetensors"}, "start=one.safetensors does not exist"),
        ({"start": "none-SEED.safetensors"}, "start=none-0.safetensors does not exist"),
        ({"variants": {"a": "", "b": "adapt.seed=1"}}, "variant b: adapt.seed is set by ablate"),
        ({"variants": {"a": "", "b": "adapt.method=magic"}}, "variant b: adapt: method=magic is not legal"),
    ],
)
def test_faulty_comparisons_of_methods_end_before_work(
    calls: list, toy_root: Path, tmp_path: Path, changes: dict, message: str
) -> None:
    options = {"variants": METHODS, "start": starts(tmp_path / "starts"), "source": "renders", **changes}
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        ablate(config(tmp_path / "all", toy_root, **options))
    assert not calls


def test_the_shipped_methods_compose(toy_root: Path, tmp_path: Path) -> None:
    start = starts(tmp_path / "starts")
    given = [f"out={tmp_path / 'x'}", "variants=adaptation", "datasets=toy", f"start={start}", "source=renders"]
    cfg = compose_config("ablate", AblateConfig, [*given, "seeds=[0]"])
    cfg.real_root = str(toy_root)
    names = [step.config.method.name for step in ablation_steps(cfg) if isinstance(step.config, AdaptConfig)]
    assert len(names) == len(cfg.variants) - 2 and set(names) >= {"control", "regda", "semihand", "cgac"}
