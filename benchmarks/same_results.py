"""Compare what two checkouts make of the same commands: bytes of a dataset, weights from one seed, predictions.

python -m benchmarks.same_results BEFORE AFTER OUT PHOTOS [--samples 500] [--pretrain-steps 20] [--adapt-steps 10]

A move of code has to leave all of it as it was. Both run in this environment, one thread, each in a process of its own;
what is there already is resumed. The exit status is 1 when something differs. Keys and names that a release renames are
compared by their new ones.
"""

import argparse
import hashlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

COMMANDS = ("handbridge/cli.py", "distill/cli.py")
"""Where the command line is, in a checkout of today and in an older one."""
VOLATILE = {
    "seconds",
    "timings",
    "seconds_per_photo",
    "photos_per_second",
    "date",
    "commit",
    "version",
    "sha256",
    "file",
}
"""What a run notes of itself, in its JSON files."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run both checkouts, print what differs, and return 1 if anything does."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("before", "after", "out", "photos"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--samples", type=int, default=500)
    parser.add_argument("--pretrain-steps", type=int, default=20)
    parser.add_argument("--adapt-steps", type=int, default=10)
    options = parser.parse_args(arguments)
    found = []
    for name in ("before", "after"):
        checkout, out = getattr(options, name).resolve(), options.out.resolve() / name
        for verb, words in stages(out, options):
            run(checkout, [verb, *words])
        found.append(results(out))
    before, after = found
    differing = sorted(key for key in before.keys() | after.keys() if before.get(key) != after.get(key))
    for key in differing:
        print(f"differs: {key}: {before.get(key, 'not there')} before, {after.get(key, 'not there')} after")
    kinds = {kind: sum(key.startswith(kind) for key in before) for kind in ("generate", "pretrain", "adapt", "predict")}
    print(
        f"{len(differing)} of {len(before)} results differ; " + ", ".join(f"{n} of {kind}" for kind, n in kinds.items())
    )
    return int(bool(differing) or not all(kinds.values()))


def stages(out: Path, options: argparse.Namespace) -> list[tuple[str, list[str]]]:
    """The commands in their order, each writing to a folder of its own name."""
    renders, photos = out / "generate", options.photos.resolve()
    once = ["seed=3", "threads=1", "device=cpu"]
    steps, samples = options.pretrain_steps, options.samples
    learned = [f"max_steps={steps}", "preset=laptop", "method=dual", "batch_size=4"]
    adapted = [f"max_steps={options.adapt_steps}", "source_batch_size=2", "target_batch_size=4"]
    start = ["checkpoint=released_start", f"source={renders}", f"target={photos}"]
    return [
        ("generate", [f"out={renders}", f"num_samples={samples}", "image_size=128", "seed=3", "workers=1"]),
        ("pretrain", [f"data={renders}", f"out={out}/pretrain", *learned, *once]),
        ("adapt", [*start, f"out={out}/adapt", *adapted, *once]),
        ("predict", [f"input={photos}", f"out={out}/predict", "device=cpu"]),
    ]


def run(checkout: Path, words: Sequence[str]) -> None:
    """Run a verb of a checkout.

    Raises:
        subprocess.CalledProcessError: when it fails; what it wrote is shown.
    """
    command = next(checkout / path for path in COMMANDS if (checkout / path).exists())
    module = ".".join(command.relative_to(checkout).with_suffix("").parts)
    environment = {**os.environ, "PYTHONPATH": str(checkout), "OMP_NUM_THREADS": "1", "TQDM_DISABLE": "1"}
    print(f"{checkout.name}: {' '.join(words)}", flush=True)
    subprocess.run([sys.executable, "-m", module, *words], check=True, env=environment, cwd=checkout)


def results(out: Path) -> dict[str, Any]:
    """What is compared, by name: checksums of a dataset's files and of tensors, and the values of JSON files."""
    found: dict[str, Any] = {}
    for path in sorted(path for path in out.rglob("*") if path.is_file()):
        key = str(path.relative_to(out))
        if path.suffix == ".safetensors":
            found |= {f"{key}:{name}": tensor_digest(value) for name, value in load_file(path).items()}
        elif key.startswith("predict/"):
            if path.suffix == ".jpg":
                found[key] = hashlib.sha256(path.read_bytes()).hexdigest()
            elif path.suffix == ".json":
                found |= {f"{key}:{name}": value for name, value in leaves(json.loads(path.read_text()), out)}
        elif key.startswith("generate/") and path.suffix in (".tar", ".npz", ".png", ".webp", ".jpg"):
            found[key] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def tensor_digest(tensor: torch.Tensor) -> str:
    """The checksum of a tensor's values."""
    return hashlib.sha256(tensor.contiguous().numpy().tobytes()).hexdigest()


def leaves(value: Any, out: Path, key: str = "") -> list[tuple[str, Any]]:
    """The numbers and texts of a JSON value by their place, without those that each run makes anew."""
    if isinstance(value, Mapping):
        pairs = [(str(name).replace("locator", "detector"), inner) for name, inner in value.items()]
        return [leaf for name, inner in pairs if name not in VOLATILE for leaf in leaves(inner, out, f"{key}/{name}")]
    if isinstance(value, list):
        return [leaf for place, inner in enumerate(value) for leaf in leaves(inner, out, f"{key}/{place}")]
    if isinstance(value, str):
        value = re.sub(r"\blocalizer\b", "detector", value.replace(str(out), ""))
    return [(key, value)]


if __name__ == "__main__":
    sys.exit(main())
