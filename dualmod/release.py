"""``handbridge release``: pose networks and a detector made ready to be passed on, convolutions in 16 bits.

The networks that come with the package (``dualmod.checkpoints.released``) were made so.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from dualmod.checkpoints.checkpoint import load_network, read_notes, save_network
from dualmod.checkpoints.released import DETECTOR_FILE, POSE_FILE, START_FILE, detector_file, pose_file
from dualmod.detection.checkpoint import detector_notes, load_detector, save_detector
from dualmod.network.model import DualModalityNet
from synth.common.config import check, option, required, stage_main

LARGEST_MB = 20.0
LARGEST_SHIFT = 0.005
"""Of a joint, in sides of the crop."""


@dataclass
class ReleaseConfig:
    """Make pose networks and a detector ready to be passed on, with convolutions in 16 bits."""

    checkpoint: str = required(
        "model.safetensors of pretrain or adapt; several from one start, with commas: the mean of their weights"
    )
    detector: str = required("model.safetensors of pretrain-detector or adapt-detector")
    start: str = option("", "model.safetensors that checkpoint was adapted from, to be passed on too; empty: none")
    licence: str = option("", "a condition to add to the licence notes of every file")
    out: str = required("folder for the files; dualmod/checkpoints/released is where predict looks")
    overwrite: bool = option(False, "replace files of that name")


def release(config: ReleaseConfig) -> list[Path]:
    """Write the files and return their paths: pose, detector, and the start where it is given.

    Pose and detector, which are all that ``predict`` needs, are smaller than 20 MB together.

    Raises:
        FileNotFoundError: when a network is missing.
        ValueError: when a file is no network of its kind, rounding moves a joint by more than 0.5 % of the crop, the
            files are too large, or they are there.
    """
    poses = {POSE_FILE.name: mean_network([pose_file(part.strip()) for part in config.checkpoint.split(",")])}
    if config.start:
        poses[START_FILE.name] = mean_network([pose_file(config.start, "start")])
    detector_path = detector_file(config.detector)
    detector = load_detector(detector_path)
    out = Path(config.out).expanduser()
    files = [out / name for name in (POSE_FILE.name, DETECTOR_FILE.name, *list(poses)[1:])]
    for file in files:
        check(config.overwrite or not file.exists(), "out", out, f"without {file.name}, or overwrite=true")
    out.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=out, prefix=".release-") as folder:
        made = [Path(folder) / file.name for file in files]
        shift = 0.0
        for name, (net, notes) in poses.items():
            shift = max(shift, _save_halved(Path(folder) / name, net, with_licence(notes, config.licence)))
        save_detector(
            Path(folder) / DETECTOR_FILE.name, detector, with_licence(detector_notes(detector_path), config.licence)
        )
        size_mb = sum(file.stat().st_size for file in made[:2]) / 1e6
        legal = f"smaller; with the detector it makes {size_mb:.1f} of {LARGEST_MB:g} MB"
        check(size_mb <= LARGEST_MB, "checkpoint", config.checkpoint, legal)
        for file, place in zip(made, files, strict=True):
            file.replace(place)
    names = ", ".join(file.name for file in files)
    sys.stdout.write(f"{out}: {names}; rounding moved no joint by more than {shift:.5f} sides of its crop\n")
    return files


def with_licence(notes: dict[str, Any], licence: str) -> dict[str, Any]:
    """The notes of a network, and of what it started from, with a condition that they don't yet name."""
    known = notes.get("licence_notes", [])
    if not licence:
        return notes
    added = notes | {"licence_notes": known if licence in known else [*known, licence]}
    return added | {"start": with_licence(notes["start"], licence)} if "start" in notes else added


def mean_network(files: Sequence[Path]) -> tuple[DualModalityNet, dict[str, Any]]:
    """The mean of networks' weights, and their notes: what differs between them is left out, but for the seeds.

    Networks that were trained on from one start lie in one valley of the loss, and the mean of their weights is often
    better than each (Wortsman et al., ICML 2022, "Model soups").

    Raises:
        ValueError: when a file is no network, or they are of different kinds or starts.
    """
    nets, notes = [load_network(file) for file in files], [read_notes(file) for file in files]
    first = nets[0]
    if len(nets) == 1:
        return first, notes[0]
    for file, net, note in zip(files, nets, notes, strict=True):
        same = net.config == first.config and note.get("start") == notes[0].get("start")
        check(same, "checkpoint", file, f"of the same network and start as {files[0]}")
    weights = [net.state_dict() for net in nets]
    first.load_state_dict(
        {
            name: torch.stack([part[name].double() for part in weights]).mean(0).to(value.dtype)
            for name, value in weights[0].items()
        }
    )
    shared = {key: value for key, value in notes[0].items() if all(note.get(key) == value for note in notes)}
    return first, shared | {"mean_of_seeds": [note.get("seed") for note in notes]}


def _save_halved(made: Path, net: DualModalityNet, notes: dict[str, Any]) -> float:
    """Write a pose network with its notes; returns how far the rounding moves a joint, in sides of the crop."""
    save_network(made, net, notes, halved=True)
    shift = largest_shift(net, load_network(made))
    check(shift <= LARGEST_SHIFT, made.stem, f"{shift:.4f}", "fit for 16 bits: no joint moved by more than 0.005 crops")
    return shift


@torch.no_grad()
def largest_shift(net: DualModalityNet, other: DualModalityNet) -> float:
    """How far two networks place any joint apart on 64 random crops, in sides of the crop."""
    side = net.config.image_size
    rgb = torch.rand(64, 3, side, side, generator=torch.Generator().manual_seed(0))
    return (net(rgb).joints_uv - other(rgb).joints_uv).abs().max().item()


main = stage_main("release", ReleaseConfig, release)

if __name__ == "__main__":
    raise SystemExit(main())
