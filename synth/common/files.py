"""Files and folders that are never half-written: temporary names, and run folders that know their config."""

import contextlib
import os
import secrets
import shutil
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from synth.common.nested import flat

CONFIG_FILE = "config.yaml"


@contextlib.contextmanager
def written_atomically(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; rename it to ``path`` when the block ends without an error."""
    path = Path(path)
    # The suffix stays: numpy and OpenCV choose the format by it. Process ids of two machines may be the same.
    partial = path.with_name(f".{path.stem}.{secrets.token_hex(4)}.partial{path.suffix}")
    try:
        yield partial
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


@contextlib.contextmanager
def folder_written_atomically(folder: str | Path) -> Iterator[Path]:
    """Yield a temporary folder beside ``folder``; it takes its name when the block ends without an error.

    After an error nothing is left; what a killed process left is deleted by the next one.

    Raises:
        ValueError: when ``folder`` already holds something.
    """
    folder = require_new_folder(folder, "out")
    partial = folder.with_name(f".{folder.name}.partial")
    if partial.exists():
        shutil.rmtree(partial)
    partial.mkdir(parents=True)
    try:
        yield partial
        partial.replace(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def require_new_folder(path: str | Path, key: str) -> Path:
    """``path`` as a folder that does not exist yet or is empty.

    Raises:
        ValueError: naming the option ``key``, when it is a file or holds something.
    """
    path = Path(path).expanduser()
    if path.is_file() or (path.is_dir() and any(path.iterdir())):
        raise ValueError(f"{key}={path} already exists; choose a new folder, or delete it first")
    return path


def require_folder(path: str | Path, key: str) -> Path:
    """``path`` as a folder that exists.

    Raises:
        FileNotFoundError: naming the option ``key``, when it is missing or a file.
    """
    path = Path(path).expanduser()
    if not path.is_dir():
        what = "is a file, not a folder" if path.exists() else "does not exist"
        raise FileNotFoundError(f"{key}={path} {what}; give a folder")
    return path


def require_file(path: str | Path, key: str) -> Path:
    """``path`` as a file that exists.

    Raises:
        FileNotFoundError: naming the option ``key``, when it is missing or a folder.
    """
    path = Path(path).expanduser()
    if not path.is_file():
        what = "is a folder, not a file" if path.exists() else "does not exist"
        raise FileNotFoundError(f"{key}={path} {what}; give a file")
    return path


def read_npz(path: Path, key: str, names: Sequence[str], advice: str) -> dict[str, np.ndarray]:
    """Those arrays of an npz that are named, without unpickling anything.

    Args:
        path: The file.
        key: The option that it was given as.
        names: Arrays to read; the first has to be there.
        advice: What the user can do about a file that cannot be used.

    Raises:
        ValueError: when the file is no npz of plain arrays, is damaged, or lacks the first array.
    """
    try:
        archive = np.load(path, allow_pickle=False)
        if not isinstance(archive, np.lib.npyio.NpzFile):
            raise ValueError("it holds one array, not named ones")
        with archive:
            held = list(archive.files)
            found = {name: archive[name] for name in names if name in held}
    except (ValueError, OSError, EOFError, MemoryError, zipfile.BadZipFile, zlib.error) as error:
        raise ValueError(f"{key}={path} cannot be read as an npz of plain arrays ({error}); {advice}") from error
    if names[0] not in found:
        raise ValueError(f"{key}={path} has no array {names[0]} but {', '.join(held) or 'nothing'}; {advice}")
    return found


def require_writable(folder: str | Path, key: str = "out", need_bytes: int = 0) -> Path:
    """Create ``folder`` and check that it can be written and that the disk has ``need_bytes`` left.

    Raises:
        ValueError: when it cannot be created or written, or the disk is too full.
    """
    folder = Path(folder).expanduser()
    probe = folder / f".probe.{os.getpid()}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise ValueError(
            f"{key}={folder} cannot be written ({error.strerror}); choose a folder that you own"
        ) from error
    free = shutil.disk_usage(folder).free
    if free < need_bytes:
        raise ValueError(
            f"{key}={folder} has {free / 1e9:.1f} GB left and needs {need_bytes / 1e9:.1f} GB; "
            f"free some space or choose another disk"
        )
    return folder


def open_run_folder(
    out: str | Path,
    config: Any,
    *,
    overwrite: bool,
    free_keys: tuple[str, ...] = (),
    brought: tuple[str, ...] = (),
) -> Path:
    """Make ``out`` the folder of a run with ``config``, or refuse when it holds another run's.

    An empty or new folder gets ``config.yaml``. A folder whose ``config.yaml`` is the same is resumed: the caller
    finds in it what the earlier run left. An option that was not there yet when that run was made counts as left at
    its default.

    Args:
        out: The run's folder.
        config: The stage's config, a dataclass.
        overwrite: Delete what another run left and start anew.
        free_keys: Keys that may differ because they don't change the result (``workers``, ``sensor.threads``).
        brought: Names of files that may be there before the run: what it is to go on from.

    Raises:
        ValueError: when the folder holds another run's config, a damaged one, or files but no config; with
            ``overwrite``, when it is not the folder of a run.
    """
    out = Path(out).expanduser()
    free = {*free_keys, "out", "overwrite"}
    wanted = OmegaConf.to_container(OmegaConf.structured(config))
    assert isinstance(wanted, dict)
    found_file = out / CONFIG_FILE
    if overwrite and found_file.exists():
        _delete_run(out)
    require_writable(out)
    if found_file.exists():
        now = dict(flat(wanted))
        later = {key: value for key, value in _defaults(config).items() if key in now}
        differences = _differences(later | _read_config(found_file), now, free)
        if differences:
            raise ValueError(
                f"out={out} holds another run ({', '.join(differences[:3])}); "
                f"repeat its options to resume, choose another out, or add overwrite=true"
            )
        return out
    if any(p for p in out.iterdir() if not p.name.startswith(".") and p.name not in brought):
        raise ValueError(f"out={out} holds files but no {CONFIG_FILE}; choose an empty or new folder")
    with written_atomically(found_file) as partial:
        OmegaConf.save(OmegaConf.create(wanted), partial)
    return out


def _delete_run(out: Path) -> None:
    """Delete a run's folder; never one that only happens to hold a file of the same name."""
    if "overwrite" not in _read_config(out / CONFIG_FILE) or out.resolve() in (Path.cwd(), *Path.cwd().parents):
        raise ValueError(f"out={out} is not deleted: it is no run's folder, or you are in it; choose a new folder")
    shutil.rmtree(out)


def _read_config(path: Path) -> dict[str, Any]:
    """The options of a run by full key.

    Raises:
        ValueError: when the file is damaged.
    """
    try:
        values = OmegaConf.to_container(OmegaConf.load(path))
    except (yaml.YAMLError, OmegaConfBaseException, OSError, UnicodeDecodeError):
        values = None
    if not isinstance(values, dict):
        raise ValueError(f"out={path.parent}: {CONFIG_FILE} is damaged; delete the folder or choose another out")
    return dict(flat(values))


def _defaults(config: Any, prefix: str = "") -> dict[str, Any]:
    """Default values of a config's options by full key, of those that have one."""
    found: dict[str, Any] = {}
    for item in fields(config):
        value, key = getattr(config, item.name), f"{prefix}{item.name}"
        if is_dataclass(value):
            found |= _defaults(value, f"{key}.")
        elif item.default is not MISSING:
            found[key] = item.default
        elif item.default_factory is not MISSING:
            found[key] = item.default_factory()
    return found


def _differences(found: dict[str, Any], wanted: dict[str, Any], free: set[str]) -> list[str]:
    """One note for each option that differs and counts."""
    return [
        f"{key} was {found.get(key)!r}, now {wanted.get(key)!r}"
        for key in sorted({*found, *wanted})
        if not any(key == name or key.startswith(name + ".") for name in free) and found.get(key) != wanted.get(key)
    ]
