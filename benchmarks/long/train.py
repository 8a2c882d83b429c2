"""``make long-training``: start the long training, go on with it, or say how far it is. Returns at once.

python -m benchmarks.long.train          start or say
kill $(cat FOLDER/pid)              stop; the step that it is in is saved
"""

import argparse
import fcntl
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.long.curve import forget_after, keep_weights, notes_of, read_rows
from benchmarks.long.driver import Driver, Places, Stages, is_finished
from benchmarks.long.settings import Settings, read_settings
from synth.common.files import written_atomically
from synth.common.nested import flat

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
RATE_ROWS = 50


def main(arguments: Sequence[str] | None = None) -> int:
    """Start, or say how far it is; 1 and one line when the folder is another training's."""
    parser = argparse.ArgumentParser(prog="benchmarks.long.train", description=__doc__)
    parser.add_argument("--config", type=Path, default=HERE / "config.yaml")
    parser.add_argument("--root", type=Path, default=ROOT, help="the repository")
    parser.add_argument("--out", type=Path, default=Path("runs/long"), help="the run's folder below it")
    parser.add_argument("--kept", type=Path, default=HERE, help="folder of latest.safetensors and curve.jsonl")
    parser.add_argument("--niceness", type=int, default=19, help="priority of the background process")
    parser.add_argument("--drive", action="store_true", help="run here, and not in the background")
    given = parser.parse_args(arguments)
    places = Places(given.root.resolve(), given.out, given.kept.resolve())
    try:
        settings = read_settings(given.config)
        lock = _lock(places)
        if lock is None:
            print(status(settings, places))
            return 0
        try:
            commit = open_run(settings, places)
            if given.drive:
                (places.folder / "pid").write_text(f"{os.getpid()}\n")
                Driver(settings, places, commit, Stages(places, lock)).drive()
                print(f"{time.strftime('%F %T')} finished: {settings.views} views", flush=True)
        finally:
            os.close(lock)
        if not given.drive and is_finished(settings, places):
            print(f"finished: {settings.views} views; the weights are in {places.kept}")
        elif not given.drive:
            _detach(given.config.resolve(), places, given.niceness)
    except (ValueError, OSError) as error:
        print(f"long-training: {error}", file=sys.stderr)
        return 1
    return 0


def _lock(places: Places) -> int | None:
    """The folder's lock, held by the driver and its stages as long as they live; None where it is held."""
    places.folder.mkdir(parents=True, exist_ok=True)
    lock = os.open(places.folder / "lock", os.O_CREAT | os.O_RDWR)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return None
    return lock


