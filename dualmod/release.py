"""``handbridge release``: a pose network and a localizer made ready to be passed on, convolutions in 16 bits.

The networks that come with the package (``dualmod.released``) were made so.
"""

import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from dualmod.checkpoint import load_network, read_notes, save_network
from dualmod.localizer.checkpoint import load_localizer, localizer_notes, save_localizer
from dualmod.network.model import DualModalityNet
from dualmod.released import LOCALIZER_FILE, POSE_FILE
from synth.config import check, option, required, stage_main
from synth.files import require_file

LARGEST_MB = 20.0
LARGEST_SHIFT = 0.005
"""Of a joint, in sides of the crop."""


@dataclass
class ReleaseConfig:
    """Make a pose network and a localizer ready to be passed on, with convolutions in 16 bits."""

    checkpoint: str = required("model.safetensors of pretrain or adapt")
    localizer: str = required("model.safetensors of pretrain-localizer or adapt-localizer")
    out: str = required("folder for the two files; dualmod/released is where predict looks")
    overwrite: bool = option(False, "replace files of that name")


def release(config: ReleaseConfig) -> tuple[Path, Path]:
    """Write both files, smaller than 20 MB together, and return their paths.

    Raises:
        FileNotFoundError: when a network is missing.
        ValueError: when a file is no network of its kind, rounding moves a joint by more than 0.5 % of the crop, the
            files are too large, or they are there.
    """
    checkpoint, localizer = require_file(config.checkpoint, "checkpoint"), require_file(config.localizer, "localizer")
    net, finder = load_network(checkpoint), load_localizer(localizer)
    out = Path(config.out).expanduser()
    files = out / POSE_FILE.name, out / LOCALIZER_FILE.name
    for file in files:
        check(config.overwrite or not file.exists(), "out", out, f"without {file.name}, or overwrite=true")
    out.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=out, prefix=".release-") as folder:
        made = Path(folder) / files[0].name, Path(folder) / files[1].name
        save_network(made[0], net, read_notes(checkpoint), halved=True)
        save_localizer(made[1], finder, localizer_notes(localizer))
        shift = largest_shift(net, load_network(made[0]))
        check(shift <= LARGEST_SHIFT, "checkpoint", checkpoint, f"fit for 16 bits; a joint moved by {shift:.4f} crops")
        size_mb = sum(file.stat().st_size for file in made) / 1e6
        check(size_mb <= LARGEST_MB, "checkpoint", checkpoint, f"smaller; both make {size_mb:.1f} of {LARGEST_MB:g} MB")
        for file, place in zip(made, files, strict=True):
            file.replace(place)
    sys.stdout.write(f"{out}: {size_mb:.1f} MB; rounding moved no joint by more than {shift:.5f} sides of its crop\n")
    return files


@torch.no_grad()
def largest_shift(net: DualModalityNet, other: DualModalityNet) -> float:
    """How far two networks place any joint apart on 64 random crops, in sides of the crop."""
    side = net.config.image_size
    rgb = torch.rand(64, 3, side, side, generator=torch.Generator().manual_seed(0))
    return (net(rgb).joints_uv - other(rgb).joints_uv).abs().max().item()


main = stage_main("release", ReleaseConfig, release)

if __name__ == "__main__":
    raise SystemExit(main())
