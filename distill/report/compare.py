"""Is adaptation better than its control? Paired differences with an interval over seeds and blocks, in words."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from distill.report.runs import Evaluated, Stage
from dualmod.data.image_sets import LabelledImages
from dualmod.evaluation.block_bootstrap import FEWEST_BLOCKS, block_sums, draw_blocks
from synth.common.conventions import ROOT_JOINT

PCK_BOX = 0.1
PSEUDO_LABEL_MARGIN = 0.03
"""Least difference of PCK that labels made by another detector can bear."""


@dataclass(frozen=True)
class Errors:
    """Errors of one evaluated network on one dataset.

    Attributes:
        boxes: Distance in the image over the longer side of the labelled hand's box.
        seen: Which joints are labelled.
        mm: Distance in 3D with the root on the truth; NaN without 3D labels, and without a 3D prediction.
        seen_3d: Which joints are labelled in 3D.

    ``boxes`` is NaN where no hand was found.
    """

    boxes: Float[np.ndarray, "images 21"]
    seen: Bool[np.ndarray, "images 21"]
    mm: Float[np.ndarray, "images 21"]
    seen_3d: Bool[np.ndarray, "images 21"]


@dataclass(frozen=True)
class Comparison:
    """One metric of two stages on one dataset.

    Attributes:
        difference: First minus second, mean over their common seeds, so that above 0 is better for every metric.
        low: Lower end of the 95 % interval, bootstrapped over seeds and blocks of images together; None where all
            images are of one block.
        high: Upper end.
        seeds_better: In how many seeds the first is better.
        num_images: Images that count.
        num_blocks: Blocks that these images are of.
        left_out: Labelled images that do not count, because a run of either stage has no prediction of them.
        outcome: ``better``, ``worse`` or ``not shown``.
        sentence: All of it in words.
    """

    dataset: str
    metric: str
    first: float
    second: float
    difference: float
    low: float | None
    high: float | None
    seeds_better: int
    num_seeds: int
    num_images: int
    num_blocks: int
    left_out: int
    outcome: str
    sentence: str


def errors_of(evaluated: Evaluated, labelled: LabelledImages) -> Errors:
    """Errors by image and joint.

    Raises:
        ValueError: when predictions and labels are not of the same images.
    """
    found = evaluated.predictions
    if tuple(str(f) for f in found["files"]) != labelled.files:
        raise ValueError(f"dataset={labelled.name} holds other images than were evaluated; evaluate again")
    sides = np.maximum(1.0, (labelled.boxes_px[:, 2:] - labelled.boxes_px[:, :2]).max(1))
    gap_px = found["joints_px"] - np.where(labelled.visible[..., None], labelled.joints_px, 0.0)
    moved = found["joints_cam"] - found["joints_cam"][:, [ROOT_JOINT]]
    truth = labelled.joints_cam - labelled.joints_cam[:, [ROOT_JOINT]]
    has_K = np.asarray(np.isfinite(labelled.K).all((1, 2)))[:, None]
    seen_3d = has_K & np.isfinite(truth).all(-1)
    mm = np.where(seen_3d, 1000 * np.linalg.norm(moved - truth, axis=-1), np.nan)
    return Errors(np.linalg.norm(gap_px, axis=-1) / sides[:, None], labelled.visible, mm, seen_3d)


def compare(
    first: Stage, second: Stage, dataset: str, labelled: LabelledImages, *, bootstrap: int = 1000, seed: int = 0
) -> list[Comparison]:
    """``pck_box@0.1`` and, with 3D labels, ``epe_mm`` of two stages, seed by seed and image by image.

    A hand that was not found has all its joints wrong in ``pck_box@0.1``. No number of millimetres is true of it, so
    ``epe_mm`` leaves out every image that any run of either stage has no whole 3D prediction of, in all runs alike, and
    the sentence says how many. There is no ``epe_mm`` where no image is left.
    """
    pairs = sorted(first.of(dataset).keys() & second.of(dataset).keys())
    if not pairs:
        return []
    of_first, of_second = ([errors_of(s.of(dataset)[k], labelled) for k in pairs] for s in (first, second))
    is_pseudo = labelled.label_kind.startswith("pseudo")
    right = [np.stack([e.boxes <= PCK_BOX for e in errors]).astype(float) for errors in (of_first, of_second)]
    names = first.label, second.label
    pair = _Pair(names, dataset, f"pck_box@{PCK_BOX:g}", right[0], right[1], of_first[0].seen, labelled.blocks)
    found = [_compared(pair, PSEUDO_LABEL_MARGIN if is_pseudo else 0.0, bootstrap, np.random.default_rng(seed))]
    pair = _pair_in_3d(names, dataset, labelled.blocks, of_first, of_second)
    if pair.counts.any():
        found.append(_compared(pair, 0.0, bootstrap, np.random.default_rng(seed)))
    return found


@dataclass(frozen=True, eq=False)
class _Pair:
    """Values [seeds, images, 21] of two stages, of which those at ``counts`` [images, 21] are averaged.

    ``blocks`` has the number of each image's block; ``lacking`` has, for each stage, the labelled images that one of
    its runs has no value of, and for both together.
    """

    names: tuple[str, str]
    dataset: str
    metric: str
    first: np.ndarray
    second: np.ndarray
    counts: np.ndarray
    blocks: np.ndarray
    lacking: tuple[int, int, int] = (0, 0, 0)

    def mean(self, values: np.ndarray) -> float:
        return float((values * self.counts).sum((1, 2)).mean() / self.counts.sum())


def _pair_in_3d(
    names: tuple[str, str], dataset: str, blocks: np.ndarray, first: list[Errors], second: list[Errors]
) -> _Pair:
    """Millimetres, over the images that every run of both stages has predicted."""
    seen = first[0].seen_3d
    mm = [np.stack([e.mm for e in errors]) for errors in (first, second)]
    lacks = np.stack([(np.isnan(values) & seen).any((0, 2)) for values in mm])
    left_out = np.asarray(lacks.any(0))
    counts = seen & ~left_out[:, None]
    kept = [np.where(counts, values, 0.0) for values in mm]
    lacking = int(lacks[0].sum()), int(lacks[1].sum()), int(left_out.sum())
    return _Pair(names, dataset, "epe_mm", kept[0], kept[1], counts, blocks, lacking)


def _compared(pair: _Pair, margin: float, bootstrap: int, rng: np.random.Generator) -> Comparison:
    sign = -1.0 if pair.metric.endswith("_mm") else 1.0
    of_image = sign * ((pair.first - pair.second) * pair.counts).sum(2)
    num_seeds, weight = len(of_image), pair.counts.sum(1)
    by_seed = of_image.sum(1) / weight.sum()
    low, high = _interval(block_sums(of_image, pair.blocks), block_sums(weight, pair.blocks), bootstrap, rng)
    difference = float(by_seed.mean())
    is_shown = low is not None and high is not None and (low > 0 or high < 0) and abs(difference) >= margin
    values: dict[str, Any] = {
        "dataset": pair.dataset,
        "metric": pair.metric,
        "first": pair.mean(pair.first),
        "second": pair.mean(pair.second),
        "difference": difference,
        "low": low,
        "high": high,
        "seeds_better": int((by_seed > 0).sum()),
        "num_seeds": num_seeds,
        "num_images": int((weight > 0).sum()),
        "num_blocks": len(np.unique(pair.blocks[weight > 0])),
        "left_out": pair.lacking[2],
        "outcome": ("better" if difference > 0 else "worse") if is_shown else "not shown",
    }
    return Comparison(**values, sentence=_sentence(pair, values, margin))


def _interval(
    differences: Float[np.ndarray, "seeds blocks"],
    weight: Int[np.ndarray, "blocks"],
    bootstrap: int,
    rng: np.random.Generator,
) -> tuple[float, float] | tuple[None, None]:
    """The 95 % percentile interval of the mean difference, over seeds and blocks drawn together.

    Args:
        differences: Sum over the counted joints of a block.
        weight: Counted joints of a block.
        bootstrap: Resamples.
        rng: Draws them.
    """
    num_seeds, num_blocks = differences.shape
    if (weight > 0).sum() < FEWEST_BLOCKS:
        return None, None
    seeds = rng.integers(0, num_seeds, (bootstrap, num_seeds))
    blocks = draw_blocks(num_blocks, bootstrap, rng)
    drawn = np.stack([differences[row].mean(0) for row in seeds])
    means = (drawn * blocks).sum(1) / np.maximum(blocks @ weight, 1)
    low, high = np.percentile(means, [2.5, 97.5])
    return float(low), float(high)


def _sentence(pair: _Pair, values: dict[str, Any], margin: float) -> str:
    names = pair.names
    digits = 1 if values["metric"].endswith("_mm") else 3
    first, second, difference = (f"{values[k]:.{digits}f}" for k in ("first", "second", "difference"))
    interval = "no interval, as all images are of one block"
    if values["low"] is not None:
        interval = f"95 % interval {values['low']:.{digits}f} to {values['high']:.{digits}f}"
    images = f"{values['num_images']} images"
    images += f" in {values['num_blocks']} blocks" if values["num_blocks"] < values["num_images"] else ""
    verdict = {
        "better": f"{names[0]} is better than {names[1]}",
        "worse": f"{names[0]} is worse than {names[1]}",
        "not shown": f"no difference between {names[0]} and {names[1]} is shown",
    }[values["outcome"]]
    seeds = values["num_seeds"]
    basis = f"{values['seeds_better']} of {seeds} seeds agree on an advantage" if seeds > 1 else "one seed only"
    limits = f"; labels of another detector, under {margin:g} nothing is claimed" if margin else ""
    if values["left_out"]:
        lacking = " and ".join(f"{names[k]} of {pair.lacking[k]}" for k in (0, 1) if pair.lacking[k])
        limits += f"; {values['left_out']} more left out: no 3D prediction by {lacking}"
    return (
        f"{values['dataset']}, {values['metric']}: {verdict} ({first} against {second}; advantage {difference}, "
        f"{interval}, {images}, {basis}{limits})."
    )
