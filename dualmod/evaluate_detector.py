"""Measure a detector on labelled real photographs, given whole: recall of the labelled hand, IoU, time for a photo.

A photo may show more hands than the labelled one, so what else is found is counted and not called wrong.
"""

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import simplejpeg
import torch

from dualmod.data.image_sets import LabelledImages, open_labelled
from dualmod.detection.centernet_detector import CenterNetDetector
from dualmod.detection.decode import DecodeConfig
from dualmod.detection.detector import HandBox
from dualmod.detection.metrics import FOUND_IOU, photo_finds
from dualmod.evaluation.metrics import json_number, score
from dualmod.inference.detection_overlays import finds_sheet
from synth.common.config import check, option, required, stage_main
from synth.common.conventions import RIGHT, UNKNOWN
from synth.common.files import open_run_folder, require_file, written_atomically


@dataclass
class EvaluateDetectorConfig:
    """Measure a detector on whole labelled photographs."""

    detector: str = required("model.safetensors of pretrain-detector or adapt-detector")
    dataset: str = required("name of a set in root or READER:PATH of a public dataset, or several with commas")
    out: str = required("folder for metrics.json and overlays.jpg")
    root: str = option("", "folder of the real image sets that are named without a path")
    split: str = option("test", "split of the set; it must have labels")
    max_images: int = option(0, "evenly spaced images of each set at most; 0 for all")
    bootstrap: int = option(1000, "resamples of the blocks of images for the 95 % intervals; 0 for none")
    seed: int = option(0, "seed of the resampling")
    device: str = option("auto", "auto, cpu or cuda")
    threads: int = option(0, "CPU threads of torch; 0 takes all cores")
    overwrite: bool = option(False, "delete what another run left in out")
    decode: DecodeConfig = option(DecodeConfig(), "what counts as a hand")

    def __post_init__(self) -> None:
        check(self.max_images >= 0, "max_images", self.max_images, "0 or more")
        check(self.bootstrap >= 0, "bootstrap", self.bootstrap, "0 or more")


def evaluate_detector(config: EvaluateDetectorConfig) -> Path:
    """Find the hands of each set, and leave ``metrics.json`` and ``overlays.jpg`` in ``out``.

    Returns:
        The folder ``out``.

    Raises:
        FileNotFoundError: when the detector or a set is missing.
        ValueError: when the file holds no detector, or a set has no labelled image in the split.
    """
    if config.threads:
        torch.set_num_threads(config.threads)
    detector = CenterNetDetector.load(require_file(config.detector, "detector"), config.device, config=config.decode)
    sets = [open_labelled(config.root, name.strip(), config.split) for name in config.dataset.split(",")]
    sets = [labelled.thinned(config.max_images or len(labelled)) for labelled in sets]
    out = open_run_folder(config.out, config, overwrite=config.overwrite, free_keys=("device", "threads"))
    metrics, rows = {}, []
    for labelled in sets:
        found, ms = _timed_finds(detector, labelled)
        metrics[labelled.name] = measured(labelled, found, config.bootstrap, config.seed) | {"ms_per_photo": ms}
        rows.append((labelled, found))
    with written_atomically(out / "overlays.jpg") as partial:
        partial.write_bytes(simplejpeg.encode_jpeg(finds_sheet(rows), quality=88, colorspace="RGB"))
    with written_atomically(out / "metrics.json") as partial:
        partial.write_text(json.dumps(metrics, indent=2))
    return out


def measured(labelled: LabelledImages, found: list[list[HandBox]], bootstrap: int, seed: int) -> dict[str, Any]:
    """Shares of the photos whose labelled hand is found, and is the surest find; mean IoU; sides named rightly."""
    finds = photo_finds(found, labelled.boxes_px)
    values = {
        f"recall@{FOUND_IOU}": finds.best_iou >= FOUND_IOU,
        f"surest_recall@{FOUND_IOU}": finds.surest_iou >= FOUND_IOU,
        "any_found": finds.finds > 0,
        "iou": finds.best_iou,
    }
    everyone = np.ones((len(labelled), 1), bool)
    resampling = {"bootstrap": bootstrap, "seed": seed, "blocks": labelled.blocks}
    scores = {k: score(v[:, None].astype(np.float64), everyone, **resampling) for k, v in values.items()}
    known = [
        (hands[0].right_probability > 0.5) == (hand == RIGHT)
        for hands, hand, iou in zip(found, labelled.handedness, finds.surest_iou, strict=True)
        if hand != UNKNOWN and iou >= FOUND_IOU
    ]
    return {
        "num_images": len(labelled),
        "num_blocks": labelled.num_blocks,
        **{k: {end: json_number(getattr(s, end)) for end in ("value", "low", "high")} for k, s in scores.items()},
        "finds_per_photo": round(float(finds.finds.mean()), 4),
        "handedness_accuracy": round(float(np.mean(known)), 4) if known else None,
        "labels": labelled.label_kind,
    }


def _timed_finds(detector: CenterNetDetector, labelled: LabelledImages) -> tuple[list[list[HandBox]], float]:
    """The finds of each photo, and the median time for one in milliseconds; reading the file is not counted."""
    found: list[list[HandBox]] = []
    seconds: list[float] = []
    for image in labelled.images:
        started = time.perf_counter()
        found += detector.find([image])
        seconds.append(time.perf_counter() - started)
    return found, round(1000 * float(np.median(seconds)), 2)


main = stage_main("evaluate-detector", EvaluateDetectorConfig, evaluate_detector)

if __name__ == "__main__":
    raise SystemExit(main())
