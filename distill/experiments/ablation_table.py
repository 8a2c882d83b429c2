"""Tables of an ablation: each variant with spread, and its difference from the baseline, paired by seed."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import mean, stdev

import numpy as np
from scipy import stats

from distill.experiments.provenance import Provenance
from distill.monitoring.model_selection import Readings, label_free_table
from distill.report.runs import Stage
from synth.common.files import written_atomically

METRICS = ("pck_box@0.1", "pck_box@0.2", "auc_2d")
MEAN_OF_SETS = "mean of sets"
RANK = "rank over sets"
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Ablation:
    """What the tables are made from.

    Attributes:
        stages: The evaluated variants.
        options: Options of each variant by its name.
        baseline: Name of the variant that the others are compared with.
        provenance: Command, commit, machine and seconds.
        label_free: What a choice may rest on, of the runs that have it.
        unranked: Variants that are no rivals, because they see labels of photographs.
        remark: What a reader has to know before the numbers; may be empty.
    """

    stages: list[Stage]
    options: dict[str, str]
    baseline: str
    provenance: Provenance
    label_free: Readings = field(default_factory=dict)
    unranked: frozenset[str] = frozenset()
    remark: str = ""

    @property
    def rivals(self) -> list[Stage]:
        """The stages that are ranked."""
        return [stage for stage in self.stages if stage.label not in self.unranked]


@dataclass(frozen=True)
class Difference:
    """A variant minus the baseline over the seeds that both have.

    Attributes:
        mean: Of the differences.
        half_width: Half of Student's 95 % interval of that mean; None for fewer than two seeds.
        num_seeds: Seeds compared.
    """

    mean: float
    half_width: float | None
    num_seeds: int

    @property
    def is_settled(self) -> bool:
        """Whether the interval leaves 0 out."""
        return self.half_width is not None and abs(self.mean) > self.half_width


def by_seed(stage: Stage, dataset: str, metric: str) -> dict[int, float]:
    """The metric of each seed; ``MEAN_OF_SETS`` for the mean over all sets, of the seeds that have them all."""
    if dataset != MEAN_OF_SETS:
        return stage.by_seed(dataset, metric)
    each = [by_seed(stage, name, metric) for name in stage.datasets]
    seeds = set.intersection(*map(set, each)) if each else set()
    return {seed: mean(values[seed] for values in each) for seed in sorted(seeds)}


def difference(stage: Stage, baseline: Stage, dataset: str, metric: str) -> Difference | None:
    """The variant minus the baseline, paired by seed; None when they share no seed."""
    return paired_difference(by_seed(stage, dataset, metric), by_seed(baseline, dataset, metric))


def paired_difference(own: Mapping[int, float], other: Mapping[int, float]) -> Difference | None:
    """The difference of values by seed; None when they share no seed."""
    pairs = [own[seed] - other[seed] for seed in sorted(own.keys() & other.keys())]
    if not pairs:
        return None
    if len(pairs) < 2:
        return Difference(pairs[0], None, 1)
    quantile = float(stats.t.ppf((1 + CONFIDENCE) / 2, len(pairs) - 1))
    return Difference(mean(pairs), quantile * stdev(pairs) / np.sqrt(len(pairs)), len(pairs))


def ranks_over_sets(stages: Sequence[Stage], metric: str) -> dict[str, list[float]]:
    """For each variant its rank among all of them, 1 the best, as a mean over the sets; one value for each seed.

    Equal values share the mean of their ranks (Friedman). Seeds and sets that a variant lacks are left out for all.
    """
    seeds = set.intersection(*(set(by_seed(s, MEAN_OF_SETS, metric)) for s in stages)) if stages else set()
    datasets = set.intersection(*(set(s.datasets) for s in stages)) if stages else set()
    if not datasets:
        return {}
    values = np.array(
        [[[by_seed(s, name, metric)[seed] for s in stages] for name in sorted(datasets)] for seed in sorted(seeds)]
    )
    ranks = stats.rankdata(-values, axis=-1).mean(1) if len(values) else np.empty((0, len(stages)))
    return {stage.label: ranks[:, k].tolist() for k, stage in enumerate(stages)}


def write_tables(out: Path, ablation: Ablation) -> Path:
    """Leave ``ablation.md`` and ``ablation.json`` in ``out``; returns the path of the first."""
    with written_atomically(out / "ablation.json") as partial:
        partial.write_text(json.dumps(as_json(ablation), indent=2), encoding="utf-8")
    with written_atomically(out / "ablation.md") as partial:
        partial.write_text(markdown(ablation), encoding="utf-8")
    return out / "ablation.md"


def as_json(ablation: Ablation) -> dict:
    """Every number by variant, set, metric and seed, with the options of the variants and where it comes from."""
    return {
        **vars(ablation.provenance),
        "baseline": ablation.baseline,
        "variants": ablation.options,
        "results": {
            stage.label: {name: {m: by_seed(stage, name, m) for m in METRICS} for name in stage.datasets}
            for stage in ablation.stages
        },
        "ranks_over_sets": {m: ranks_over_sets(ablation.rivals, m) for m in METRICS},
        "label_free": ablation.label_free,
    }


def markdown(ablation: Ablation) -> str:
    """One table of options and compute, and one for each metric."""
    provenance = ablation.provenance
    minutes = sum(provenance.seconds.values()) / 60
    lines = [
        f"`{provenance.command}`",
        "",
        f"Commit {provenance.commit}; {provenance.hardware}; {minutes:.0f} minutes in all.",
    ]
    lines += ["", "| variant | options | seeds | minutes of training for each |", "|---|---|---|---|"]
    for stage in ablation.stages:
        spent = [
            s for name, s in provenance.seconds.items() if name in {f"seed-{k}/{stage.label}" for k in stage.seeds}
        ]
        shown = f"{mean(spent) / 60:.1f}" if spent else "-"
        lines.append(f"| {stage.label} | {ablation.options.get(stage.label) or '-'} | {len(stage.seeds)} | {shown} |")
    lines += ["", *label_free_table(ablation.label_free)]
    lines += ["", ablation.remark] if ablation.remark else []
    lines += [
        "",
        "Mean ± standard deviation over the seeds, in points. In brackets the difference from "
        f"{ablation.baseline}, paired by seed, ± half of its 95 % interval (Student); bold where that leaves 0 out. "
        f"{RANK}: among all variants{_except(ablation.unranked)}, 1 the best, as a mean over the sets.",
    ]
    for metric in METRICS:
        lines += ["", *_metric_table(ablation, metric)]
    return "\n".join(lines) + "\n"


def _metric_table(ablation: Ablation, metric: str) -> list[str]:
    datasets = list(dict.fromkeys(name for stage in ablation.stages for name in stage.datasets))
    columns = [*datasets, MEAN_OF_SETS]
    lines = [f"| {metric} | {' | '.join([*columns, RANK])} |", f"|---|{'---|' * (len(columns) + 1)}"]
    ranks = ranks_over_sets(ablation.rivals, metric)
    baseline = next((stage for stage in ablation.stages if stage.label == ablation.baseline), None)
    for stage in ablation.stages:
        cells = [_cell(stage, baseline if baseline is not stage else None, name, metric) for name in columns]
        lines.append(f"| {stage.label} | {' | '.join([*cells, _spread(ranks.get(stage.label, []))])} |")
    return lines


def _except(names: frozenset[str]) -> str:
    return f" but {', '.join(sorted(names))}" if names else ""


def _spread(values: list[float]) -> str:
    if not values:
        return "-"
    return f"{mean(values):.1f}" + (f" ± {stdev(values):.1f}" if len(values) > 1 else "")


def _cell(stage: Stage, baseline: Stage | None, dataset: str, metric: str) -> str:
    values = list(by_seed(stage, dataset, metric).values())
    if not values:
        return "-"
    shown = _spread([100 * value for value in values])
    found = difference(stage, baseline, dataset, metric) if baseline else None
    if found is None:
        return shown
    text = f"{100 * found.mean:+.1f}" + ("" if found.half_width is None else f" ± {100 * found.half_width:.1f}")
    return f"{shown} ({f'**{text}**' if found.is_settled else text})"
