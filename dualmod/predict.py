"""Predict hands on whatever a user has: a photo, a folder of photos, a glob, a video, photos with depth.

Options are read here; the work is done in ``predict_photos`` and ``predict_video``.
"""

import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from dualmod.checkpoints.released import RELEASED, pose_file
from dualmod.data.video import VIDEO_SUFFIXES
from dualmod.inference.detectors import WINDOWS
from dualmod.inference.image_io import CHARACTERS_OF_A_GLOB, photo_files
from dualmod.inference.image_run import DepthSource, PhotoRun
from dualmod.inference.json_output import Origin, write_json
from dualmod.inference.one_euro import OneEuroConfig
from dualmod.inference.predictor import CROP_MARGIN, check_crop_margin
from dualmod.inference.test_time_augmentation import PHOTO_VIEWS, VIEWS
from dualmod.inference.top_down import PREDICTED, Camera, TopDownEstimator, open_estimator
from dualmod.inference.video_run import VideoRun
from synth.common.config import check, option, required, stage_main
from synth.common.conventions import LEFT, RIGHT
from synth.common.files import open_run_folder

SUMMARY = "summary"
HANDEDNESS = (PREDICTED, LEFT, RIGHT)
FREE_KEYS = ("device",)
DEFAULT_OUT = "runs/predict"


@dataclass
class PredictConfig:
    """Find hands in photos or a video: joints as JSON, and overlays."""

    input: str = required("a photo, a folder of photos, a quoted glob, or a video")
    out: str = option(
        "",
        "folder for NAME.json and NAME.jpg of each photo (video: NAME.jsonl, NAME.mp4) and summary.json; "
        f"empty: {DEFAULT_OUT}/ and the input's name",
    )
    checkpoint: str = option(RELEASED, "model.safetensors of pretrain or adapt; released: the one that comes along")
    box: str = option("", "x0,y0,x1,y1: the hand's box in pixels of the upright image; empty to find it")
    detector: str = option(RELEASED, "file of a trained detector; released; or windows: the pose network searches")
    depth: str = option("", "depth map of the photo, or a folder with one for each photo's name; needs K")
    K: str = option("", "fx,fy,cx,cy in pixels of the upright image; empty when not known")
    depth_scale: float = option(0.001, "metres for one step of a 16-bit depth PNG; .npy is in metres")
    bone_mm: float = option(0.0, "measured length from wrist to middle knuckle in mm; 0 when not known")
    hands: int = option(1, "hands in one image at most; more than 1 needs detector")
    handedness: str = option(PREDICTED, "predicted, or what every hand is: left, right")
    min_confidence: float = option(0.0, "leave out hands whose joints have a lower mean confidence")
    views: int = option(
        0, f"looks at each hand, which vote on its joints, 1 to {len(VIEWS)}; 0: {PHOTO_VIEWS}, video 1"
    )
    smooth: bool = option(True, "smooth the joints in a video")
    one_euro: OneEuroConfig = option(OneEuroConfig(), "smoothing of video")
    crop_margin: float = option(0.0, f"{CROP_MARGIN}; 0: the checkpoint's")
    device: str = option("auto", "auto, cpu or cuda")
    overwrite: bool = option(False, "delete what another run left in out")

    def __post_init__(self) -> None:
        check(self.handedness in HANDEDNESS, "handedness", self.handedness, f"one of {', '.join(HANDEDNESS)}")
        check(self.depth_scale > 0, "depth_scale", self.depth_scale, "positive, in metres (0.001 for millimetres)")
        legal_bone = self.bone_mm == 0 or 40 <= self.bone_mm <= 150
        check(legal_bone, "bone_mm", self.bone_mm, "40 to 150 mm, or 0 when not known")
        check(1 <= self.hands <= 20, "hands", self.hands, "1 to 20")
        check(0 <= self.views <= len(VIEWS), "views", self.views, f"1 to {len(VIEWS)}, or 0 for the usual number")
        check(0 <= self.min_confidence < 1, "min_confidence", self.min_confidence, "from 0 to below 1")
        check_crop_margin(self.crop_margin)
        check(self.hands == 1 or not self.box, "hands", self.hands, "1 with box=, which is one hand's")
        check(self.hands == 1 or self.detector != WINDOWS, "hands", self.hands, "1 with detector=windows")
        no_file = self.detector in (RELEASED, WINDOWS)
        check(not self.box or no_file, "box", self.box, "left out, or detector: the box replaces it")
        check(bool(self.K) or not self.depth, "depth", self.depth, "given together with K=fx,fy,cx,cy")
        box_of(self.box)
        K_of(self.K)


