"""What a pipeline's numbers need beside them to be believed and repeated: command, commit, hardware, time, spread."""

import json
import os
import platform
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

import synth
from distill.report.runs import Stage
from distill.report.tables import shown, spread_summary
from synth.common.files import written_atomically

SHOWN_METRICS = ("pck_box@0.1", "pck_box@0.2", "auc_2d", "epe_mm", "pa_mpjpe_mm")


@dataclass(frozen=True)
class Provenance:
    """Where numbers come from."""

    command: str
    commit: str
    hardware: str
    seconds: dict[str, float]
    note: str


def commit() -> str:
    """The checkout's commit, with ``+`` when files differ from it; ``unknown`` outside a checkout."""
    root = Path(synth.__file__).resolve().parents[1]
    try:
        head = _git(root, "rev-parse", "HEAD")
        return head + ("+" if _git(root, "status", "--porcelain") else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def hardware() -> str:
    """Processor, cores, memory and GPU in one line."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    memory_gb = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    gpu = torch.cuda.get_device_name(0) if torch.cuda.is_available() else "no GPU"
    processor = named[0] if named else platform.processor() or platform.machine()
    return f"{processor}, {os.cpu_count()} cores, {memory_gb:.0f} GB, {gpu}"


def write_summary(out: Path, stages: list[Stage], provenance: Provenance) -> None:
    """Leave ``summary.json`` and ``summary.md`` in ``out``."""
    numbers: dict[str, Any] = {
        **vars(provenance),
        "total_seconds": round(sum(provenance.seconds.values()), 1),
        "results": {s.label: {d: spread_summary(s, d) for d in s.datasets} for s in stages},
    }
    with written_atomically(out / "summary.json") as partial:
        partial.write_text(json.dumps(numbers, indent=2), encoding="utf-8")
    with written_atomically(out / "summary.md") as partial:
        partial.write_text(markdown(stages, provenance), encoding="utf-8")


def markdown(stages: list[Stage], provenance: Provenance) -> str:
    """One row for each stage and dataset: mean ± standard deviation over the seeds."""
    lines = [f"> {provenance.note}", ""] if provenance.note else []
    lines += [
        f"`{provenance.command}`",
        "",
        f"Commit {provenance.commit}; {provenance.hardware}; "
        f"{sum(provenance.seconds.values()) / 60:.0f} minutes in all.",
        "",
        f"| dataset | images | stage | seeds | {' | '.join(SHOWN_METRICS)} |",
        f"|---|---|---|---|{'---|' * len(SHOWN_METRICS)}",
    ]
    datasets = list(dict.fromkeys(name for stage in stages for name in stage.datasets))
    for dataset in datasets:
        for stage in (s for s in stages if dataset in s.datasets):
            evaluated = stage.of(dataset)
            images = next(iter(evaluated.values())).metrics["num_images"]
            cells = [_cell(stage, dataset, metric) for metric in SHOWN_METRICS]
            lines.append(f"| {dataset} | {images} | {stage.label} | {len(evaluated)} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _cell(stage: Stage, dataset: str, metric: str) -> str:
    found = spread_summary(stage, dataset).get(metric)
    if found is None or found["mean"] is None:
        return "-"
    spread = found["spread"]
    value = shown(metric, float(found["mean"]))
    return value if spread is None else f"{value} ± {shown(metric, float(spread))}"


def _git(root: Path, *arguments: str) -> str:
    command = ["git", "-C", str(root), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
