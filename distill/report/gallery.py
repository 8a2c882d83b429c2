"""Pictures of the transfer report: best, worst and most changed images, before and after, with what the network saw."""

import base64
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from distill.report.compare import errors_of
from distill.report.runs import Evaluated
from dualmod.data.crop import apply_affine, box_crop_matrix, crop_image
from dualmod.data.real import LabelledImages
from dualmod.predictor import Predictor
from synth.draw import draw_skeleton

TILE_PX = 176
MARGIN = 1.6
JPEG_QUALITY = 82
MAP_TITLES = ("predicted depth", "hand mask", "attention")
KINDS = ("best", "worst", "most changed")


@dataclass(frozen=True)
class Picture:
    """One image of the gallery.

    Attributes:
        kind: Why it is shown: an entry of ``KINDS``.
        uri: JPEG strip: image with labels, before, after, and the maps of ``MAP_TITLES`` if the checkpoint is there.
        caption: File, errors before and after in box sides, and which hand was taken.
    """

    kind: str
    uri: str
    caption: str


@dataclass(frozen=True)
class Gallery:
    """Pictures of one dataset and the titles of their strips' columns."""

    dataset: str
    columns: tuple[str, ...]
    pictures: list[Picture]


def gallery(
    labelled: LabelledImages, before: Evaluated, after: Evaluated, names: tuple[str, str], *, each: int
) -> Gallery:
    """The ``each`` images with the smallest and with the largest error after, and those that moved most.

    Args:
        labelled: Images and labels.
        before: Evaluation of the stage before adaptation.
        after: Evaluation of the adapted stage, whose maps are shown.
        names: Labels of the two stages.
        each: Images of each kind.
    """
    errors = [_image_errors(run, labelled) for run in (before, after)]
    sides = np.maximum(1.0, (labelled.boxes_px[:, 2:] - labelled.boxes_px[:, :2]).max(1))
    moved = np.linalg.norm(after.predictions["joints_px"] - before.predictions["joints_px"], axis=-1).mean(1) / sides
    rows: list[tuple[str, int]] = []
    for kind, values in zip(KINDS, (errors[1], -errors[1], -moved), strict=True):
        rows += [(kind, row) for row in spread_out(np.argsort(values, kind="stable").tolist(), each)]
    maps = _maps(labelled, after, [row for _, row in rows])
    pictures = []
    for (kind, row), shown in zip(rows, maps, strict=True):
        tiles = [_truth(labelled, row), _overlay(labelled, row, before), _overlay(labelled, row, after), *shown]
        caption = (
            f"{labelled.files[row].rpartition('/')[2]}: error {errors[0][row]:.3f} to {errors[1][row]:.3f}, "
            f"taken as a {_hand(after, row)} hand (label: {labelled.handedness[row]})"
        )
        pictures.append(Picture(kind, jpeg_uri(np.hstack(tiles)), caption))
    titles = MAP_TITLES if maps and maps[0] else ()
    return Gallery(labelled.name, ("label", *names, *titles), pictures)


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
    """Mean error of each image's labelled joints in box sides."""
    errors = errors_of(run, labelled)
    return (errors.boxes * errors.seen).sum(1) / np.maximum(errors.seen.sum(1), 1)


def _maps(labelled: LabelledImages, run: Evaluated, rows: list[int]) -> list[list[np.ndarray]]:
    """Tiles of ``MAP_TITLES`` for each row; empty lists when the checkpoint is gone."""
    if run.checkpoint is None or not rows:
        return [[] for _ in rows]
    predictor = Predictor.load(run.checkpoint, "cpu", crop_margin=float(run.config.get("crop_margin", MARGIN)))
    hands = predictor.predict([labelled.image(row) for row in rows], labelled.boxes_px[rows])
    attention = predictor.attention(hands.crops, hands.mirrored)
    return [
        [_coloured(depth, 0.0, 1.0), _grey(mask), _blended(crop, weights)]
        for depth, mask, weights, crop in zip(hands.depths, hands.masks, attention, hands.crops, strict=True)
    ]


def _truth(labelled: LabelledImages, row: int) -> np.ndarray:
    joints_px = np.where(labelled.visible[row][:, None], labelled.joints_px[row], np.nan)
    return _drawn(labelled, row, joints_px)


def _overlay(labelled: LabelledImages, row: int, run: Evaluated) -> np.ndarray:
    return _drawn(labelled, row, run.predictions["joints_px"][row])


def _drawn(labelled: LabelledImages, row: int, joints_px: np.ndarray) -> np.ndarray:
    A_tile_image = box_crop_matrix(labelled.boxes_px[row], MARGIN, TILE_PX)
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
    heat = _coloured(weights, 0.0, float(np.percentile(weights, 99.5)))
    return (0.45 * _fitted(crop) + 0.55 * heat).astype(np.uint8)
