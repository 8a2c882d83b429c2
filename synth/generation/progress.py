"""What of an unfinished dataset is done: one small note beside each finished shard, until the manifest is written."""

import json
import shutil
from dataclasses import asdict
from pathlib import Path

from synth.common.files import written_atomically
from synth.dataset.manifest import GENERATOR_VERSION, ShardEntry
from synth.dataset.shards import file_sha256

PROGRESS_FOLDER = ".progress"


def note_finished(shard: Path, entry: ShardEntry) -> None:
    """Note that ``shard`` is complete."""
    file = _note_file(shard)
    file.parent.mkdir(exist_ok=True)
    with written_atomically(file) as partial:
        note = {"generator_version": GENERATOR_VERSION, "shard": asdict(entry)}
        partial.write_text(json.dumps(note), encoding="utf-8")


def finished_shards(out: Path) -> dict[str, ShardEntry]:
    """The shards in ``out`` that are finished (``finished_shard``), by name."""
    notes = sorted((out / PROGRESS_FOLDER).glob("*.json"))
    entries = [finished_shard(out / f"{note.stem}.tar") for note in notes]
    return {entry.name: entry for entry in entries if entry is not None}


def finished_shard(shard: Path) -> ShardEntry | None:
    """The entry of a shard whose note is of this generator version and whose bytes are what the note says."""
    file = _note_file(shard)
    if not file.is_file() or not shard.is_file():
        return None
    note = json.loads(file.read_text(encoding="utf-8"))
    entry = ShardEntry(**note["shard"])
    is_current = note["generator_version"] == GENERATOR_VERSION and shard.stat().st_size == entry.num_bytes
    return entry if is_current and file_sha256(shard) == entry.sha256 else None


def remove_leftovers(out: Path) -> None:
    """Delete the half-written files of a run that was killed."""
    for folder in (out, out / PROGRESS_FOLDER):
        for file in folder.glob(".*.partial*"):
            file.unlink(missing_ok=True)


def clear_progress(out: Path) -> None:
    """Delete the notes of a finished dataset."""
    shutil.rmtree(out / PROGRESS_FOLDER, ignore_errors=True)


def _note_file(shard: Path) -> Path:
    return shard.parent / PROGRESS_FOLDER / f"{shard.stem}.json"
