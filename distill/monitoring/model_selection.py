"""What a choice between methods may rest on: held-out renders, and agreement with itself on unlabelled photographs."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import mean, stdev

from scipy.stats import rankdata

from distill.monitoring.self_consistency import CONSISTENCY_FILE

CONSISTENCY_FOLDER = "consistency"
HELD_OUT, AGREEMENT = "held_out_error_box", "criterion"
SHOWN = (HELD_OUT, "held_out_pck_box@0.2", "held_out_map_mm", "disagreement", "spread", AGREEMENT)
"""Readings in the table; the rule rests on ``HELD_OUT`` and ``AGREEMENT``, of which less is better."""
RULE = (
    "Chosen without a label of a photograph: in each seed variants are ranked by their joint error on held-out renders "
    "and by the disagreement of weak views of unlabelled photographs over the spread of their poses; the least mean "
    "rank wins."
)
Readings = dict[str, dict[int, dict[str, float]]]
"""By variant and seed, then by name."""


def read_label_free(out: Path, variants: Iterable[str], seeds: Sequence[int]) -> Readings:
    """The readings of the runs in ``out`` that are finished."""
    found: Readings = {}
    for name in variants:
        for seed in seeds:
            folder = out / f"seed-{seed}" / name
            files = (folder / "metrics.json", folder / CONSISTENCY_FOLDER / CONSISTENCY_FILE)
            if all(file.is_file() for file in files):
                both = {k: v for file in files for k, v in json.loads(file.read_text(encoding="utf-8")).items()}
                found.setdefault(name, {})[seed] = {k: both[k] for k in SHOWN if k in both}
    return found


def mean_ranks(readings: Readings) -> dict[str, float]:
    """Mean rank of each variant over both readings of the rule and the seeds that all variants share, best first."""
    shared = sorted(set.intersection(*(set(by_seed) for by_seed in readings.values()))) if readings else []
    names = list(readings)
    ranks = [
        rankdata([readings[name][seed][key] for name in names]) for seed in shared for key in (HELD_OUT, AGREEMENT)
    ]
    means = {name: mean(float(rank[k]) for rank in ranks) for k, name in enumerate(names)} if ranks else {}
    return dict(sorted(means.items(), key=lambda item: item[1]))


def label_free_table(readings: Readings) -> list[str]:
    """Lines of Markdown: the rule, what it says, and the readings with their spread over the seeds."""
    ranks = mean_ranks(readings)
    if not ranks:
        return []
    names = [name for name in SHOWN if any(name in seen for by_seed in readings.values() for seen in by_seed.values())]
    lines = [f"{RULE} Here: **{next(iter(ranks))}**.", "", f"| no label | mean rank | {' | '.join(names)} |"]
    lines.append(f"|---|---|{'---|' * len(names)}")
    for variant in ranks:
        cells = [_cell([seen[name] for seen in readings[variant].values() if name in seen]) for name in names]
        lines.append(f"| {variant} | {ranks[variant]:.1f} | {' | '.join(cells)} |")
    return lines


def _cell(values: list[float]) -> str:
    if not values:
        return "-"
    return f"{mean(values):.3f}" + (f" ± {stdev(values):.3f}" if len(values) > 1 else "")
