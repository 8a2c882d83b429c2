"""What an ablation consists of: its options, and its steps with every config composed before the first one runs."""

import re
import shlex
import sys
from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from distill.adapt import AdaptConfig, adapt
from distill.experiments.step_runner import Step, compose_forwarded, list_of_stage, split_forwarded
from distill.monitoring.collapse import CollapseError
from distill.monitoring.model_selection import CONSISTENCY_FOLDER
from distill.monitoring.self_consistency import CONSISTENCY_FILE, ConsistencyConfig, self_consistency
from distill.report.runs import EVALUATION_FOLDER, METRICS_FILE
from distill.targets.discovery import AUTO, check_entry, find_backgrounds, find_real_root
from distill.upper_bound import UpperBoundConfig, upper_bound
from dualmod.checkpoints.released import pose_file
from dualmod.evaluate import EvaluateConfig, evaluate
from dualmod.pretrain import FREE_KEYS as TRAIN_FREE_KEYS
from dualmod.pretrain import MODEL_FILE, PretrainConfig, pretrain
from synth.common.config import check, option, required
from synth.dataset.manifest import MANIFEST_FILE
from synth.generate import FREE_KEYS as GENERATE_FREE_KEYS
from synth.generate import GenerateConfig, generate

STAGES = ("generate", "pretrain", "adapt", "upper-bound", "evaluate")
RESERVED = ("out", "data", "checkpoint", "source", "target", "target_root", "dataset", "root", "preset", "overwrite")
"""Options that ablate alone sets, in every stage; ``seed`` of the trainings as well."""
SEED = "SEED"
"""Stands for the seed in ``start``."""
C = TypeVar("C")


@dataclass
class AblateConfig:
    """Train variants with several seeds each, measure all on the same photos, and write one table.

    Options of all variants are forwarded: generate.KEY=VALUE, pretrain.KEY=VALUE, evaluate.KEY=VALUE. A variant is a
    name with options of its own: variants.NAME="pretrain.max_steps=100 generate.scene.arm.on=false".
    """

    out: str = required("folder of all runs; ablation.md is what to look at")
    preset: str = option("laptop", "size of every stage")
    seeds: list[int] = option([0, 1, 2], "seeds of the trainings; the dataset is the same for all")
    variants: dict[str, str] = option({}, "options of each variant, with blanks between, by name")
    baseline: str = option("", "variant that the others are compared with; empty: the first one")
    real_root: str = option(AUTO, "folder of the real image sets; auto: ../shared/real if it is there")
    backgrounds: str = option(AUTO, "photos behind the renders; auto: ../shared/backgrounds/bsds500 if there; none")
    datasets: str = option("ntu_real,hagrid,ti1k", "labelled sets in real_root to measure on")
    start: str = option("", f"adaptation: model.safetensors to start from, {SEED} in it is the seed; or released_start")
    source: str = option("", "adaptation: folder of the renders that stay in the training")
    target: str = option("hagrid,webcam,ti1k", "adaptation: folders of photos, or sets in real_root, with commas")
    generate: list[str] = option([], "options for generate, as generate.KEY=VALUE on the command line")
    pretrain: list[str] = option([], "options for pretrain, as pretrain.KEY=VALUE on the command line")
    adapt: list[str] = option([], "options for adapt, as adapt.KEY=VALUE on the command line")
    upper_bound: list[str] = option([], "options for upper-bound, as upper-bound.KEY=VALUE on the command line")
    evaluate: list[str] = option([], "options for evaluate, as evaluate.KEY=VALUE on the command line")
    overwrite: bool = option(False, "delete what another run left in out")

    def __post_init__(self) -> None:
        distinct = len(set(self.seeds)) == len(self.seeds) > 0 and all(seed >= 0 for seed in self.seeds)
        check(distinct, "seeds", self.seeds, "a list of different whole numbers from 0: seeds=[0,1,2]")
        for name in self.variants:
            check(re.fullmatch(r"\w+", name) is not None, "variants", name, "a name of letters, digits and _")
        known = "one of the variants: " + ", ".join(self.variants)
        check(self.baseline in ("", *self.variants), "baseline", self.baseline, known)
        check(bool(self.source) == bool(self.start), "source", self.source, "given with start, and start with it")


def ablation_steps(cfg: AblateConfig) -> list[Step]:
    """All steps in order; the configs of all variants are composed before the first one runs.

    Raises:
        ValueError: as ``ablate``.
        FileNotFoundError: as ``ablate``.
    """
    root = find_real_root(cfg.real_root)
    for entry in cfg.datasets.split(","):
        check_entry("datasets", entry.strip(), root)
    if cfg.start:
        return [step for seed in cfg.seeds for name in cfg.variants for step in _adapted(cfg, name, seed, root)]
    datasets: dict[str, Step] = {}
    rendered = {name: _rendered(cfg, name, datasets) for name in cfg.variants}
    steps = []
    for seed in cfg.seeds:
        for name in cfg.variants:
            if rendered[name] not in steps:
                steps.append(rendered[name])
            steps += _trained(cfg, name, seed, rendered[name], root)
    products = {step.product for step in steps}
    return [_after_its_start(step, products) for step in steps]


def _after_its_start(step: Step, products: Collection[Path]) -> Step:
    """The step with a need for each network of this ablation that its training starts from or asks."""
    if not isinstance(step.config, PretrainConfig):
        return step
    asked = {Path(file) for file in (step.config.init, step.config.method.phase.pose_checkpoint) if file}
    return replace(step, needs=(*(step.needs or ()), *asked.intersection(products)))


