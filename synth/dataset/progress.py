"""What of an unfinished dataset is done: one small note beside each finished shard, until the manifest is written."""

import json
import shutil
from dataclasses import asdict
from pathlib import Path

from synth.dataset.manifest import GENERATOR_VERSION, ShardEntry
from synth.dataset.shards import file_sha256
from synth.files import written_atomically

PROGRESS_FOLDER = ".progress"


def note_finished(shard: Path, entry: ShardEntry) -> None:
    """Note that ``shard`` is complete."""
    folder = shard.parent / PROGRESS_FOLDER
    folder.mkdir(exist_ok=True)
    with written_atomically(folder / f"{shard.stem}.json") as partial:
        note = {"generator_version": GENERATOR_VERSION, "shard": asdict(entry)}
        partial.write_text(json.dumps(note), encoding="utf-8")


def finished_shards(out: Path) -> dict[str, ShardEntry]:
    """The shards in ``out`` whose note is of this generator version and whose bytes are what the note says."""
    finished = {}
    for file in sorted((out / PROGRESS_FOLDER).glob("*.json")):
        note = json.loads(file.read_text(encoding="utf-8"))
        entry = ShardEntry(**note["shard"])
        shard = out / entry.name
        if note["generator_version"] != GENERATOR_VERSION or not shard.is_file():
            continue
        if shard.stat().st_size == entry.num_bytes and file_sha256(shard) == entry.sha256:
            finished[entry.name] = entry
    return finished


def remove_leftovers(out: Path) -> None:
    """Delete the half-written files of a run that was killed."""
    for folder in (out, out / PROGRESS_FOLDER):
        for file in folder.glob(".*.partial*"):
            file.unlink()


def clear_progress(out: Path) -> None:
    """Delete the notes of a finished dataset."""
    shutil.rmtree(out / PROGRESS_FOLDER, ignore_errors=True)
