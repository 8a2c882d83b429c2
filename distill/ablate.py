"""``handbridge ablate``: variants of rendering and training x seeds, resumable, one table with spread and compute.

Variants that render alike share one dataset. With ``start``, variants are methods of adaptation from one checkpoint
for each seed, nothing is rendered or pre-trained, and a variant without options for adapt is the start itself. Seeds
are the outer loop, so that a run that is stopped early has compared all variants, with fewer seeds. The same
command in a second terminal, or on a second machine that shares the folder, takes the steps that the first one has not.
"""

import re
import shlex
import sys
from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from rich.console import Console

from distill.ablation_table import Ablation, write_tables
from distill.adapt import AdaptConfig, adapt
from distill.alarms import CollapseError
from distill.beside import AUTO, find_backgrounds, find_real_root, real_sets
from distill.report.runs import EVALUATION_FOLDER, load_stages
from distill.steps import Step, compose_forwarded, forwarding_main, read_times, run_steps, split_forwarded
from distill.summary import Provenance, commit, hardware
from dualmod.evaluate import EvaluateConfig, evaluate
from dualmod.pretrain import FREE_KEYS as TRAIN_FREE_KEYS
from dualmod.pretrain import MODEL_FILE, PretrainConfig, pretrain
from synth.config import check, option, required
from synth.dataset.manifest import MANIFEST_FILE
from synth.files import open_run_folder, require_file
from synth.generate import FREE_KEYS as GENERATE_FREE_KEYS
from synth.generate import GenerateConfig, generate

STAGES = ("generate", "pretrain", "adapt", "evaluate")
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
    start: str = option("", f"adaptation: model.safetensors to start from, {SEED} in the path stands for the seed")
    source: str = option("", "adaptation: folder of the renders that stay in the training")
    target: str = option("hagrid,webcam,ti1k", "adaptation: folders of photos, or sets in real_root, with commas")
    generate: list[str] = option([], "options for generate, as generate.KEY=VALUE on the command line")
    pretrain: list[str] = option([], "options for pretrain, as pretrain.KEY=VALUE on the command line")
    adapt: list[str] = option([], "options for adapt, as adapt.KEY=VALUE on the command line")
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
        several = SEED in self.start or len(self.seeds) == 1 or not self.start
        check(several, "start", self.start, f"a path with {SEED} in it: one start checkpoint for each seed")


def ablate(cfg: AblateConfig) -> Path:
    """Run what is not there yet; ``ablation.md`` and ``ablation.json`` are written anew after every evaluation.

    Returns:
        Path of ``ablation.md``.

    Raises:
        ValueError: for an illegal option of any variant, an unknown set, or a folder with another run's output.
        FileNotFoundError: when ``real_root`` or ``backgrounds`` is given and missing.
    """
    check(len(cfg.variants) > 1, "variants", list(cfg.variants), "two or more: variants=factors or variants.NAME=...")
    steps = ablation_steps(cfg)
    free = ("seeds", "variants", "baseline", *STAGES)
    out = open_run_folder(Path(cfg.out).expanduser(), cfg, overwrite=cfg.overwrite, free_keys=free)

    def tell(step: Step) -> None:
        if step.run is evaluate:
            _tell(cfg, out)

    run_steps(steps, out, Console(highlight=False, soft_wrap=True), after=tell)
    return _tell(cfg, out)


def ablation_steps(cfg: AblateConfig) -> list[Step]:
    """All steps in order; the configs of all variants are composed before the first one runs.

    Raises:
        ValueError: as ``ablate``.
        FileNotFoundError: as ``ablate``.
    """
    root = find_real_root(cfg.real_root)
    found = real_sets(root)
    for name in (part.strip() for part in cfg.datasets.split(",")):
        check(name in found, "datasets", name, f"one of those in real_root: {', '.join(found) or 'none found'}")
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
    return [training, _measured(cfg, name, seed, model, root)]


def _adapted(cfg: AblateConfig, name: str, seed: int, root: Path | None) -> list[Step]:
    """Adaptation and evaluation of a variant; the evaluation of the start alone where it has no option for adapt."""
    folder = Path(cfg.out).expanduser() / f"seed-{seed}" / name
    start = require_file(cfg.start.replace(SEED, str(seed)), "start")
    _, options = split_forwarded(shlex.split(cfg.variants[name]), STAGES)
    if not options["adapt"]:
        return [_measured(cfg, name, seed, start, root)]
    own = [f"checkpoint={start}", f"source={cfg.source}", f"target={cfg.target}", f"target_root={root}"]
    own += [f"out={folder}", f"seed={seed}"]
    config = _compose(cfg, name, "adapt", AdaptConfig, own, ("seed",))
    model = folder / MODEL_FILE
    adapting = Step(f"seed-{seed}/{name}", config, adapt_to_the_end, folder, model, TRAIN_FREE_KEYS, (start,))
    return [adapting, _measured(cfg, name, seed, model, root)]


def adapt_to_the_end(config: AdaptConfig) -> None:
    """``adapt``; a run that an alarm stops is said and counts with the state that it left, so that the others go on."""
    try:
        adapt(config)
    except CollapseError as error:
        sys.stderr.write(f"{config.out}: {error}\n")


def _measured(cfg: AblateConfig, name: str, seed: int, model: Path, root: Path | None) -> Step:
    inner = Path(cfg.out).expanduser() / f"seed-{seed}" / name / EVALUATION_FOLDER
    options = [f"checkpoint={model}", f"dataset={cfg.datasets}", f"root={root}", f"out={inner}"]
    config = _compose(cfg, name, "evaluate", EvaluateConfig, options)
    place = f"seed-{seed}/{name}/{EVALUATION_FOLDER}"
    return Step(place, config, evaluate, inner, inner / "metrics.json", ("batch_size", "device"), (model,))


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
        forwarded = [*getattr(cfg, stage), *options[stage]]
        own = [f"preset={cfg.preset}", *own]
        return compose_forwarded(stage, schema, own, forwarded, verb="ablate", reserved=(*RESERVED, *reserved))
    except ValueError as error:
        raise ValueError(f"variant {name}: {error}") from error


def _tell(cfg: AblateConfig, out: Path) -> Path:
    """Write the tables of the runs that are there."""
    folders = [out / f"seed-{seed}" / name for name in cfg.variants for seed in cfg.seeds]
    stages = load_stages([str(f) for f in folders if (f / EVALUATION_FOLDER / "metrics.json").is_file()])
    provenance = Provenance(_command(cfg), commit(), hardware(), read_times(out), "")
    baseline = cfg.baseline or next(iter(cfg.variants))
    return write_tables(out, Ablation(stages, dict(cfg.variants), baseline, provenance))


def _command(cfg: AblateConfig) -> str:
    """The command line that makes these numbers again."""
    usual = AblateConfig(out=cfg.out)
    options = [f"out={cfg.out}", f"preset={cfg.preset}", f"seeds=[{','.join(map(str, cfg.seeds))}]"]
    options += [f"variants.{name}={shlex.quote(text)}" for name, text in cfg.variants.items()]
    for key in ("baseline", "real_root", "backgrounds", "datasets", "start", "source", "target"):
        if getattr(cfg, key) != getattr(usual, key):
            options.append(f"{key}={getattr(cfg, key)}")
    options += [f"{stage}.{override}" for stage in STAGES for override in getattr(cfg, stage)]
    return " ".join(["handbridge ablate", *options])


main = forwarding_main("ablate", AblateConfig, ablate, STAGES)

if __name__ == "__main__":
    raise SystemExit(main())