def _rendered(cfg: AblateConfig, name: str, known: dict[str, Step]) -> Step:
    """The dataset of a variant; that of an earlier one where both render alike."""
    photos = find_backgrounds(cfg.backgrounds)
    own = [f"background_dir={photos}"] if photos else []
    out = Path(cfg.out).expanduser() / "data" / name
    config = _compose(cfg, name, "generate", GenerateConfig, [f"out={out}", *own])
    same = repr(replace(config, out=""))
    step = Step(f"data/{name}", config, generate, out, out / MANIFEST_FILE, GENERATE_FREE_KEYS, ())
    return known.setdefault(same, step)


def _trained(cfg: AblateConfig, name: str, seed: int, data: Step, root: Path | None) -> list[Step]:
    folder = Path(cfg.out).expanduser() / f"seed-{seed}" / name
    trained = _compose(
        cfg, name, "pretrain", PretrainConfig, [f"data={data.out}", f"out={folder}", f"seed={seed}"], ("seed",)
    )
    model = folder / MODEL_FILE
    training = Step(f"seed-{seed}/{name}", trained, pretrain, folder, model, TRAIN_FREE_KEYS, (data.product,))
    measured = _measured(cfg, name, seed, str(model), (model,), root)
    return [training, measured, _agreeing(cfg, name, seed, model, data.out, root)]


def _agreeing(cfg: AblateConfig, name: str, seed: int, model: Path, data: Path, root: Path | None) -> Step:
    """How well the network agrees with itself on the adapt rows of the sets, which is no look at a label."""
    folder = model.parent / CONSISTENCY_FOLDER
    config = ConsistencyConfig(str(model), str(data), cfg.datasets, str(folder), target_root=str(root))
    place = f"seed-{seed}/{name}/{CONSISTENCY_FOLDER}"
    return Step(place, config, self_consistency, folder, folder / CONSISTENCY_FILE, ("device",), (model,))


def _adapted(cfg: AblateConfig, name: str, seed: int, root: Path | None) -> list[Step]:
    """Adaptation and evaluation of a variant; the evaluation of the start alone where it has no option for adapt."""
    folder = Path(cfg.out).expanduser() / f"seed-{seed}" / name
    start = cfg.start.replace(SEED, str(seed))  # by the name that was given, so that another checkout can go on
    needs = (pose_file(start, "start"),)
    _, options = split_forwarded(shlex.split(cfg.variants[name]), STAGES)
    if options["upper-bound"]:
        return [_bounded(cfg, name, seed, start, needs, root)]
    if not options["adapt"]:
        return [_measured(cfg, name, seed, start, needs, root)]
    own = [f"checkpoint={start}", f"source={cfg.source}", f"target={cfg.target}", f"target_root={root}"]
    own += [f"out={folder}", f"seed={seed}"]
    config = _compose(cfg, name, "adapt", AdaptConfig, own, ("seed",))
    model = folder / MODEL_FILE
    adapting = Step(f"seed-{seed}/{name}", config, adapt_to_the_end, folder, model, TRAIN_FREE_KEYS, needs)
    return [
        adapting,
        _measured(cfg, name, seed, str(model), (model,), root),
        _agreeing(cfg, name, seed, model, Path(cfg.source).expanduser(), root),
    ]


def _bounded(cfg: AblateConfig, name: str, seed: int, start: str, needs: tuple[Path, ...], root: Path | None) -> Step:
    """The upper bound, which measures itself."""
    folder = Path(cfg.out).expanduser() / f"seed-{seed}" / name
    own = [f"checkpoint={start}", f"source={cfg.source}", f"dataset={cfg.datasets}", f"root={root}"]
    own += [f"out={folder}", f"seed={seed}"]
    config = _compose(cfg, name, "upper-bound", UpperBoundConfig, own, ("seed",))
    measured = folder / EVALUATION_FOLDER / METRICS_FILE
    return Step(f"seed-{seed}/{name}", config, upper_bound, folder, measured, TRAIN_FREE_KEYS, needs)


def adapt_to_the_end(config: AdaptConfig) -> None:
    """``adapt``; a run that an alarm stops is said and counts with the state that it left, so that the others go on."""
    try:
        adapt(config)
    except CollapseError as error:
        sys.stderr.write(f"{config.out}: {error}\n")


def _measured(
    cfg: AblateConfig, name: str, seed: int, checkpoint: str, needs: tuple[Path, ...], root: Path | None
) -> Step:
    inner = Path(cfg.out).expanduser() / f"seed-{seed}" / name / EVALUATION_FOLDER
    options = [f"checkpoint={checkpoint}", f"dataset={cfg.datasets}", f"root={root}", f"out={inner}"]
    config = _compose(cfg, name, "evaluate", EvaluateConfig, options)
    place = f"seed-{seed}/{name}/{EVALUATION_FOLDER}"
    return Step(place, config, evaluate, inner, inner / METRICS_FILE, ("batch_size", "device"), needs)


def _compose(
    cfg: AblateConfig, name: str, stage: str, schema: type[C], own: list[str], reserved: tuple[str, ...] = ()
) -> C:
    try:
        stray, options = split_forwarded(shlex.split(cfg.variants[name]), STAGES)
        check(
            not stray,
            f"variants.{name}",
            " ".join(stray),
            f"options of a stage: {', '.join(STAGES)}, as STAGE.KEY=VALUE",
        )
        forwarded = [*getattr(cfg, list_of_stage(stage)), *options[stage]]
        own = [f"preset={cfg.preset}", *own]
        return compose_forwarded(stage, schema, own, forwarded, verb="ablate", reserved=(*RESERVED, *reserved))
    except ValueError as error:
        raise ValueError(f"variant {name}: {error}") from error