def predict(config: PredictConfig) -> dict[str, Any]:
    """Predict; leaves ``config.yaml``, the results and ``summary.json`` in ``out``, and returns the summary.

    Photos that cannot be used are left out and named. Repeating the command predicts anew.

    Raises:
        FileNotFoundError: when the checkpoint, the input, the detector or the depth is missing.
        ValueError: when nothing can be read, an option does not fit the input, or ``out`` is another run's.
    """
    config = replace(config, out=config.out or str(Path(DEFAULT_OUT) / name_of(config.input)))
    out = Path(config.out).expanduser()
    if config.depth and not Path(config.depth).expanduser().exists():
        raise FileNotFoundError(f"depth={config.depth} does not exist; give a depth map or a folder of them")
    video = _video_of(config)
    files, no_photos = ([], []) if video else photo_files(config.input, out.resolve(), frozenset({SUMMARY}))
    one_map = config.depth and not Path(config.depth).expanduser().is_dir()
    check(not one_map or len(files) == 1, "depth", config.depth, f"a folder with a map for each of {len(files)} photos")
    checkpoint = pose_file(config.checkpoint)
    views = config.views or (1 if video else PHOTO_VIEWS)
    estimator = _estimator(config, checkpoint, views)
    origin = Origin.of(checkpoint, estimator.detector_name)
    if video:
        run = VideoRun(video, estimator, origin, config.one_euro if config.smooth else None)
        _open(config, out)
        run.predict(out)
    else:
        depth = Path(config.depth).expanduser() if config.depth else None
        run = PhotoRun(estimator, origin, DepthSource(depth, config.depth_scale) if depth else None)
        decoded = run.readable(files)
        _open(config, out)
        for one in decoded:
            run.predict(one, out)
        run.skipped += no_photos
    summary = {
        "input": config.input,
        "detector": estimator.detector_name,
        "checkpoint": origin.to_json(),
        "device": str(estimator.predictor.device),
        "views": views,
        "crop_margin": estimator.predictor.crop_margin,
        "threads": torch.get_num_threads(),
        **run.to_json(),
    }
    write_json(out / f"{SUMMARY}.json", summary)
    sys.stdout.write("\n".join(run.lines(out)) + "\n")
    return summary


def name_of(source: str) -> str:
    """What an input is called: a file without its suffix, a folder, or the folder that a glob is in."""
    path = Path(source).expanduser()
    whole = [part for part in path.parts if not any(c in part for c in CHARACTERS_OF_A_GLOB)]
    if len(whole) < len(path.parts):
        path = Path(*whole)
    path = path.resolve()
    return path.stem if path.is_file() else path.name


def numbers(text: str, key: str, names: tuple[str, ...]) -> list[float] | None:
    """Numbers separated by commas; None for an empty text.

    Raises:
        ValueError: when there are not as many finite numbers as ``names``.
    """
    if not text:
        return None
    try:
        values = [float(part) for part in text.strip("[]()").split(",")]
    except ValueError:
        values = []
    check(len(values) == len(names) and bool(np.isfinite(values).all()), key, text, f"numbers {','.join(names)}")
    return values


def box_of(text: str) -> tuple[float, float, float, float] | None:
    """The option ``box``.

    Raises:
        ValueError: when it is no box.
    """
    values = numbers(text, "box", ("x0", "y0", "x1", "y1"))
    if values is None:
        return None
    x0, y0, x1, y1 = values
    check(x1 > x0 and y1 > y0, "box", text, "x0,y0,x1,y1 with x1 > x0 and y1 > y0")
    return x0, y0, x1, y1


def K_of(text: str) -> np.ndarray | None:
    """The option ``K`` as a matrix.

    Raises:
        ValueError: when these are no intrinsics.
    """
    values = numbers(text, "K", ("fx", "fy", "cx", "cy"))
    if values is None:
        return None
    fx, fy, cx, cy = values
    check(fx > 0 and fy > 0, "K", text, "fx,fy,cx,cy with positive focal lengths, in pixels")
    return np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]])


def _video_of(config: PredictConfig) -> Path | None:
    path = Path(config.input).expanduser()
    if not (path.is_file() and path.suffix.lower() in VIDEO_SUFFIXES):
        return None
    check(not config.depth, "depth", config.depth, "left out with a video; save its frames as photos")
    return path


def _estimator(config: PredictConfig, checkpoint: Path, views: int) -> TopDownEstimator:
    return open_estimator(
        checkpoint,
        detector=config.detector,
        device=config.device,
        box_px=box_of(config.box),
        camera=Camera(K_of(config.K), config.bone_mm / 1000 or None),
        handedness=config.handedness,
        most_hands=config.hands,
        min_confidence=config.min_confidence,
        views=views,
        crop_margin=config.crop_margin or None,
    )


def _open(config: PredictConfig, out: Path) -> None:
    """The run's folder, without what a killed run left half-written."""
    open_run_folder(out, config, overwrite=config.overwrite, free_keys=FREE_KEYS)
    for partial in out.rglob(".*.partial*"):
        partial.unlink(missing_ok=True)


main = stage_main("predict", PredictConfig, predict)

if __name__ == "__main__":
    raise SystemExit(main())
