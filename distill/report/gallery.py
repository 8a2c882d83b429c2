"""Pictures of the transfer report: best, worst and most changed images, and what both networks made of them.

Joints, depth, mask and attention before and after stand one below the other (Lin et al. 2023, Figures 5 and 6).
"""

import base64
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from jaxtyping import Float, UInt8

from distill.report.compare import errors_of
from distill.report.runs import Evaluated
from dualmod.data.image_sets import LabelledImages
from dualmod.geometry.crop import apply_affine, box_crop_matrix, crop_image
from dualmod.inference.pose_overlays import TILE_SHARE
from dualmod.inference.predictor import Predictor
from synth.common.conventions import NUM_JOINTS
from synth.common.drawing import draw_skeleton

TILE_PX = 176
JPEG_QUALITY = 82
MAP_TITLES = ("predicted depth", "hand mask", "attention")
CLOSENESS_RANGE, ATTENTION_RANGE = (0.0, 1.0), (0.5, 1.5)
"""Values of blue and red, the same in all images of all networks; the mean of attention over an image is 1."""
BLANK = 247
KINDS = ("best", "worst", "most changed")
Networks = dict[tuple[Path, float], Predictor]
"""Networks by checkpoint and the margin that they were evaluated with (0: their own), loaded once for all datasets."""
Tiles = list[list[np.ndarray]]
"""Rows of sRGB tiles of one picture, [TILE_PX, TILE_PX, 3] each."""


@dataclass(frozen=True)
class Picture:
    """One image of the gallery.

    Attributes:
        kind: Why it is shown: an entry of ``KINDS``.
        uri: JPEG of tiles, as many as the gallery has columns, below each other as many as it has rows.
        caption: What it is and how large the errors are.
    """

    kind: str
    uri: str
    caption: str


@dataclass(frozen=True)
class Gallery:
    """Pictures of one dataset.

    Attributes:
        dataset: Its name.
        columns: Titles of the tiles of a picture from left to right.
        rows: The network of each row of tiles; nothing where there is one row, of the images alone.
        pictures: The pictures.
        lacking: Labels of the stages whose maps are not shown, because their checkpoint is no longer there.
    """

    dataset: str
    columns: tuple[str, ...]
    rows: tuple[str, ...]
    pictures: list[Picture]
    lacking: tuple[str, ...]


def gallery(
    labelled: LabelledImages,
    before: Evaluated,
    after: Evaluated,
    names: tuple[str, str],
    *,
    each: int,
    networks: Networks | None = None,
) -> Gallery:
    """The ``each`` images with the smallest and with the largest error after, and those that moved most.

    With the checkpoint of either stage a picture has two rows, before and after: joints and the maps of ``MAP_TITLES``,
    blank where that checkpoint is gone. Without both it is one row of label, before and after.

    Args:
        labelled: Images and labels.
        before: Evaluation of the stage before adaptation.
        after: Evaluation of the adapted stage.
        names: Labels of the two stages.
        each: Images of each kind.
        networks: Those that are loaded; what is loaded here is added.
    """
    runs = before, after
    errors = [_image_errors(run, labelled) for run in runs]
    sides = np.maximum(1.0, (labelled.boxes_px[:, 2:] - labelled.boxes_px[:, :2]).max(1))
    moved = np.linalg.norm(after.predictions["joints_px"] - before.predictions["joints_px"], axis=-1).mean(1) / sides
    rows: list[tuple[str, int]] = []
    for kind, values in zip(KINDS, (errors[1], -errors[1], -moved), strict=True):
        rows += [(kind, row) for row in spread_out(np.argsort(values, kind="stable").tolist(), each)]
    lacking = tuple(name for name, run in zip(names, runs, strict=True) if run.checkpoint is None)
    has_maps, places = len(lacking) < len(runs), [row for _, row in rows]
    networks = {} if networks is None else networks
    tiles = _with_maps(labelled, runs, places, networks) if has_maps else _alone(labelled, runs, places)
    pictures = [
        Picture(kind, jpeg_uri(np.vstack([np.hstack(line) for line in lines])), _caption(labelled, row, errors, after))
        for (kind, row), lines in zip(rows, tiles, strict=True)
    ]
    if not has_maps:
        return Gallery(labelled.name, ("label", *names), (), pictures, lacking)
    stages = f"before: {names[0]}", f"after: {names[1]}"
    return Gallery(labelled.name, ("label, photo", "joints", *MAP_TITLES), stages, pictures, lacking)


