"""``handbridge ablate``: variants of rendering and training x seeds, resumable, one table with spread and compute.

Variants that render alike share one dataset. With ``start``, variants are methods of adaptation from one checkpoint
for each seed, or one for all; nothing is rendered or pre-trained, and a variant without options for adapt is the start
itself. Seeds are the outer loop, so that a run that is stopped early has compared all variants, with fewer seeds. The
same command in a second terminal, or on a second machine that shares the folder, takes the steps that the first one has
not.
"""

import shlex
from pathlib import Path

from rich.console import Console

from distill.experiments.ablation_steps import SEED, STAGES, AblateConfig, ablation_steps
from distill.experiments.ablation_table import Ablation, write_tables
from distill.experiments.provenance import Provenance, commit, hardware
from distill.experiments.step_runner import Step, forwarding_main, list_of_stage, read_times, run_steps
from distill.monitoring.model_selection import read_label_free
from distill.monitoring.self_consistency import CONSISTENCY_FILE
from distill.report.runs import EVALUATION_FOLDER, METRICS_FILE, load_stages
from synth.common.config import check
from synth.common.files import open_run_folder


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
    free = ("seeds", "variants", "baseline", *map(list_of_stage, STAGES))
    out = open_run_folder(Path(cfg.out).expanduser(), cfg, overwrite=cfg.overwrite, free_keys=free)

    def tell(step: Step) -> None:
        if step.product.name in (METRICS_FILE, CONSISTENCY_FILE):
            _tell(cfg, out)

    run_steps(steps, out, Console(highlight=False, soft_wrap=True), after=tell)
    return _tell(cfg, out)


def _tell(cfg: AblateConfig, out: Path) -> Path:
    """Write the tables of the runs that are there."""
    folders = [out / f"seed-{seed}" / name for name in cfg.variants for seed in cfg.seeds]
    stages = load_stages([str(f) for f in folders if (f / EVALUATION_FOLDER / METRICS_FILE).is_file()])
    provenance = Provenance(_command(cfg), commit(), hardware(), read_times(out), "")
    baseline = cfg.baseline or next(iter(cfg.variants))
    same_renders = not any("generate." in options for options in cfg.variants.values())  # else held-out rows differ
    label_free = read_label_free(out, cfg.variants, cfg.seeds) if same_renders else {}
    unranked = frozenset(name for name, options in cfg.variants.items() if "upper-bound." in options)
    return write_tables(
        out, Ablation(stages, dict(cfg.variants), baseline, provenance, label_free, unranked, _remark(cfg))
    )


def _remark(cfg: AblateConfig) -> str:
    if not cfg.start or SEED in cfg.start:
        return ""
    return f"All seeds start from one network, {cfg.start}: the spread is that of adaptation alone."


def _command(cfg: AblateConfig) -> str:
    """The command line that makes these numbers again."""
    usual = AblateConfig(out=cfg.out)
    options = [f"out={cfg.out}", f"preset={cfg.preset}", f"seeds=[{','.join(map(str, cfg.seeds))}]"]
    options += [f"variants.{name}={shlex.quote(text)}" for name, text in cfg.variants.items()]
    for key in ("baseline", "real_root", "backgrounds", "datasets", "start", "source", "target"):
        if getattr(cfg, key) != getattr(usual, key):
            options.append(f"{key}={getattr(cfg, key)}")
    options += [f"{stage}.{override}" for stage in STAGES for override in getattr(cfg, list_of_stage(stage))]
    return " ".join(["handbridge ablate", *options])


main = forwarding_main("ablate", AblateConfig, ablate, STAGES)

if __name__ == "__main__":
    raise SystemExit(main())
