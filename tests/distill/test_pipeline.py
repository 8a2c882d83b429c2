"""The pipeline with stages that only leave their files: order, forwarding, skipping, refusals, the summary."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from distill import pipeline as pipeline_module
from distill.experiments import pipeline_steps
from distill.experiments.pipeline_steps import plan_steps
from distill.experiments.step_runner import read_times, split_forwarded
from distill.methods.control import Options as Control
from distill.methods.self_distillation import Options as SelfDistillation
from distill.pipeline import PipelineConfig, command_of, main, make_plan, pipeline
from tests.distill.conftest import leave, leave_evaluation

Write = Callable[..., Path]
NOISE_PX = {"source_only": 4.0, "dual": 3.0, "control": 2.5, "adapted": 1.0}


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch, evaluated: Write) -> list[tuple[str, Any]]:
    """What the stages were called with; each leaves its config and product, ``evaluate`` a true evaluation."""
    made: list[tuple[str, Any]] = []
    monkeypatch.setattr(pipeline_steps, "generate", leave(made, "generate", "manifest.json"))
    monkeypatch.setattr(pipeline_steps, "pretrain", leave(made, "pretrain", "model.safetensors"))
    monkeypatch.setattr(pipeline_steps, "adapt", leave(made, "adapt", "model.safetensors"))
    monkeypatch.setattr(pipeline_steps, "evaluate", leave_evaluation(made, evaluated, NOISE_PX))
    monkeypatch.setattr("distill.report.runs.Evaluated.checkpoint", None)
    return made


def config(out: Path, toy_root: Path, **options: Any) -> PipelineConfig:
    chosen = {"preset": "demo", "seeds": [0], "target": "toy", "datasets": "toy", "gallery": 1, **options}
    return PipelineConfig(out=str(out), real_root=str(toy_root), **chosen)


def test_stages_run_in_order_with_their_inputs(calls: list, toy_root: Path, tmp_path: Path) -> None:
    out = tmp_path / "all"
    report = pipeline(config(out, toy_root, seeds=[0, 4], pretrain=["max_steps=7"]))
    assert [stage for stage, _ in calls] == ["generate"] + 2 * (2 * ["pretrain"] + 2 * ["adapt"] + 4 * ["evaluate"])
    generated = calls[0][1]
    assert generated.num_samples == 2000 and generated.out == str(out / "data")  # what the preset demo says
    source_only, dual, control, adapted = (made for _, made in calls[1:5])
    assert not source_only.method.depth_branch and dual.method.depth_branch
    assert source_only.max_steps == dual.max_steps == 7 and dual.data == generated.out
    assert isinstance(control.method, Control) and isinstance(adapted.method, SelfDistillation)
    assert control.max_steps == adapted.max_steps
    assert control.checkpoint == adapted.checkpoint == str(out / "seed-0" / "dual" / "model.safetensors")
    assert (adapted.target, adapted.target_root) == ("toy", str(toy_root))
    assert {made.seed for stage, made in calls[9:] if stage != "evaluate"} == {4}
    assert report == out / "report.html" and "adapted beats control" in report.read_text()


def test_options_of_learning_from_photos_are_not_the_controls(calls: list, toy_root: Path, tmp_path: Path) -> None:
    forwarded = ["method.source.temperature=0.4", "method.pseudo.keep_share=0.6", "max_steps=9"]
    pipeline(config(tmp_path / "all", toy_root, adapt=forwarded))
    control, adapted = (made for stage, made in calls if stage == "adapt")
    assert adapted.method.pseudo.keep_share == 0.6
    assert [made.method.source.temperature for made in (control, adapted)] == [0.4, 0.4]
    assert [made.max_steps for made in (control, adapted)] == [9, 9]


def test_what_is_done_is_skipped_and_what_is_missing_is_made(calls: list, toy_root: Path, tmp_path: Path) -> None:
    out = tmp_path / "all"
    pipeline(config(out, toy_root))
    times = read_times(out)
    calls.clear()
    pipeline(config(out, toy_root, adapt=["loader_workers=5"]))
    assert not calls and read_times(out) == times
    (out / "seed-0" / "control" / "config.yaml").unlink()
    shutil.rmtree(out / "seed-0" / "control")
    shutil.rmtree(tmp_path / "runs" / "seed-0" / "control")
    pipeline(config(out, toy_root))
    assert [(stage, Path(made.out).name) for stage, made in calls] == [("adapt", "control"), ("evaluate", "evaluation")]


def test_another_runs_stage_is_refused_before_work(calls: list, toy_root: Path, tmp_path: Path) -> None:
    out = tmp_path / "all"
    pipeline(config(out, toy_root))
    calls.clear()
    with pytest.raises(ValueError, match=r"source_only holds another run \(max_steps was \d+, now 9\)"):
        pipeline(config(out, toy_root, pretrain=["max_steps=9"]))
    assert not calls


def test_summary_says_command_hardware_times_and_spread(calls: list, toy_root: Path, tmp_path: Path) -> None:
    out = tmp_path / "all"
    cfg = config(out, toy_root, seeds=[0, 1], adapt=["max_steps=3"])
    pipeline(cfg)
    summary = json.loads((out / "summary.json").read_text())
    assert summary["command"] == command_of(cfg)
    assert summary["command"].startswith(f"handbridge pipeline preset=demo out={out} seeds=[0,1]")
    assert summary["command"].endswith("adapt.max_steps=3")
    assert "cores" in summary["hardware"] and summary["commit"]
    assert set(summary["seconds"]) >= {"data", "seed-1/adapted", "seed-1/adapted/evaluation"}
    by_seed = [
        json.loads((out / f"seed-{s}" / "dual" / "evaluation" / "metrics.json").read_text())["toy"]["epe_mm"]
        for s in (0, 1)
    ]
    assert summary["results"]["dual"]["toy"]["epe_mm"]["mean"] == pytest.approx(sum(by_seed) / 2)
    assert "| toy | 12 | dual | 2 | " in (out / "summary.md").read_text()


def test_simulated_target_is_planned_and_said_first(
    calls: list, toy_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lay_out(made: Any) -> None:
        calls.append(("lay_out", made))
        shutil.copytree(toy_root / "toy", Path(made.out))

    monkeypatch.setattr(pipeline_steps, "lay_out", lay_out)
    out = tmp_path / "all"
    cfg = config(out, toy_root, generate=["image_size=64", "scene.sleeve_share=0.1"], simulated_samples=20)
    cfg.real_root = "none"
    monkeypatch.setattr(pipeline_module, "SET_NAME", "toy")
    monkeypatch.setattr(pipeline_steps, "SET_NAME", "toy")
    report = pipeline(cfg)
    source, target = (made for stage, made in calls if stage == "generate")
    assert source.seed != target.seed and source.skins != target.skins and target.num_samples == 20
    assert (target.image_size, target.scene.sleeve_share, source.scene.sleeve_share) == (64, 0.9, 0.1)
    skins = [{file.name for file in Path(made.skins).iterdir()} for made in (source, target)]
    assert skins[0] and skins[1] and not skins[0] & skins[1]
    adapted = next(made for stage, made in calls if stage == "adapt")
    assert (adapted.target, adapted.target_root) == ("toy", str(out / "target_sets"))
    page = report.read_text()
    assert page.index("Simulated target domain") < page.index("<section")
    assert (out / "summary.md").read_text().startswith("> Simulated target domain")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("pretrain.max_stepz=3", "pretrain: max_stepz is no option of this stage; did you mean max_steps?"),
        ("generate.num_samples=-3", "generate: num_samples=-3 is not legal"),
        ("adapt.method.pseudo.keep_share=2", "adapt: keep_share=2"),
        ("evaluate.out=elsewhere", "evaluate.out is set by the pipeline"),
        ("pretrain.preset=paper", "pretrain.preset is set by the pipeline"),
        ("seeds=[1,1]", "seeds=[1, 1] is not legal"),
        ("target=nowhere", "target=nowhere is not legal: it must be one of those in"),
        ("datasets=toy,nothing", "datasets=nothing is not legal"),
        ("nonsense=1", "nonsense is no option of this stage"),
    ],
)
def test_bad_options_of_any_stage_fail_before_any_work(
    arguments: str, said: str, toy_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    out = tmp_path / "all"
    usual = [f"out={out}", "preset=demo", f"real_root={toy_root}", "target=toy", "datasets=toy"]
    assert main([*usual, arguments]) == 1
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1
    assert not out.exists()


def test_own_photos_and_a_public_dataset_need_no_folder_of_sets(toy_root: Path, tmp_path: Path) -> None:
    photos = toy_root / "toy" / "images"
    cfg = PipelineConfig(out=str(tmp_path / "all"), real_root="none", target=str(photos), datasets=f"folder:{photos}")
    plan = make_plan(cfg)
    assert (plan.target, plan.datasets, plan.simulated_samples) == (cfg.target, cfg.datasets, 0)
    cfg.datasets = "toy"
    assert make_plan(cfg).simulated_samples > 0, "a set by its name cannot be found without its folder"
    cfg.datasets = "nosuchreader:/data"
    with pytest.raises(ValueError, match="nosuchreader"):
        make_plan(cfg)


def test_presets_reach_every_stage(toy_root: Path, tmp_path: Path) -> None:
    sizes = {}
    for preset in ("demo", "laptop", "paper"):
        steps = {s.name: s.config for s in plan_steps(make_plan(config(tmp_path / "x", toy_root, preset=preset)))}
        sizes[preset] = (
            steps["data"].num_samples,
            steps["seed-0/dual"].max_steps,
            steps["seed-0/adapted"].max_steps,
            steps["seed-0/adapted/evaluation"].bootstrap,
        )
    for small, large in (("demo", "laptop"), ("laptop", "paper")):
        assert all(a < b for a, b in zip(sizes[small], sizes[large], strict=True))


def test_forwarded_options_are_told_from_the_pipelines_own() -> None:
    given = ["out=a.b", "pretrain.optimizer.learning_rate=1", "adapt.seedling=2", "x.y=3"]
    own, forwarded = split_forwarded(given, pipeline_steps.FORWARDED)
    assert own == ["out=a.b", "x.y=3"]
    assert forwarded == {
        "generate": [], "pretrain": ["optimizer.learning_rate=1"], "adapt": ["seedling=2"], "evaluate": [],
    }  # fmt: skip
