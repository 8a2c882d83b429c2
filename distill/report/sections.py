"""What the transfer report shows of one dataset: its table, curves, confidence, errors by joint and pictures."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from distill.report.calibration import NEAR_BOX, Judged, reliability_figure, tenths_table
from distill.report.compare import Errors, errors_of
from distill.report.figures import joint_bars, pck_curves, stage_colour
from distill.report.gallery import Gallery, Networks, gallery
from distill.report.runs import Stage, metric_names
from distill.report.tables import dataset_table
from dualmod.data.image_sets import LabelledImages

DATASET_NOTES = {"ntu_real": "images to adapt to and to measure on are of one recording: same subject, same scene"}


@dataclass(frozen=True)
class Roles:
    """Labels of the stages that are compared; None where there is no such stage."""

    before: str | None
    control: str | None
    after: str | None
    bound: str | None = None


def section(
    stages: list[Stage], by_label: dict[str, Stage], dataset: str, labelled: LabelledImages | None,
    roles: Roles, each: int, networks: Networks,
) -> dict[str, Any]:  # fmt: skip
    """All that the page shows of one dataset; ``networks`` are shared by the galleries of all of them."""
    first = next(iter(next(s for s in stages if dataset in s.datasets).of(dataset).values())).metrics
    unit, per_joint = _per_joint(stages, dataset)
    errors, judged = _errors(stages, dataset, labelled), judged_joints(stages, dataset, labelled)
    colours = {stage.label: stage_colour(place) for place, stage in enumerate(stages)}
    return {
        "name": dataset,
        "num_images": first["num_images"],
        "notes": {k: v for k, v in first.items() if k in ("labels", "definition", "given_for_3d")},
        "caution": DATASET_NOTES.get(dataset, ""),
        "table": dataset_table(stages, dataset),
        "in_3d": any(np.isfinite(e.mm).any() for runs in errors.values() for e in runs),
        "curves": pck_curves(errors, colours) if errors else "",
        "bars": joint_bars(per_joint, unit, colours) if per_joint else "",
        "bars_unit": unit,
        "reliability": reliability_figure(judged, colours) if judged else "",
        "tenths": tenths_table(judged, colours),
        "gallery": _gallery(by_label, dataset, labelled, roles, each, networks),
    }


def _per_joint(stages: list[Stage], dataset: str) -> tuple[str, dict[str, np.ndarray]]:
    """Error in mm of each joint, or where 3D is not labelled the share of misses, mean over the seeds."""
    in_3d = "epe_mm" in metric_names(stages, dataset)
    metric, unit = ("epe_mm", "mean error, mm") if in_3d else ("pck_box@0.1", "share over 0.1 box")
    found = {}
    for stage in stages:
        rows = [e.metrics["per_joint"].get(metric) for e in stage.of(dataset).values()]
        values = [np.array([np.nan if v is None else v for v in row], float) for row in rows if row]
        if values:
            found[stage.label] = np.mean(values, 0) if in_3d else 1 - np.mean(values, 0)
    return unit, found


def _errors(stages: list[Stage], dataset: str, labelled: LabelledImages | None) -> dict[str, list[Errors]]:
    if labelled is None:
        return {}
    found = {s.label: [errors_of(e, labelled) for e in s.of(dataset).values()] for s in stages}
    return {label: errors for label, errors in found.items() if errors}


def judged_joints(stages: list[Stage], dataset: str, labelled: LabelledImages | None) -> dict[str, Judged]:
    """Confidence and correctness of the labelled joints of all seeds of each stage that has confidence at all.

    A joint of a hand that was not found is wrong, with confidence 0.
    """
    if labelled is None:
        return {}
    found = {}
    for stage in stages:
        runs = [e for e in stage.of(dataset).values() if "confidence" in e.predictions]
        pairs = [(e.predictions["confidence"], errors_of(e, labelled)) for e in runs]
        if pairs:
            sure = [np.where(np.isfinite(errors.boxes), sure, 0.0)[errors.seen] for sure, errors in pairs]
            right = [errors.boxes[errors.seen] < NEAR_BOX for _, errors in pairs]
            found[stage.label] = np.concatenate(sure), np.concatenate(right)
    return found


def _gallery(
    by_label: dict[str, Stage], dataset: str, labelled: LabelledImages | None,
    roles: Roles, each: int, networks: Networks,
) -> Gallery | None:  # fmt: skip
    """Pictures of the first seed that both stages have."""
    if labelled is None or roles.before is None or roles.after is None or not each:
        return None
    before, after = (by_label[label].of(dataset) for label in (roles.before, roles.after))
    common = sorted(before.keys() & after.keys())
    if not common:
        return None
    names = (roles.before, roles.after)
    return gallery(labelled, before[common[0]], after[common[0]], names, each=each, networks=networks)
