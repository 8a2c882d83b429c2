"""``handbridge verify``: every shard and every sample of a dataset, each fault named."""

import tarfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console

from synth.common.config import option, required, stage_main
from synth.common.conventions import PART_NAMES
from synth.dataset.manifest import Manifest, ShardEntry, read_manifest
from synth.dataset.sample import HandSample, decode_sample
from synth.dataset.shards import file_sha256, iterate_members
from synth.geometry.camera import Camera

MAX_PROJECTION_ERROR_PX = 0.05
MIN_DEPTH_COVER = 0.5
"""A sensor loses edges and holes, but never more than half of the surface."""


@dataclass
class VerifyConfig:
    """Check a dataset: hashes, members, labels and pictures of every sample."""

    data: str = required("folder of the dataset")
    max_shown: int = option(20, "faults that are printed; all are counted")


@dataclass(frozen=True)
class Verification:
    """What was checked and what was wrong, one line for each fault."""

    num_shards: int
    num_samples: int
    faults: list[str]


def verify(data: str | Path) -> Verification:
    """Check every shard and sample of the dataset in folder ``data``.

    Raises:
        FileNotFoundError: when the folder or its manifest is missing.
        ValueError: when the manifest cannot be read.
    """
    manifest = read_manifest(data)
    faults, num_samples, next_index = _manifest_faults(manifest), 0, 0
    for entry in manifest.shards:
        found, shard_faults = verify_shard(Path(data).expanduser() / entry.name, entry, next_index)
        next_index += entry.num_samples
        num_samples += found
        faults += shard_faults
    if num_samples != manifest.num_samples:
        faults.append(f"the manifest promises {manifest.num_samples} samples, {num_samples} can be read")
    return Verification(len(manifest.shards), num_samples, faults)


def verify_shard(shard: Path, entry: ShardEntry, first_index: int) -> tuple[int, list[str]]:
    """Number of readable samples in a shard that should start with ``first_index``, and its faults."""
    if not shard.is_file():
        return 0, [f"{entry.name}: the file is missing"]
    faults = []
    if file_sha256(shard) != entry.sha256:
        faults.append(f"{entry.name}: SHA-256 differs from the manifest's")
    count, position = 0, first_index
    try:
        for key, members in iterate_members(shard):
            try:
                sample = decode_sample(members)
            except (ValueError, KeyError, TypeError) as error:
                faults.append(f"{entry.name} {key}: {error}")
            else:
                count += 1
                faults += [f"{entry.name} {key}: {fault}" for fault in sample_faults(sample)]
                if sample.index != position or sample.key != key:
                    faults.append(f"{entry.name} {key}: index {sample.index} where {position} belongs")
            position += 1
    except tarfile.TarError as error:
        faults.append(f"{entry.name}: cut short or no tar file ({error})")
    if position - first_index != entry.num_samples:
        faults.append(f"{entry.name}: {position - first_index} samples, the manifest promises {entry.num_samples}")
    return count, faults


def sample_faults(sample: HandSample) -> list[str]:
    """What is wrong with one sample."""
    height, width = sample.rgb.shape[:2]
    if sample.depth_m.shape != (height, width) or sample.segmentation.shape != (height, width):
        return [f"rgb {(height, width)}, depth {sample.depth_m.shape}, seg {sample.segmentation.shape} differ in size"]
    labels = ("K", "joints_px", "joints_cam", "pose_aa", "betas", "transl")
    shapes = ((3, 3), (21, 2), (21, 3), (16, 3), (10,), (3,))
    wrong = [n for n, s in zip(labels, shapes, strict=True) if getattr(sample, n).shape != s]
    wrong += [n for n in labels if n not in wrong and not np.isfinite(getattr(sample, n)).all()]
    if wrong:
        return [f"{name} has a wrong shape or values that are not finite" for name in wrong]
    return [*_projection_faults(sample, width, height), *_picture_faults(sample)]


def _projection_faults(sample: HandSample, width: int, height: int) -> list[str]:
    if sample.joints_cam[:, 2].min() <= 0:
        return ["a joint lies behind the camera"]
    error_px = np.abs(Camera(sample.K, width, height).project(sample.joints_cam) - sample.joints_px).max()
    faults = []
    if error_px > MAX_PROJECTION_ERROR_PX:
        faults.append(f"K projects the joints {error_px:.2f} px off joints_px")
    inside = ((sample.joints_px > -1) & (sample.joints_px < [width, height])).all(1)
    if (sample.visible & ~inside).any():
        faults.append("a joint outside the image is called visible")
    return faults


def _picture_faults(sample: HandSample) -> list[str]:
    faults = []
    surface = sample.segmentation > 0
    if sample.segmentation.max() >= len(PART_NAMES):
        faults.append(f"segmentation has the unknown id {sample.segmentation.max()}")
    if not surface.any():
        faults.append("segmentation shows nothing")
    elif (sample.depth_m[surface] > 0).mean() < MIN_DEPTH_COVER:
        faults.append("depth is missing on most of the segmented surface")
    if (sample.depth_m[~surface] > 0).any():
        faults.append("depth where the segmentation shows nothing")
    return faults


def _manifest_faults(manifest: Manifest) -> list[str]:
    faults = []
    if manifest.part_names != list(PART_NAMES):
        faults.append("part_names in the manifest are not this version's")
    expected = 0
    for entry in manifest.shards:
        if entry.first_index != expected:
            faults.append(f"{entry.name}: starts with index {entry.first_index}, expected {expected}")
        expected = entry.first_index + entry.num_samples
    return faults


def run(cfg: VerifyConfig) -> Verification:
    """Verify and print what was found.

    Raises:
        ValueError: when there are faults, with their number.
    """
    result = verify(cfg.data)
    console = Console(highlight=False)
    for fault in result.faults[: cfg.max_shown]:
        console.print(f"fault: {fault}", markup=False, soft_wrap=True)
    console.print(f"{result.num_shards} shards, {result.num_samples} samples, {len(result.faults)} faults")
    if result.faults:
        raise ValueError(f"data={cfg.data} has {len(result.faults)} faults, the first: {result.faults[0]}")
    return result


main = stage_main("verify", VerifyConfig, run)

if __name__ == "__main__":
    raise SystemExit(main())
