"""The stage: read renders and photographs, measure how near they are, and write the page and its numbers.

    handbridge coverage data=RENDERS target=PHOTOS checkpoint=FILE out=FILE.html

No label of a photograph is read. The last renders of the dataset are held out: they are read as the photographs are, by
the network's predictions, so that both are measured alike; and since their true poses are known, they say whether the
network's reading can be trusted at all.
"""

import json
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool

from distill.pose_coverage.held_out import HeldOut, read_held_out
from distill.pose_coverage.page import write_page
from distill.pose_coverage.pose_index import Neighbours, PoseIndex
from distill.pose_coverage.predicted_poses import PredictedPoses, joined, predict_poses
from distill.pose_coverage.renders import read_renders
from distill.pose_coverage.report import Report, TargetSet
from distill.pose_coverage.traits import Traits, shares, traits
from dualmod.checkpoints.checkpoint import read_notes
from dualmod.checkpoints.released import pose_file
from dualmod.data.image_sets import UnlabelledImages, open_target, target_names
from dualmod.inference.json_output import NOT_RECORDED, hand_model_of
from dualmod.inference.predictor import Predictor
from dualmod.inference.test_time_augmentation import VIEWS
from synth.common.config import check, option, required, stage_main
from synth.common.files import require_writable, written_atomically
from synth.dataset import SampleStore

LEAST_SHARE = 0.25
"""Share of the photographs that count as the least covered ones."""
HELD_OUT_SHARE = 0.1
"""The most of a dataset that is held out."""
NOISE_SHARE = 0.5
"""Error on held-out renders, in median distances of two renders, from which on predictions count as noise: 0.2 for a
network of 100,000 views, 1.1 for one of random weights (docs/coverage.md)."""
UNCLEAR_SHARE, MOST_UNCLEAR = 0.25, 0.5
"""Spread of a photograph's views, in the same unit, from which on nothing is told of it; and the largest share of such
photographs in a target that shows hands."""


@dataclass
class CoverageConfig:
    """Show in one HTML file which photographs have poses that the renders hardly contain; no label is read."""

    data: str = required("folder of the renders")
    target: str = required("folder of photos, or several of them or names of real sets with commas")
    checkpoint: str = required("model.safetensors of a pose network, or released or released_start")
    out: str = required("the HTML file to write; the numbers are beside it as .json")
    target_root: str = option("", "folder that holds the real sets named in target")
    neighbours: int = option(10, "a photo's distance is that to this many-th nearest render")
    views: int = option(5, "looks at each hand, all of which vote")
    held_out: int = option(300, "last renders of data to compare with, not searched among; at most a tenth of them")
    names: str = option("", "text column of the sets' annotations to count by beside the readings, such as gesture")
    shown: int = option(24, "least covered photos to show with their nearest renders")
    batch_size: int = option(64, "photos in one pass")
    device: str = option("auto", "auto, cpu or cuda")

    def __post_init__(self) -> None:
        check(self.neighbours > 0, "neighbours", self.neighbours, "above 0")
        check(1 < self.views <= len(VIEWS), "views", self.views, f"2 to {len(VIEWS)}: their spread tells doubt")
        check(self.held_out > 0, "held_out", self.held_out, "above 0")
        check(self.shown >= 0, "shown", self.shown, "0 or more")
        check(self.batch_size > 0, "batch_size", self.batch_size, "above 0")


