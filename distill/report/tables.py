"""Numbers of the transfer report: one table for each dataset, and mean with spread over seeds."""

from dataclasses import dataclass
from statistics import mean, stdev

from distill.report.figures import stage_colour
from distill.report.runs import Stage, metric_names

LOWER_IS_BETTER = ("epe_mm", "pa_mpjpe_mm")
HANDEDNESS = "handedness_accuracy"


@dataclass(frozen=True)
class Cell:
    """A number as shown: the value, its spread or interval beneath, and whether it is the headline's best."""

    value: str
    beneath: str
    is_best: bool


@dataclass(frozen=True)
class Row:
    """A stage with one way of knowing the handedness."""

    label: str
    colour: str
    hand: str
    num_seeds: int
    cells: list[Cell]


@dataclass(frozen=True)
class Table:
    """All stages of a dataset; ``columns`` are metric and whether less is better."""

    columns: list[tuple[str, bool]]
    rows: list[Row]


def dataset_table(stages: list[Stage], dataset: str) -> Table:
    """Every metric of every stage, for predicted and, where it is labelled, given handedness."""
    metrics = metric_names(stages, dataset)
    has_hand = any(stage.values(dataset, HANDEDNESS) for stage in stages)
    columns = [*metrics, *([HANDEDNESS] if has_hand else [])]
    rows = []
    for place, stage in enumerate(stages):
        for hand in ("predicted", "given"):
            values = [stage.values(dataset, metric, hand) for metric in columns]
            if any(values):
                cells = [_cell(stages, stage, dataset, metric, hand) for metric in columns]
                rows.append(Row(stage.label, stage_colour(place), hand, len(stage.of(dataset)), cells))
    return Table([(metric, metric in LOWER_IS_BETTER) for metric in columns], rows)


def spread_summary(stage: Stage, dataset: str) -> dict[str, dict[str, float | int | None]]:
    """For each metric its mean and sample standard deviation over the seeds (None for one seed)."""
    found: dict[str, dict[str, float | int | None]] = {}
    for metric in [*metric_names([stage], dataset), HANDEDNESS]:
        values = stage.values(dataset, metric)
        if values:
            spread = stdev(values) if len(values) > 1 else None
            found[metric] = {"mean": mean(values), "spread": spread, "num_seeds": len(values)}
    return found


def shown(metric: str, value: float) -> str:
    """A value with the digits that its metric deserves."""
    return f"{value:.1f}" if metric in LOWER_IS_BETTER else f"{value:.3f}"


def _cell(stages: list[Stage], stage: Stage, dataset: str, metric: str, hand: str) -> Cell:
    values = stage.values(dataset, metric, hand)
    if not values:
        return Cell("", "", False)
    best = min if metric in LOWER_IS_BETTER else max
    rivals = [mean(found) for s in stages if (found := s.values(dataset, metric, hand))]
    is_best = hand == "predicted" and len(rivals) > 1 and mean(values) == best(rivals)
    if len(values) > 1:
        return Cell(shown(metric, mean(values)), f"± {shown(metric, stdev(values))}", is_best)
    metrics = next(iter(stage.of(dataset).values())).metrics
    metrics = metrics if hand == "predicted" else metrics.get("given", {})
    low, high = metrics.get("interval_95", {}).get(metric, (None, None))
    interval = "" if low is None or high is None else f"{shown(metric, low)} – {shown(metric, high)}"
    return Cell(shown(metric, values[0]), interval, is_best)
