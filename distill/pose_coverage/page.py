"""The page: histogram, what the least covered photographs have in common, and they beside their nearest renders."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from jinja2 import Environment, PackageLoader
from matplotlib.figure import Figure
from torch.utils.data import ConcatDataset

from distill.pose_coverage.box_poses import pose_distance
from distill.pose_coverage.renders import Renders
from distill.pose_coverage.report import DIGITS, Report
from distill.pose_coverage.traits import FEWEST, Share, in_words
from distill.report.figures import plain, stage_colour, svg_uri
from distill.report.gallery import jpeg_uri
from dualmod.geometry.crop import apply_affine, box_crop_matrix, crop_image, joints_box
from synth.common.conventions import LEFT, RIGHT
from synth.common.drawing import draw_skeleton
from synth.common.files import written_atomically
from synth.dataset import SampleStore

TILE_PX, TILE_MARGIN = 176, 1.5
LIKE_SHARE = 0.6
NUM_NEAREST = 4
"""Renders beside each photograph."""
BINS = 40
MOST_SHARES = 24
"""Rows of the table of traits; the file of numbers has all."""


@dataclass(frozen=True)
class Picture:
    """A photograph and its nearest renders, as one JPEG in a data URI with its caption."""

    uri: str
    caption: str


def write_page(
    out: Path, report: Report, images: Sequence[Sequence[np.ndarray]], store: SampleStore, renders: Renders
) -> None:
    """Write the HTML file, which needs no other.

    Args:
        out: The file.
        report: What was read.
        images: The photographs of each target.
        store: The renders' images.
        renders: The renders.
    """
    photos: Any = ConcatDataset(list(images))  # type: ignore[arg-type]
    shown = representatives(report.order, report.predicted.poses, report.distances, report.config["shown"])
    pictures = [
        Picture(_strip(report, row, photos, store, renders), _caption(report, row, others))
        for row, others in shown.items()
    ]
    by_name = report.config["names"]
    page = _template().render(
        config=report.config,
        sets=report.rows_of_sets(),
        num_clear=int(report.is_clear.sum()),
        num_unclear=int((~report.is_clear).sum()),
        held_out=report.to_json()["held_out"],
        histogram=histogram(report),
        sentences=in_words([share for share in report.shares if share.trait != by_name]),
        shares=_rows(report.shares, by_name),
        named=sorted((s for s in report.shares if s.trait == by_name and s.value), key=lambda s: -(s.distance or 0)),
        pictures=pictures,
        num_nearest=min(NUM_NEAREST, report.near.rows.shape[1]),
    )
    with written_atomically(out) as partial:
        partial.write_text(page, encoding="utf-8")


def representatives(
    order: Sequence[int],
    poses: Float[np.ndarray, "photos 21 2"],
    distances: Float[np.ndarray, "photos"],
    most: int,
) -> dict[int, int]:
    """The first rows of ``order`` whose poses differ, and for how many others each stands.

    A photograph is like one before it when that is nearer than ``LIKE_SHARE`` of its distance to the renders: frames of
    one recording would fill the page otherwise.
    """
    chosen: dict[int, int] = {}
    for row in order:
        rows = list(chosen)
        apart = pose_distance(poses[rows], poses[row]) if rows else np.array([np.inf])
        if apart.min() < LIKE_SHARE * distances[row]:
            chosen[rows[int(apart.argmin())]] += 1
        elif len(chosen) < most:
            chosen[row] = 0
    return chosen


def histogram(report: Report) -> str:
    """Distances of each target's photographs, and of the held-out renders, as shares of each; an SVG in a data URI."""
    figure = Figure(figsize=(9, 3.2), layout="constrained")
    axes = figure.subplots()
    groups = {"held-out renders": report.held_out.distances} | {t.name: report.of_set(t) for t in report.sets}
    everything = np.concatenate(list(groups.values()))
    bins = np.linspace(0, float(np.quantile(everything, 0.995)) * 1.02 + 1e-6, BINS + 1)
    for place, (name, distances) in enumerate(groups.items()):
        if not len(distances):
            continue
        colour, weights = stage_colour(place), np.full(len(distances), 1 / len(distances))
        inside = np.minimum(distances, bins[-1])
        style: Any = {"histtype": "stepfilled", "alpha": 0.4} if place == 0 else {"histtype": "step", "linewidth": 1.8}
        axes.hist(inside, bins=list(bins), weights=weights, color=colour, label=name, **style)
        axes.axvline(float(np.median(distances)), color=colour, linestyle="--", linewidth=1)
    nth = report.config["neighbours"]
    axes.set(xlabel=f"distance to render {nth} of the nearest, box sides", ylabel="share", xlim=(0, bins[-1]))
    axes.legend(frameon=False, fontsize=8)
    plain(axes)
    return svg_uri(figure)


def _rows(shares: list[Share], by_name: str) -> list[Share]:
    """The values that differ most among the least covered, either way."""
    counted = [s for s in shares if s.count >= FEWEST and s.trait != by_name]
    most = sorted(counted, key=lambda s: -abs(s.of_least - s.of_all))[:MOST_SHARES]
    return [share for share in counted if share in most]


def _strip(report: Report, row: int, photos: Sequence[np.ndarray], store: SampleStore, renders: Renders) -> str:
    """The photograph with its predicted skeleton, then its nearest renders, turned to the same side."""
    is_left = bool(report.predicted.is_left[row])
    joints = report.predicted.joints_px[row]
    tiles = [_tile(photos[row], joints, mirrored=False, draws=False), _tile(photos[row], joints, mirrored=False)]
    for render in report.near.rows[row, :NUM_NEAREST]:
        mirrored = bool(renders.is_left[render]) != is_left
        tiles.append(_tile(store.rgb(int(render)), renders.joints_px[render], mirrored=mirrored))
    return jpeg_uri(np.hstack(tiles))


def _tile(image: np.ndarray, joints_px: np.ndarray, *, mirrored: bool, draws: bool = True) -> np.ndarray:
    """The picture about its hand."""
    A_tile_image = box_crop_matrix(joints_box(joints_px), TILE_MARGIN, TILE_PX)
    tile, joints = crop_image(image, A_tile_image, TILE_PX), apply_affine(A_tile_image, joints_px.astype(np.float64))
    if mirrored:
        tile, joints = np.ascontiguousarray(tile[:, ::-1]), joints * [-1, 1] + [TILE_PX - 1, 0]
    return draw_skeleton(tile, joints, thickness=2) if draws else tile


def _caption(report: Report, row: int, others: int) -> str:
    predicted = report.predicted
    told = [f"{trait}: {values[row]}" for trait, values in report.traits.items() if values[row]]
    hand = LEFT if predicted.is_left[row] else RIGHT
    like = f" and {others} more like it" if others else ""
    return (
        f"{report.files[row]}{like}: distance {report.distances[row]:.3f}, "
        f"nearest {report.near.distances[row, 0]:.3f}; taken as a {hand} hand, "
        f"confidence {predicted.confidence[row]:.2f}, views differ by "
        f"{predicted.spread[row]:.3f}; {'; '.join(t for t in told if not t.startswith('hand:'))}"
    )


def _template() -> Any:
    environment = Environment(loader=PackageLoader("distill", "pose_coverage"), autoescape=True)
    environment.filters["share"] = lambda value: "" if value is None else f"{value:.0%}"
    environment.filters["distance"] = lambda value: "" if value is None else f"{value:.{DIGITS - 1}f}"
    return environment.get_template("page.html.j2")
