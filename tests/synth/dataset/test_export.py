"""The export as a stage: which samples, at which size, whole or not at all, and formats that are one file each."""

import errno
import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from synth.dataset import SampleStore, exporters
from synth.export import ExportConfig, export, main

TOY = """
from synth.dataset.exporter import Exporter

class Format(Exporter):
    most = 20
    def add(self, number, sample, jpeg):
        (self.out / f"{number}.txt").write_text(f"{sample.index} {len(sample.rgb)} {len(jpeg)}")
    def finish(self):
        (self.out / "end.txt").touch()
"""


@pytest.fixture
def toy(tmp_path, monkeypatch):
    """A further format, made of one new file."""
    (tmp_path / "formats").mkdir()
    (tmp_path / "formats" / "toy.py").write_text(TOY)
    monkeypatch.setattr(exporters, "__path__", [*exporters.__path__, str(tmp_path / "formats")])


def digest(folder: Path) -> dict[str, str]:
    files = sorted(f for f in folder.rglob("*") if f.is_file())
    return {f.relative_to(folder).as_posix(): hashlib.sha256(f.read_bytes()).hexdigest() for f in files}


@pytest.mark.parametrize("name", ["freihand", "rhd", "coco"])
def test_the_same_dataset_gives_the_same_bytes_and_no_scrap(name, tiny_data, tmp_path):
    options = [f"data={tiny_data}", f"format={name}", "num_samples=5", "first=3"]
    assert main([*options, f"out={tmp_path / 'a'}"]) == main([*options, f"out={tmp_path / 'b'}"]) == 0
    assert digest(tmp_path / "a") == digest(tmp_path / "b") and len(digest(tmp_path / "a")) >= 7
    assert sorted(f.name for f in tmp_path.iterdir()) == ["a", "b"]
    notes = (tmp_path / "a" / "README.md").read_text()
    assert "samples 3 to 7" in notes and "MakeHuman" in notes and "skinning=lbs" in notes


def test_a_new_format_is_one_new_file(toy, tiny_data, tmp_path):
    out = export(ExportConfig(data=str(tiny_data), out=str(tmp_path / "o"), format="toy", first=4, num_samples=2))
    assert [(out / f"{k}.txt").read_text().split()[:2] for k in (0, 1)] == [["4", "64"], ["5", "64"]]
    assert (out / "end.txt").exists() and not (out / "2.txt").exists()


def test_a_layout_with_no_room_says_how_to_split(toy, tiny_data, tmp_path):
    with pytest.raises(ValueError, match=r"at most 20 samples, not 24.*num_samples=20.*first=20"):
        export(ExportConfig(data=str(tiny_data), out=str(tmp_path / "o"), format="toy"))
    assert not (tmp_path / "o").exists()


def test_another_size_moves_the_joints_with_the_pixels(tiny_data, tmp_path):
    out = tmp_path / "o"
    export(ExportConfig(data=str(tiny_data), out=str(out), format="coco", image_size=96, num_samples=4))
    content = json.loads((out / "annotations" / "hand_keypoints.json").read_text())
    for image, found in zip(content["images"], content["annotations"], strict=True):
        sample = SampleStore(tiny_data)[found["image_id"]]
        assert (image["width"], image["height"]) == (96, 96)
        keypoints = np.array(found["keypoints"]).reshape(21, 3)
        labelled = keypoints[:, 2] > 0
        # in units of the image's side a place stays the same
        moved = (keypoints[labelled, :2] + 0.5) / 96
        assert np.abs(moved - (sample.joints_px[labelled] + 0.5) / 64).max() < 1e-5


def test_a_full_disk_ends_in_one_line_and_leaves_nothing(toy, tiny_data, tmp_path, capsys, monkeypatch):
    write = Path.write_text

    def full(self, *args, **kwargs):
        if self.name == "3.txt":
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(self, *args, **kwargs)

    monkeypatch.setattr(Path, "write_text", full)
    assert main([f"data={tiny_data}", f"out={tmp_path / 'x' / 'o'}", "format=toy", "num_samples=10"]) == 1
    error = capsys.readouterr().err.splitlines()[-1]
    assert "the disk is full after 3 of 10 samples" in error
    assert list((tmp_path / "x").iterdir()) == []


def test_a_disk_that_will_be_full_is_seen_after_a_few_samples(tiny_data, tmp_path, monkeypatch):
    sizes = iter([10**12, 1000])
    usage = type("Usage", (), {"free": property(lambda _: next(sizes))})
    monkeypatch.setattr("synth.common.files.shutil.disk_usage", lambda _: usage())
    with pytest.raises(ValueError, match="GB left and needs"):
        export(ExportConfig(data=str(tiny_data), out=str(tmp_path / "x" / "o"), format="rhd"))
    assert list((tmp_path / "x").iterdir()) == []


def test_what_a_killed_export_left_is_cleared_away(toy, tiny_data, tmp_path):
    (tmp_path / ".o.partial" / "old").mkdir(parents=True)
    out = export(ExportConfig(data=str(tiny_data), out=str(tmp_path / "o"), format="toy", num_samples=1))
    assert not (out / "old").exists() and not (tmp_path / ".o.partial").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["format=mpii"], "format=mpii is not legal: it must be one of coco, freihand, rhd"),
        ([], "format is missing"),
        (["format=coco", "data=/none"], "data=/none does not exist"),
        (["format=coco", "first=24"], "first=24 is not legal: it must be below the dataset's 24 samples"),
        (["format=coco", "first=20", "num_samples=5"], "num_samples=5 is not legal: it must be at most 4"),
        (["format=coco", "image_size=7"], "image_size=7 is not legal"),
        (["format=freihand", "hand=/none.npz"], "hand=/none.npz does not exist"),
    ],
)
def test_bad_input_is_one_line_and_nothing_is_written(tiny_data, tmp_path, capsys, options, message):
    assert main([f"data={tiny_data}", f"out={tmp_path / 'o'}", *options]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and message in error
    assert not (tmp_path / "o").exists() and not list(tmp_path.glob(".*"))


def test_a_folder_that_holds_something_is_refused(tiny_data, tmp_path, capsys):
    (tmp_path / "o").mkdir()
    (tmp_path / "o" / "precious.txt").write_text("mine")
    assert main([f"data={tiny_data}", f"out={tmp_path / 'o'}", "format=coco"]) == 1
    assert "already exists; choose a new folder" in capsys.readouterr().err
    assert (tmp_path / "o" / "precious.txt").read_text() == "mine"
