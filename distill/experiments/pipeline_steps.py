"""The stages of the pipeline as a list of steps, every config composed before the first one starts."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from distill.adapt import AdaptConfig, adapt
from distill.experiments.step_runner import Step, compose_forwarded
from distill.targets.simulated import DOMAIN, SET_NAME, SimulatedTargetConfig, lay_out
from dualmod.data.image_sets import ANNOTATIONS
from dualmod.evaluate import EvaluateConfig, evaluate
from dualmod.pretrain import FREE_KEYS as TRAIN_FREE_KEYS
from dualmod.pretrain import MODEL_FILE, PretrainConfig, pretrain
from synth.dataset.manifest import MANIFEST_FILE
from synth.generate import FREE_KEYS as GENERATE_FREE_KEYS
from synth.generate import GenerateConfig, generate

FORWARDED = ("generate", "pretrain", "adapt", "evaluate")
"""Stages that take options from the pipeline's command line as ``STAGE.KEY=VALUE``."""
SET_BY_PIPELINE = (
    "out", "data", "seed", "checkpoint", "source", "target", "target_root", "dataset", "root", "method", "preset",
    "overwrite",
)  # fmt: skip
PRETRAINED = {"source_only": "source_only", "dual": "dual"}
ADAPTED = {"control": "control", "adapted": "self_distillation"}
"""Folder of a stage -> its method. Both start from ``dual`` and take as many steps."""
C = TypeVar("C")


@dataclass(frozen=True)
class Plan:
    """What the steps are made from.

    Attributes:
        out: The pipeline's folder.
        preset: Preset of every stage.
        seeds: Seeds of the trainings.
        target: What is adapted to: a folder, or names of sets in ``root``, with commas.
        datasets: Names of the sets that are measured on, with commas.
        root: Folder of the sets.
        backgrounds: Folder of photos behind the renders of the source; None for painted backgrounds.
        simulated_samples: Renders of the simulated target; 0 when the sets are real.
        forwarded: Options for each stage of ``FORWARDED``.
    """

    out: Path
    preset: str
    seeds: Sequence[int]
    target: str
    datasets: str
    root: Path
    backgrounds: Path | None
    simulated_samples: int
    forwarded: dict[str, list[str]]

    def compose(self, stage: str, schema: type[C], *options: str) -> C:
        """The config of a stage: its preset, what the pipeline sets, and what the user forwards.

        Raises:
            ValueError: for a forwarded option that is unknown, illegal, or set by the pipeline; it names the stage.
        """
        own = [f"preset={self.preset}", *options]
        forwarded = self.forwarded.get(stage, [])
        return compose_forwarded(stage, schema, own, forwarded, verb="the pipeline", reserved=SET_BY_PIPELINE)


def plan_steps(plan: Plan) -> list[Step]:
    """All steps in order.

    Raises:
        ValueError: when the config of any stage is illegal; nothing has been written by then.
    """
    data = plan.out / "data"
    skins = [f"skins={plan.out / 'skins_source'}"] if plan.simulated_samples else []
    photos = [f"background_dir={plan.backgrounds}"] if plan.backgrounds else []
    steps = [_generate(plan, "data", *skins, *photos)]
    if plan.simulated_samples:
        steps += _simulated(plan)
    for seed in plan.seeds:
        folder = plan.out / f"seed-{seed}"
        for name, method in PRETRAINED.items():
            steps.append(_pretrain(plan, folder / name, data, method, seed))
        for name, method in ADAPTED.items():
            steps.append(_adapt(plan, folder / name, folder / "dual" / MODEL_FILE, data, method, seed))
        steps += [_evaluate(plan, folder / name) for name in (*PRETRAINED, *ADAPTED)]
    return steps


def evaluated_folders(plan: Plan) -> list[str]:
    """The folders of the trained stages, stage by stage, for the report."""
    return [str(plan.out / f"seed-{seed}" / name) for name in (*PRETRAINED, *ADAPTED) for seed in plan.seeds]


def _generate(plan: Plan, name: str, *options: str) -> Step:
    out = plan.out / name
    config = plan.compose("generate", GenerateConfig, f"out={out}", *options)
    return Step(name, config, generate, out, out / MANIFEST_FILE, GENERATE_FREE_KEYS)


def _simulated(plan: Plan) -> list[Step]:
    options = (*DOMAIN, f"num_samples={plan.simulated_samples}", f"skins={plan.out / 'skins_target'}")
    # forwarded options are for the source alone: they would undo what makes the target another domain
    rendered = _generate(_without_forwarded(plan), "target_renders", *options)
    out = plan.root / SET_NAME
    config = SimulatedTargetConfig(data=str(rendered.out), out=str(out))
    return [rendered, Step("target", config, lay_out, out, out / ANNOTATIONS)]


def _without_forwarded(plan: Plan) -> Plan:
    kept = [o for o in plan.forwarded.get("generate", []) if o.partition("=")[0] in (*GENERATE_FREE_KEYS, "image_size")]
    return replace(plan, forwarded={"generate": kept})


def _pretrain(plan: Plan, out: Path, data: Path, method: str, seed: int) -> Step:
    config = plan.compose("pretrain", PretrainConfig, f"method={method}", f"data={data}", f"out={out}", f"seed={seed}")
    return Step(_name(plan, out), config, pretrain, out, out / MODEL_FILE, TRAIN_FREE_KEYS)


def _adapt(plan: Plan, out: Path, checkpoint: Path, data: Path, method: str, seed: int) -> Step:
    options = (f"checkpoint={checkpoint}", f"source={data}", f"out={out}", f"seed={seed}")
    target = (f"target={plan.target}", f"target_root={plan.root}")
    if method == "control":
        plan = _for_control(plan)
    config = plan.compose("adapt", AdaptConfig, f"method={method}", *options, *target)
    return Step(_name(plan, out), config, adapt, out, out / MODEL_FILE, TRAIN_FREE_KEYS)


def _for_control(plan: Plan) -> Plan:
    """Without the options of how photos are learned from, which the control has none of."""
    forwarded = plan.forwarded.get("adapt", [])
    kept = [o for o in forwarded if not o.startswith("method.") or o.startswith("method.source.")]
    return replace(plan, forwarded={**plan.forwarded, "adapt": kept})


def _evaluate(plan: Plan, trained: Path) -> Step:
    out = trained / "evaluation"
    options = (f"checkpoint={trained / MODEL_FILE}", f"dataset={plan.datasets}", f"root={plan.root}", f"out={out}")
    config = plan.compose("evaluate", EvaluateConfig, *options)
    return Step(_name(plan, out), config, evaluate, out, out / "metrics.json", ("batch_size", "device"))


def _name(plan: Plan, out: Path) -> str:
    return out.relative_to(plan.out).as_posix()
