"""``handbridge pipeline``: all stages in order, each skipped when its output is there and matches its config.

Options of a stage are forwarded as ``STAGE.KEY=VALUE``: ``pretrain.max_steps=20``. The configs of all stages are
composed before any work starts, so a misspelt key fails at once.
"""

from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console

from distill.experiments.pipeline_steps import FORWARDED, Plan, evaluated_folders, plan_steps
from distill.experiments.provenance import Provenance, commit, hardware, write_summary
from distill.experiments.step_runner import forwarding_main, read_times, run_steps
from distill.report.runs import load_stages
from distill.targets.discovery import AUTO, check_entry, find_backgrounds, find_real_root, need_no_root
from distill.targets.simulated import NOTE, SET_NAME, split_skins
from distill.transfer import TransferConfig, transfer
from synth.common.config import check, option, required
from synth.common.files import open_run_folder

PRESETS = ("demo", "laptop", "paper")
REPORT_FILE = "report.html"


@dataclass
class PipelineConfig:
    """Run every stage: renders, pre-training, control, adaptation, evaluation and the transfer report.

    Options of a stage are forwarded: generate.KEY=VALUE, pretrain.KEY=VALUE, adapt.KEY=VALUE, evaluate.KEY=VALUE.
    """

    out: str = required("folder of all stages; report.html is what to look at")
    preset: str = option("laptop", "size of every stage")
    seeds: list[int] = option([0, 1, 2], "seeds of the trainings; the dataset is the same for all")
    real_root: str = option(AUTO, "folder of the real image sets; auto: ../shared/real if it is there; none: simulate")
    backgrounds: str = option(AUTO, "photos behind the renders; auto: ../shared/backgrounds/bsds500 if there; none")
    target: str = option("ntu_real,hagrid,ti1k,sign_digits", "sets in real_root, NAME:PATH, or folders, to adapt to")
    datasets: str = option("ntu_real,hagrid,ti1k,sign_digits", "labelled sets in real_root, NAME:PATH, to measure on")
    simulated_samples: int = option(1200, "renders of the simulated target, where there are no real images")
    gallery: int = option(4, "images of each kind for each dataset in the report")
    generate: list[str] = option([], "options for generate, as generate.KEY=VALUE on the command line")
    pretrain: list[str] = option([], "options for pretrain, as pretrain.KEY=VALUE on the command line")
    adapt: list[str] = option([], "options for adapt, as adapt.KEY=VALUE on the command line")
    evaluate: list[str] = option([], "options for evaluate, as evaluate.KEY=VALUE on the command line")
    overwrite: bool = option(False, "delete what another run left in out")

    def __post_init__(self) -> None:
        check(self.preset in PRESETS, "preset", self.preset, f"one of {', '.join(PRESETS)}")
        distinct = len(set(self.seeds)) == len(self.seeds) > 0 and all(seed >= 0 for seed in self.seeds)
        check(distinct, "seeds", self.seeds, "a list of different whole numbers from 0: seeds=[0,1,2]")
        check(self.simulated_samples >= 10, "simulated_samples", self.simulated_samples, "10 or more")
        check(self.gallery >= 0, "gallery", self.gallery, "0 or more")


def pipeline(cfg: PipelineConfig) -> Path:
    """Run what is not there yet, and write ``report.html``, ``transfer.json``, ``summary.json`` and ``summary.md``.

    Returns:
        The report's path.

    Raises:
        ValueError: for an illegal option of any stage, an unknown set, or a folder with another run's output.
        FileNotFoundError: when ``real_root`` is given and missing.
    """
    plan = make_plan(cfg)
    steps = plan_steps(plan)
    # a stage's folder knows which of its options matter, so the forwarded ones are left to it
    free = ("seeds", "gallery", *FORWARDED)
    out = open_run_folder(plan.out, replace(cfg, out=str(plan.out)), overwrite=cfg.overwrite, free_keys=free)
    console = Console(highlight=False, soft_wrap=True)
    note = NOTE if plan.simulated_samples else ""
    if note:
        console.print(f"[yellow]{note}[/]")
        split_skins(out)
    run_steps(steps, out, console)
    folders = evaluated_folders(plan)
    report = transfer(TransferConfig(runs=folders, out=str(out / REPORT_FILE), note=note, gallery=cfg.gallery))
    provenance = Provenance(command_of(cfg), commit(), hardware(), read_times(out), note)
    write_summary(out, load_stages(folders), provenance)
    console.print(f"report: {report.resolve()}", markup=False)
    return report


def make_plan(cfg: PipelineConfig) -> Plan:
    """Where the images come from, and whether the sets that are named exist.

    Raises:
        FileNotFoundError: when ``real_root`` or ``backgrounds`` is given and missing.
        ValueError: when a set is not in it.
    """
    out = Path(cfg.out).expanduser()
    root = find_real_root(cfg.real_root)
    is_real = root is not None or need_no_root(cfg.target, cfg.datasets)
    target, datasets = (cfg.target, cfg.datasets) if is_real else (SET_NAME, SET_NAME)
    if is_real:
        for key, entries in (("target", target), ("datasets", datasets)):
            for entry in entries.split(","):
                check_entry(key, entry.strip(), root, or_folder=key == "target")
    return Plan(
        out=out,
        preset=cfg.preset,
        seeds=tuple(cfg.seeds),
        target=target,
        datasets=datasets,
        root=root or out / "target_sets",
        backgrounds=find_backgrounds(cfg.backgrounds),
        simulated_samples=0 if is_real else cfg.simulated_samples,
        forwarded={stage: list(getattr(cfg, stage)) for stage in FORWARDED},
    )


def command_of(cfg: PipelineConfig) -> str:
    """The command line that makes these numbers again."""
    options = [f"preset={cfg.preset}", f"out={cfg.out}", f"seeds=[{','.join(map(str, cfg.seeds))}]"]
    usual = PipelineConfig(out=cfg.out)
    for key in ("real_root", "backgrounds", "target", "datasets"):
        if getattr(cfg, key) != getattr(usual, key):
            options.append(f"{key}={getattr(cfg, key)}")
    if not find_real_root(cfg.real_root):
        options.append(f"simulated_samples={cfg.simulated_samples}")
    options += [f"{stage}.{override}" for stage in FORWARDED for override in getattr(cfg, stage)]
    return " ".join(["handbridge pipeline", *options])


main = forwarding_main("pipeline", PipelineConfig, pipeline, FORWARDED)

if __name__ == "__main__":
    raise SystemExit(main())