def _detach(config: Path, places: Places, niceness: int) -> None:
    """Start the driver in a session of its own, with a low priority and its output in ``log``."""
    given = {"--config": config, "--root": places.root, "--out": places.out, "--kept": places.kept}
    words = [str(word) for pair in given.items() for word in pair]
    with (places.folder / "log").open("a") as log:
        process = subprocess.Popen(
            ["nice", "-n", str(niceness), sys.executable, "-m", "benchmarks.long.train", *words, "--drive"],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    print(
        f"started as process {process.pid}; {places.folder / 'log'} says what it does; stop it with kill {process.pid}"
    )


def open_run(settings: Settings, places: Places) -> str:
    """Make the run's folder and its checkout, or see that they are this training's; the commit.

    A new folder starts from ``latest.safetensors`` where there is one.

    Raises:
        ValueError: when the folder, the weights or the checkout belong to another commit or other settings.
    """
    note = places.folder / "run.json"
    wanted = _commit(places, settings.commit) if settings.commit else ""
    if note.exists():
        told = json.loads(note.read_text())
        commit, kept = str(told["commit"]), dict(told["settings"])
        _same(f"{places.out}", {"commit": commit, **kept}, {"commit": wanted or commit, **settings.kept()})
    else:
        commit = _begin(settings, places, wanted)
        with written_atomically(note) as partial:
            partial.write_text(json.dumps({"commit": commit, "settings": settings.kept()}, indent=1))
    _open_checkout(places, commit)
    return commit


def _begin(settings: Settings, places: Places, wanted: str) -> str:
    """Take the committed weights as the start of a new folder, where they are this training's; the commit."""
    if not places.latest.exists():
        return wanted or _commit(places, "HEAD")
    notes = notes_of(places.latest)
    had = {f"pretrain.{key}": value for key, value in flat(notes["config"])}
    asked = {key: value for key, value in settings.kept().items() if key in had}
    now = {"commit": wanted or notes["commit"], **asked}
    _same(places.latest.name, {"commit": notes["commit"], **{key: had[key] for key in asked}}, now)
    keep_weights(places.latest, places.start)
    forget_after(places.curve, notes["views"])
    return notes["commit"]


def _same(what: str, had: dict[str, object], now: dict[str, object]) -> None:
    for key in sorted({*had, *now}):
        if had.get(key) != now.get(key):
            raise ValueError(
                f"{what} is of another training ({key} was {had.get(key)}, now {now.get(key)}); "
                f"restore the old value, or move it away to start anew"
            )


def _commit(places: Places, name: str) -> str:
    found = _git(places.root, "rev-parse", "--verify", "--quiet", f"{name}^{{commit}}")
    if not found:
        raise ValueError(f"commit={name} is not in the repository {places.root}; fetch it, or name another")
    return found


def _open_checkout(places: Places, commit: str) -> None:
    """The worktree of the commit, unchanged; made when it is not there."""
    if places.checkout.exists() and not _git(places.checkout, "rev-parse", "HEAD"):
        shutil.rmtree(places.checkout)  # of a repository that was there before this one
    if not places.checkout.exists():
        _git(places.root, "worktree", "prune")
        _git(places.root, "worktree", "add", "--detach", str(places.checkout), commit)
    found = _git(places.checkout, "rev-parse", "HEAD")
    changed = _git(places.checkout, "status", "--porcelain", "--untracked-files=no")
    if found != commit or changed:
        why = f"at {found or 'no commit'}" if found != commit else "changed"
        raise ValueError(f"{places.checkout} should be commit {commit} as it is, and is {why}; delete it")


def _git(folder: Path, *words: str) -> str:
    return subprocess.run(["git", "-C", str(folder), *words], capture_output=True, text=True).stdout.strip()


def status(settings: Settings, places: Places) -> str:
    """One line: how far the training is, how fast, and its last validation."""
    runs = [f for f in places.folder.glob("*_*/metrics.jsonl") if f.stat().st_size]
    curve = read_rows(places.curve)
    validated = f"; last validation {json.dumps(curve[-1])}" if curve else ""
    pid = (places.folder / "pid").read_text().strip() if (places.folder / "pid").exists() else "?"
    if not runs:
        shards = len(list((places.folder / "renders").glob("shard-*.tar")))
        return f"runs as process {pid}: renders, {shards} shards so far, or starting{validated}"
    newest = max(runs, key=lambda f: f.stat().st_mtime)
    rows = read_rows(newest)[-RATE_ROWS:]
    views, rate = rows[-1]["step"] * settings.batch_size, _views_per_second(rows, settings.batch_size)
    return f"runs as process {pid}: {newest.parent.name}, {views} views of {settings.views}, {rate}{validated}"


def _views_per_second(rows: list[dict[str, float]], batch_size: int) -> str:
    """Over the last rows of one process, whose seconds count from its start."""
    last, first = rows[-1], rows[-1]
    for row in reversed(rows):
        if row["seconds"] > first["seconds"]:
            break
        first = row
    seconds = last["seconds"] - first["seconds"]
    return f"{(last['step'] - first['step']) * batch_size / seconds:.1f} views/s" if seconds > 0 else "no rate yet"


if __name__ == "__main__":
    raise SystemExit(main())