def spread_out(order: list[int], count: int) -> list[int]:
    """The first ``count`` rows of ``order`` that are not neighbours: frames of a video look alike."""
    gap = max(1, len(order) // 20)
    chosen: list[int] = []
    for row in order:
        if len(chosen) < count and all(abs(row - other) >= gap for other in chosen):
            chosen.append(row)
    return chosen


def jpeg_uri(image: UInt8[np.ndarray, "height width 3"]) -> str:
    """An sRGB image as a JPEG in a data URI."""
    encoded = cv2.imencode(".jpg", np.ascontiguousarray(image[..., ::-1]), [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1]
    return "data:image/jpeg;base64," + base64.b64encode(encoded.tobytes()).decode()


def _image_errors(run: Evaluated, labelled: LabelledImages) -> Float[np.ndarray, "images"]:
    """Mean error of each image's labelled joints in box sides; infinite where no hand was found."""
    errors = errors_of(run, labelled)
    boxes = np.where(np.isfinite(errors.boxes), errors.boxes, np.inf)
    return np.where(errors.seen, boxes, 0.0).sum(1) / np.maximum(errors.seen.sum(1), 1)


def _caption(labelled: LabelledImages, row: int, errors: list[np.ndarray], after: Evaluated) -> str:
    """File, errors before and after in box sides, and which hand was taken."""
    change = " to ".join(f"{of[row]:.3f}" if np.isfinite(of[row]) else "no hand found" for of in errors)
    hands = f"taken as a {_hand(after, row)} hand (label: {labelled.handedness[row]})"
    return f"{labelled.files[row].rpartition('/')[2]}: error {change}, {hands}"


def _alone(labelled: LabelledImages, runs: Sequence[Evaluated], rows: list[int]) -> list[Tiles]:
    """Label, joints before, joints after."""
    return [
        [[_truth(labelled, row, TILE_SHARE), *(_overlay(labelled, row, run, TILE_SHARE) for run in runs)]]
        for row in rows
    ]


def _with_maps(labelled: LabelledImages, runs: Sequence[Evaluated], rows: list[int], networks: Networks) -> list[Tiles]:
    """Label, joints and maps before; below them the photograph, joints and maps after."""
    predictors = [_network(run, networks) for run in runs]
    with _one_thread():
        maps = [_maps(labelled, predictor, rows) for predictor in predictors]
    known = [predictor.crop_margin for predictor in predictors if predictor is not None]
    margins = [known[0] if predictor is None else predictor.crop_margin for predictor in predictors]
    no_joints = np.full((NUM_JOINTS, 2), np.nan)
    found = []
    for place, row in enumerate(rows):
        first = _truth(labelled, row, margins[0]), _drawn(labelled, row, no_joints, margins[1])
        found.append([
            [first[k], _overlay(labelled, row, run, margins[k]), *maps[k][place]] for k, run in enumerate(runs)
        ])  # fmt: skip
    return found


def _network(run: Evaluated, networks: Networks) -> Predictor | None:
    """The network of a run, with the margin that it was evaluated with; None when its checkpoint is gone."""
    if run.checkpoint is None:
        return None
    margin = float(run.metrics.get("crop_margin") or run.config.get("crop_margin") or 0)
    if (run.checkpoint, margin) not in networks:
        networks[run.checkpoint, margin] = Predictor.load(run.checkpoint, "cpu", crop_margin=margin or None)
    return networks[run.checkpoint, margin]


def _maps(labelled: LabelledImages, predictor: Predictor | None, rows: list[int]) -> list[list[np.ndarray]]:
    """Tiles of ``MAP_TITLES`` for each row; blank ones without a network."""
    if predictor is None or not rows:
        return [[np.full((TILE_PX, TILE_PX, 3), BLANK, np.uint8)] * len(MAP_TITLES) for _ in rows]
    hands = predictor.predict([labelled.image(row) for row in rows], labelled.boxes_px[rows])
    attention = predictor.attention(hands.crops, hands.mirrored)
    return [
        [_coloured(depth, *CLOSENESS_RANGE), _grey(mask), _blended(crop, weights)]
        for depth, mask, weights, crop in zip(hands.depths, hands.masks, attention, hands.crops, strict=True)
    ]


@contextmanager
def _one_thread() -> Iterator[None]:
    """A dozen small images on one thread: on cores that others use, several wait for each other many times as long."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _truth(labelled: LabelledImages, row: int, margin: float) -> np.ndarray:
    joints_px = np.where(labelled.visible[row][:, None], labelled.joints_px[row], np.nan)
    return _drawn(labelled, row, joints_px, margin)


def _overlay(labelled: LabelledImages, row: int, run: Evaluated, margin: float) -> np.ndarray:
    return _drawn(labelled, row, run.predictions["joints_px"][row], margin)


def _drawn(labelled: LabelledImages, row: int, joints_px: np.ndarray, margin: float) -> np.ndarray:
    """The photo about its labelled hand, ``margin`` times the box: as the network of that row of tiles sees it."""
    A_tile_image = box_crop_matrix(labelled.boxes_px[row], margin, TILE_PX)
    tile = crop_image(labelled.image(row), A_tile_image, TILE_PX)
    return draw_skeleton(tile, apply_affine(A_tile_image, joints_px), thickness=2)


def _hand(run: Evaluated, row: int) -> str:
    return "right" if run.predictions["right_probability"][row] >= 0.5 else "left"


def _fitted(image: np.ndarray) -> np.ndarray:
    return cv2.resize(image.astype(np.float32), (TILE_PX, TILE_PX), interpolation=cv2.INTER_LINEAR)


def _coloured(values: np.ndarray, low: float, high: float) -> np.ndarray:
    share = np.clip((_fitted(values) - low) / max(high - low, 1e-6), 0, 1)
    return cv2.applyColorMap((255 * share).astype(np.uint8), cv2.COLORMAP_TURBO)[..., ::-1]


def _grey(values: np.ndarray) -> np.ndarray:
    return np.repeat((255 * np.clip(_fitted(values), 0, 1)).astype(np.uint8)[..., None], 3, -1)


def _blended(crop: np.ndarray, weights: np.ndarray) -> np.ndarray:
    heat = _coloured(weights, *ATTENTION_RANGE)
    return (0.45 * _fitted(crop) + 0.55 * heat).astype(np.uint8)
