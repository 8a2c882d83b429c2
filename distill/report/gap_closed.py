"""How much of the gap between a start and its upper bound adaptation closes."""

from dataclasses import dataclass
from statistics import mean

from distill.report.runs import Stage

METRICS = ("pck_box@0.1", "epe_mm")
LEAST_GAP = {"pck_box@0.1": 0.03, "epe_mm": 0.5}
"""Where the upper bound is ahead of the start by less than this, a share of the gap says nothing."""


@dataclass(frozen=True)
class GapClosed:
    """A stage between its start and the upper bound, in one metric on one dataset, means over their common seeds.

    Attributes:
        share: Part of the way from the start to the upper bound, 1 at the bound and below 0 behind the start; None
            where the gap is too small to divide by.
        by_seed: The same of each seed, over the mean gap.
        sentence: All of it in words.
    """

    stage: str
    dataset: str
    metric: str
    start: float
    reached: float
    bound: float
    share: float | None
    by_seed: dict[int, float]
    sentence: str


def gaps_closed(start: Stage, stage: Stage, bound: Stage) -> list[GapClosed]:
    """One row for each dataset and metric that all three were measured in."""
    found = []
    for dataset in stage.datasets:
        for metric in METRICS:
            start_of, of_stage, bound_of = (s.by_seed(dataset, metric) for s in (start, stage, bound))
            seeds = sorted(start_of.keys() & of_stage.keys() & bound_of.keys())
            if seeds:
                found.append(_closed((start, stage, bound), dataset, metric, [
                    {seed: values[seed] for seed in seeds} for values in (start_of, of_stage, bound_of)
                ]))  # fmt: skip
    return found


def _closed(stages: tuple[Stage, Stage, Stage], dataset: str, metric: str, values: list[dict[int, float]]) -> GapClosed:
    start, reached, bound = (mean(by_seed.values()) for by_seed in values)
    names = [stage.label for stage in stages]
    gap = (start - bound) if metric.endswith("_mm") else (bound - start)
    digits = 1 if metric.endswith("_mm") else 3
    basis = f"{names[0]} {start:.{digits}f}, {names[1]} {reached:.{digits}f}, {names[2]} {bound:.{digits}f}"
    if gap < LEAST_GAP[metric]:
        sentence = f"{dataset}, {metric}: no gap between {names[0]} and {names[2]} to speak of ({basis})."
        return GapClosed(names[1], dataset, metric, start, reached, bound, None, {}, sentence)
    by_seed = {seed: (values[1][seed] - values[0][seed]) / (bound - start) for seed in values[0]}
    share = mean(by_seed.values())
    spread = f"; by seed {min(by_seed.values()):.0%} to {max(by_seed.values()):.0%}" if len(by_seed) > 1 else ""
    sentence = f"{dataset}, {metric}: {names[1]} closes {share:.0%} of the gap ({basis}{spread})."
    return GapClosed(names[1], dataset, metric, start, reached, bound, share, by_seed, sentence)