def coverage(config: CoverageConfig) -> Path:
    """Write the page and, beside it, the numbers; returns the page's path.

    Raises:
        FileNotFoundError: when the renders, a target or the checkpoint is missing.
        ValueError: when the renders are of another hand model than the checkpoint's, there are fewer photographs or
            renders than neighbours, the network reads nothing even from renders, or its views of the photographs
            differ so much that they show no hands to it.
    """
    out = Path(config.out).expanduser()
    check(not out.is_dir() and out.suffix == ".html", "out", out, "the name of an HTML file")
    checkpoint = pose_file(config.checkpoint)
    store = SampleStore(config.data)
    require_hand_model(checkpoint, store, config.data)
    num_held_out = max(1, min(config.held_out, round(HELD_OUT_SHARE * len(store))))
    num_searched = len(store) - num_held_out
    require_enough(num_searched, config.neighbours, "data", config.data, "renders to search among")
    names = [name.strip() for name in config.target.split(",")]
    images = [open_target(name, root=config.target_root) for name in names]
    require_enough(sum(map(len, images)), config.neighbours, "target", config.target, "photographs")
    known = _known_names(config, names, images)
    require_writable(out.parent)
    predictor = Predictor.load(checkpoint, config.device)
    predictor.batch_size = config.batch_size
    renders = read_renders(store)
    index = PoseIndex(renders.poses[:num_searched])
    held_out = read_held_out(predictor, store, renders, index, views=config.views, k=config.neighbours)
    require_reading(held_out, config.checkpoint)
    parts = [predict_poses(predictor, part, config.views) for part in images]
    predicted = joined(parts)
    near = index.nearest(predicted.poses, config.neighbours)
    is_clear = predicted.spread < UNCLEAR_SHARE * held_out.between
    require_hands(is_clear, config.target)
    found = traits(predicted, near, renders)
    if len(names) > 1:
        found["target"] = [name for name, part in zip(names, images, strict=True) for _ in range(len(part))]
    if config.names:
        found[config.names] = known
    report = _report(config, names, images, predicted, near, is_clear, found, held_out)
    write_page(out, report, images, store, renders)
    with written_atomically(out.with_suffix(".json")) as partial:
        partial.write_text(json.dumps(report.to_json()) + "\n", encoding="utf-8")
    return out


def require_hand_model(checkpoint: Path, store: SampleStore, data: str) -> None:
    """Refuse renders of another hand model than those that the checkpoint learned from: its joints lie elsewhere."""
    of_net, of_data = hand_model_of(read_notes(checkpoint)), store.manifest.hand_model
    legal = f"renders of the checkpoint's hand model, {of_net}; these show {of_data}"
    check(of_net in (of_data, NOT_RECORDED), "data", data, legal)


def require_enough(count: int, neighbours: int, key: str, value: str, what: str) -> None:
    """Refuse fewer renders or photographs than neighbours."""
    check(count >= neighbours, key, value, f"{neighbours} {what} or more, not {count}; add some or lower neighbours")


def require_reading(held_out: HeldOut, checkpoint: str) -> None:
    """Refuse a network whose predictions are noise even on renders."""
    error = float(np.median(held_out.errors))
    if error >= NOISE_SHARE * held_out.between:
        raise ValueError(
            f"checkpoint={checkpoint} cannot tell coverage: on held-out renders its poses are {error:.2f} box sides "
            f"from the true ones, where two renders differ by {held_out.between:.2f}; give a network of longer training"
        )


def require_hands(is_clear: Bool[np.ndarray, "photos"], target: str) -> None:
    """Refuse photographs of which most are read otherwise in each view."""
    num_unclear = int((~is_clear).sum())
    if num_unclear > MOST_UNCLEAR * len(is_clear):
        raise ValueError(
            f"target={target} shows no hands that the network can read: in {num_unclear} of {len(is_clear)} photos "
            f"its views differ as other poses do; give photographs of one hand each, or a network of longer training"
        )


def _known_names(config: CoverageConfig, names: list[str], images: list[UnlabelledImages]) -> list[str]:
    """What the column ``names`` says of each photograph, empty where nothing."""
    if not config.names:
        return []
    known: list[str] = []
    for name, part in zip(names, images, strict=True):
        of_file: dict[Any, str] = dict(target_names(name, config.names, config.target_root))
        known += [of_file.get(path, "") for path in part.paths]
    return known


def _report(
    config: CoverageConfig,
    names: list[str],
    images: list[UnlabelledImages],
    predicted: PredictedPoses,
    near: Neighbours,
    is_clear: Bool[np.ndarray, "photos"],
    found: Traits,
    held_out: HeldOut,
) -> Report:
    distances = near.distances[:, -1]
    order = [int(row) for row in np.argsort(-distances, kind="stable") if is_clear[row]]
    least = np.zeros(len(distances), bool)
    least[order[: max(1, round(LEAST_SHARE * len(order)))]] = True
    starts = np.cumsum([0, *map(len, images)])
    return Report(
        config=asdict(config),
        sets=[TargetSet(name, slice(*map(int, ends))) for name, ends in zip(names, pairwise(starts), strict=True)],
        files=[path.name for part in images for path in part.paths],
        predicted=predicted,
        near=near,
        is_clear=is_clear,
        is_least=least,
        order=order,
        traits=found,
        shares=shares(found, distances, is_clear, least),
        held_out=held_out,
    )  # fmt: skip


main = stage_main("coverage", CoverageConfig, coverage)

if __name__ == "__main__":
    raise SystemExit(main())
