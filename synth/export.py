"""``handbridge export``: a dataset in the layout of another one, for the loaders that people already have."""

import contextlib
import errno
from dataclasses import dataclass
from pathlib import Path

import simplejpeg
from tqdm import tqdm

from synth.common.config import check, option, required, stage_main
from synth.common.files import folder_written_atomically, require_new_folder, require_writable
from synth.dataset.card import licence_lines
from synth.dataset.exporter import Exporter, ExportSource
from synth.dataset.exporters import format_names, load_format
from synth.dataset.manifest import Manifest
from synth.dataset.resize import resized
from synth.dataset.sample import HandSample
from synth.dataset.shards import SampleStore

RESIZED_JPEG_QUALITY = 95
PROBE_SAMPLES = 4
"""After so many samples the space that the rest will take is known."""
DISK_SLACK = 1.2
NOTES_FILE = "README.md"


@dataclass
class ExportConfig:
    """Write a dataset in the layout of FreiHAND, RHD or COCO keypoints."""

    data: str = required("folder of the dataset")
    out: str = required("folder to write; it must not exist yet")
    format: str = required(f"layout: {', '.join(format_names())}")
    image_size: int = option(0, "side of the exported images, pixels; 0 keeps the dataset's")
    first: int = option(0, "index of the first sample")
    num_samples: int = option(0, "number of samples; 0 takes all from the first one on")
    hand: str = option("", "npz file of the hand, where the one that the dataset names has moved")

    def __post_init__(self) -> None:
        check(self.format in format_names(), "format", self.format, f"one of {', '.join(format_names())}")
        size = self.image_size
        check(size == 0 or 32 <= size <= 2048, "image_size", size, "0 or in [32, 2048]")
        check(self.first >= 0, "first", self.first, "0 or more")
        check(self.num_samples >= 0, "num_samples", self.num_samples, "0 or more")


def export(cfg: ExportConfig) -> Path:
    """Write the export and return its folder; it appears only when it is whole.

    The same dataset and options give the same bytes. Colour images that are JPEG in both layouts are copied, not
    compressed anew.

    Raises:
        FileNotFoundError: when the dataset or the hand is missing.
        ValueError: when the dataset is damaged, the layout cannot hold it, or ``out`` exists.
        OSError: when the disk is full; nothing is left then.
    """
    store = SampleStore(cfg.data)
    exporter_class = load_format(cfg.format)
    positions = _positions(cfg, len(store), exporter_class)
    out = require_new_folder(cfg.out, "out")
    require_writable(out.parent)
    source = ExportSource(store.manifest, cfg.hand or str(store.manifest.config.get("hand", store.manifest.hand_model)))
    done = 0
    try:
        with folder_written_atomically(out) as partial:
            (partial / NOTES_FILE).write_text(_notes(cfg, store.manifest, positions), encoding="utf-8")
            with contextlib.closing(exporter_class(partial, source)) as exporter:
                for done, position in enumerate(tqdm(positions, unit="image")):
                    exporter.add(done, *_image(store, position, cfg.image_size))
                    if done + 1 == PROBE_SAMPLES:
                        left = len(positions) / PROBE_SAMPLES - 1
                        require_writable(out.parent, need_bytes=int(DISK_SLACK * left * _num_bytes(partial)))
                exporter.finish()
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        raise OSError(
            f"out={out}: the disk is full after {done} of {len(positions)} samples; nothing of them is left, "
            f"free some space or choose another disk"
        ) from error
    return out


def _positions(cfg: ExportConfig, count: int, exporter_class: type[Exporter]) -> range:
    """The samples to export.

    Raises:
        ValueError: when the dataset has no such samples, or the layout has no room for them.
    """
    check(cfg.first < count, "first", cfg.first, f"below the dataset's {count} samples")
    last = cfg.first + cfg.num_samples if cfg.num_samples else count
    check(last <= count, "num_samples", cfg.num_samples, f"at most {count - cfg.first}, the samples from first on")
    most = exporter_class.most
    if most is not None and last - cfg.first > most:
        raise ValueError(
            f"format={cfg.format} holds at most {most} samples, not {last - cfg.first}: its loaders take later images "
            f"for versions of the first; add num_samples={most}, and export the rest with first={cfg.first + most}"
        )
    return range(cfg.first, last)


def _image(store: SampleStore, position: int, image_size: int) -> tuple[HandSample, bytes]:
    """A sample at the wanted size, and its colour image as JPEG."""
    sample = store[position]
    if image_size in (0, len(sample.rgb)):
        return sample, store.members(position)[1]["rgb.jpg"]
    sample = resized(sample, image_size)
    return sample, simplejpeg.encode_jpeg(sample.rgb, quality=RESIZED_JPEG_QUALITY, colorspace="RGB")


def _num_bytes(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def _notes(cfg: ExportConfig, manifest: Manifest, positions: range) -> str:
    """What goes with the images wherever they go: where they come from, and on which terms."""
    real_px = load_format(cfg.format).image_px
    size = f"{cfg.image_size} px" if cfg.image_size else "as rendered"
    seed = manifest.config.get("seed", "unknown")
    lines = [
        f"# Rendered hands in the layout of {cfg.format}",
        "",
        "These images were rendered by handbridge. They hold nothing of the dataset whose layout this is.",
        "",
        f"- samples {positions.start} to {positions.stop - 1} of a dataset of {manifest.num_samples}"
        f" (seed {seed}, generator version {manifest.generator_version})",
        f"- images: {size}" + (f"; those of {cfg.format} have {real_px} px" if real_px else ""),
        *licence_lines(manifest),
    ]
    return "\n".join(lines) + "\n"


main = stage_main("export", ExportConfig, export)

if __name__ == "__main__":
    raise SystemExit(main())
