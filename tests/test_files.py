"""Files that are never half-written, and run folders that know their config."""

import os
import shutil
from collections import namedtuple
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest

from synth.common.config import option, required
from synth.common.files import (
    CONFIG_FILE,
    open_run_folder,
    require_file,
    require_folder,
    require_writable,
    written_atomically,
)


@dataclass
class PartConfig:
    """A part of a run's options."""

    noise_m: float = option(1e-5, "noise in metres")
    threads: int = option(1, "threads")


@dataclass
class OldConfig:
    """Options of a run before two more came."""

    out: str = required("folder")
    workers: int = option(1, "processes")
    overwrite: bool = option(False, "start anew")


@dataclass
class RunConfig:
    """Options of a run."""

    out: str = required("folder")
    seed: int = option(0, "seed")
    workers: int = option(1, "processes")
    overwrite: bool = option(False, "start anew")
    part: PartConfig = field(default_factory=PartConfig)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_appears_only_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    with written_atomically(path) as partial:
        partial.write_text("new")
        assert not path.exists() and partial.parent == tmp_path
    assert path.read_text() == "new"
    assert names(tmp_path) == ["a.txt"]


def test_an_error_leaves_the_old_file_and_no_scrap(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(RuntimeError), written_atomically(path) as partial:
        partial.write_text("half")
        raise RuntimeError
    assert path.read_text() == "old"
    assert names(tmp_path) == ["a.txt"]


def test_the_partial_file_keeps_its_suffix(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    with written_atomically(path) as partial:
        np.savez(partial, values=np.arange(3))
    assert np.load(path)["values"].tolist() == [0, 1, 2]
    assert names(tmp_path) == ["a.npz"]


def test_required_files_and_folders(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    assert require_file(file, "checkpoint") == file
    assert require_folder(tmp_path, "data") == tmp_path
    with pytest.raises(FileNotFoundError, match=r"checkpoint=.*is a folder, not a file"):
        require_file(tmp_path, "checkpoint")
    with pytest.raises(FileNotFoundError, match=r"data=.*is a file, not a folder"):
        require_folder(file, "data")
    with pytest.raises(FileNotFoundError, match=r"checkpoint=.*nowhere does not exist"):
        require_file(tmp_path / "nowhere", "checkpoint")
    with pytest.raises(FileNotFoundError, match=r"data=.*nowhere does not exist"):
        require_folder(tmp_path / "nowhere", "data")


def test_a_folder_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match=r"out=.*cannot be written.*choose a folder"):
        require_writable(tmp_path / "file" / "below")
    with pytest.raises(ValueError, match=r"cache=.*cannot be written"):
        require_writable(tmp_path / "file", "cache")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_of_others_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(ValueError, match="cannot be written"):
        require_writable(tmp_path)


def test_a_full_disk_is_refused_before_work_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10**12, 10**12 - 2 * 10**9, 2 * 10**9))
    assert require_writable(tmp_path / "new", need_bytes=10**9) == tmp_path / "new"
    with pytest.raises(ValueError, match=r"out=.*has 2\.0 GB left and needs 3\.0 GB"):
        require_writable(tmp_path / "new", need_bytes=3 * 10**9)
    assert names(tmp_path / "new") == []


def opened(config: RunConfig, **options: bool) -> Path:
    return open_run_folder(
        config.out, config, overwrite=options.get("overwrite", False), free_keys=("workers", "part.threads")
    )


@pytest.fixture
def run(tmp_path: Path) -> RunConfig:
    """A run whose folder holds a result."""
    config = RunConfig(out=str(tmp_path / "run"))
    (opened(config) / "result").write_text("done")
    return config


def test_the_same_config_resumes(run: RunConfig) -> None:
    assert (opened(run) / "result").read_text() == "done"
    assert (opened(replace(run, workers=8, part=PartConfig(threads=4))) / "result").exists()


def test_a_moved_run_resumes(run: RunConfig, tmp_path: Path) -> None:
    moved = shutil.move(run.out, tmp_path / "elsewhere")
    assert (opened(replace(run, out=str(moved))) / "result").exists()


@pytest.mark.parametrize(
    ("changed", "note"),
    [({"seed": 1}, r"seed was 0, now 1"), ({"part": PartConfig(noise_m=0.5)}, r"part\.noise_m was 1e-05, now 0\.5")],
)
def test_another_config_is_refused(run: RunConfig, changed: dict, note: str) -> None:
    with pytest.raises(ValueError, match=note) as error:
        opened(replace(run, **changed))
    assert "overwrite=true" in str(error.value) and "\n" not in str(error.value)
    assert (Path(run.out) / "result").exists()


def test_overwrite_starts_anew(run: RunConfig) -> None:
    out = opened(replace(run, seed=1), overwrite=True)
    assert names(out) == [CONFIG_FILE] and "seed: 1" in (out / CONFIG_FILE).read_text()


def test_files_that_are_no_run_are_kept(tmp_path: Path) -> None:
    config = RunConfig(out=str(tmp_path))
    (tmp_path / "photo.jpg").touch()
    for overwrite in (False, True):
        with pytest.raises(ValueError, match="holds files but no"):
            opened(config, overwrite=overwrite)
    (tmp_path / CONFIG_FILE).write_text("services: []\n")
    with pytest.raises(ValueError, match="is not deleted: it is no run"):
        opened(config, overwrite=True)
    assert names(tmp_path) == [CONFIG_FILE, "photo.jpg"]


def test_the_folder_one_works_in_is_not_deleted(run: RunConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    inside = Path(run.out) / "inside"
    inside.mkdir()
    for place in (inside, Path(run.out)):
        monkeypatch.chdir(place)
        with pytest.raises(ValueError, match="is not deleted"):
            opened(replace(run, seed=1), overwrite=True)
    assert (Path(run.out) / "result").exists()


def test_a_damaged_config_is_named(run: RunConfig) -> None:
    for damage in ("seed: [", "\x00", "- a\n"):
        (Path(run.out) / CONFIG_FILE).write_text(damage)
        with pytest.raises(ValueError, match=rf"{CONFIG_FILE} is damaged; delete the folder") as error:
            opened(run)
        assert "\n" not in str(error.value)


def test_scraps_of_a_killed_run_do_not_count_as_files(tmp_path: Path) -> None:
    (tmp_path / ".config.123.partial.yaml").write_text("half")
    assert (opened(RunConfig(out=str(tmp_path))) / CONFIG_FILE).exists()


def test_an_option_that_came_later_counts_as_left_at_its_default(tmp_path: Path) -> None:
    folder = open_run_folder(tmp_path / "run", OldConfig(out="x"), overwrite=False)
    assert open_run_folder(folder, RunConfig(out="x"), overwrite=False) == folder
    with pytest.raises(ValueError, match="seed was 0, now 3"):
        open_run_folder(folder, RunConfig(out="x", seed=3), overwrite=False)
    with pytest.raises(ValueError, match=r"part.noise_m was 1e-05, now 0.1"):
        open_run_folder(folder, RunConfig(out="x", part=PartConfig(noise_m=0.1)), overwrite=False)
    with pytest.raises(ValueError, match="another run"):
        open_run_folder(folder, OldConfig(out="x", workers=2), overwrite=False)
