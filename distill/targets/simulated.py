"""A stand-in for real photographs: renders of another domain, laid out like a real set, with labels for its test rows.

Adaptation can be tried and measured with it anywhere. It is no evidence about photographs, and every report says so.
"""

import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import simplejpeg

from dualmod.data.image_sets import ANNOTATIONS
from synth.common.config import check, option, required
from synth.common.files import open_run_folder, require_folder, written_atomically
from synth.dataset import HandSample, iterate, read_manifest
from synth.hand import skin_files

SET_NAME = "simulated"
NOTE = (
    "Simulated target domain: no folder of real images was found, so adaptation and evaluation use renders of another "
    "domain (other seed, other skins, a worse camera, other views and more occlusion; the same hand model). "
    "These numbers say that the stages work, and nothing about photographs."
)
DOMAIN = (
    "seed=7919",
    "depth_sensor=structured_light",
    "rgb.blur_px=1.2",
    "rgb.low_resolution_share=0.7",
    "rgb.noise=0.07",
    "rgb.colour_cast=0.15",
    "rgb.contrast=0.35",
    "rgb.min_jpeg_quality=15",
    "scene.occluder_share=0.2",
    "scene.sleeve_share=0.9",
    "scene.view.selfie_palm=0.2",
    "scene.view.egocentric=0.4",
)
"""Options of ``generate`` that make the domain another one."""
TARGET_SKINS_EVERY = 3
JPEG_QUALITY = 88


@dataclass
class SimulatedTargetConfig:
    """Lay a generated dataset out as a set of photographs."""

    data: str = required("folder of the dataset")
    out: str = required("folder of the set")
    test_share: float = option(0.3, "share of the images that get labels to measure on; the rest is to adapt to")
    overwrite: bool = option(False, "delete what another run left in out")

    def __post_init__(self) -> None:
        check(0 < self.test_share < 1, "test_share", self.test_share, "between 0 and 1")


def lay_out(cfg: SimulatedTargetConfig) -> Path:
    """Write ``images/`` and, last, ``annotations.npz``; rows to adapt to carry no labels.

    Raises:
        FileNotFoundError: when the dataset is missing.
        ValueError: when ``out`` holds something else.
    """
    num_samples = read_manifest(require_folder(cfg.data, "data")).num_samples
    out = open_run_folder(cfg.out, cfg, overwrite=cfg.overwrite)
    (out / "images").mkdir(exist_ok=True)
    num_test = max(1, round(cfg.test_share * num_samples))
    rows: dict[str, list] = {}
    for sample in iterate(cfg.data):
        file = f"images/{sample.key}.jpg"
        image = simplejpeg.encode_jpeg(np.ascontiguousarray(sample.rgb), quality=JPEG_QUALITY, colorspace="RGB")
        (out / file).write_bytes(image)
        row = _row(sample, file, is_test=sample.index >= num_samples - num_test)
        for key, value in row.items():
            rows.setdefault(key, []).append(value)
    with written_atomically(out / ANNOTATIONS) as partial, partial.open("wb") as opened:
        np.savez(opened, allow_pickle=False, **{key: np.array(values) for key, values in rows.items()})
    return out


def split_skins(out: Path) -> tuple[Path, Path]:
    """Copy the shipped skins into two folders, for the source and for the target, with none in common."""
    folders = out / "skins_source", out / "skins_target"
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
    for place, file in enumerate(skin_files()):
        copy = folders[place % TARGET_SKINS_EVERY == 0] / file.name
        if not copy.exists():
            with written_atomically(copy) as partial:
                shutil.copyfile(file, partial)
    return folders


def _row(sample: HandSample, file: str, *, is_test: bool) -> dict[str, object]:
    """One row of the annotations; what a label would be is blank in rows to adapt to."""
    blank = np.nan if not is_test else 1.0
    return {
        "files": file,
        "uv": (sample.joints_px * blank).astype(np.float32),
        "vis": np.full(21, is_test, np.uint8),
        "xyz": (sample.joints_cam * blank).astype(np.float32),
        "K": sample.K * blank,
        "hand": sample.handedness[0].upper() if is_test else "?",
        "split": "test" if is_test else "adapt",
        "label": "gt3d" if is_test else "none",
    }
