"""The doctor: every part has a line, what is missing has its mending line, only core parts fail."""

import shutil
import tomllib
from pathlib import Path

import cv2
import pytest

from distill.targets.discovery import find_real_root, real_sets
from handbridge import doctor as doctor_module
from handbridge.doctor import DoctorConfig, examine, main


class ClosedWriter:
    """OpenCV's writer where it has no codec."""

    def __init__(self, *_: object) -> None:
        pass

    @staticmethod
    def fourcc(*_: str) -> int:
        return 0

    def isOpened(self) -> bool:
        return False

    def release(self) -> None:
        pass


def by_part(cfg: DoctorConfig) -> dict[str, doctor_module.Finding]:
    return {finding.part.partition(" (")[0]: finding for finding in examine(cfg)}


def test_this_machine_has_all_core_parts() -> None:
    found = by_part(DoctorConfig())
    assert {"Python", "packages", "open hand", "MANO", "disk", "real image sets", "backbone weights"} <= found.keys()
    assert all(f.is_there for f in found.values() if f.is_core)
    assert "1681 vertices, 24 skins" in found["open hand"].detail


def test_what_is_missing_says_how_to_mend_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setattr(doctor_module.ctypes.util, "find_library", lambda name: None)
    options = [f"hand={tmp_path}/MANO_RIGHT.npz", f"real_root={tmp_path}/none", f"out={tmp_path}/r", "need_gb=1e9"]
    assert main(options) == 0  # nothing of that is core
    shown = capsys.readouterr().out
    for mend in ("mano.is.tue.mpg.de", "real_root=FOLDER", "free some space", "apt-get install -y libegl1"):
        assert f"mend: {mend}" in shown or mend in shown
    assert shown.count("missing ") == shown.count("mend: ") >= 4


def test_what_predict_needs_is_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = by_part(DoctorConfig())
    assert found["released networks"].is_there and "3 files" in found["released networks"].detail
    assert found["annotated videos"].is_there
    monkeypatch.setattr(doctor_module, "DETECTOR_FILE", tmp_path / "gone.safetensors")
    monkeypatch.setattr(cv2, "VideoWriter", ClosedWriter)
    missing = by_part(DoctorConfig())
    networks, videos = missing["released networks"], missing["annotated videos"]
    assert not networks.is_there and "gone.safetensors missing" in networks.detail and "git checkout" in networks.mend
    assert not videos.is_there and "opencv-python-headless" in videos.mend


def test_extras_are_looked_for_and_named_as_in_the_project_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(doctor_module.EXTRAS, "demo page", ("demo", ("no_such_package_here",)))
    found = by_part(DoctorConfig())
    assert not found["demo page"].is_there and found["demo page"].mend.endswith("'.[demo]'")
    assert found["export-model"].is_there, "it is one of dev's packages"
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    assert {extra for extra, _ in doctor_module.EXTRAS.values()} <= set(project["optional-dependencies"])


def test_a_missing_core_package_is_status_1(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    monkeypatch.setattr(doctor_module, "CORE_PACKAGES", ("torch", "no_such_package_here"))
    assert main([]) == 1
    captured = capsys.readouterr()
    assert "no_such_package_here cannot be imported" in captured.out and "mend: make setup" in captured.out
    assert "core parts are missing: packages" in captured.err


def test_a_real_mano_file_is_recognised() -> None:
    file = Path(doctor_module.__file__).parents[1] / "synth" / "hand" / "open_hand" / "open_hand_right.npz"
    assert by_part(DoctorConfig(hand=str(file)))["MANO"].is_there


def test_real_root_is_given_found_or_none(toy_root: Path, tmp_path: Path) -> None:
    assert find_real_root(str(toy_root)) == toy_root and real_sets(toy_root) == ["toy"]
    assert find_real_root("none") is None and real_sets(None) == []
    with pytest.raises(FileNotFoundError, match=r"real_root=.*nowhere does not exist"):
        find_real_root(str(tmp_path / "nowhere"))


def test_real_root_beside_the_current_folder_is_found(
    toy_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    beside = tmp_path / "work" / "shared" / "real"
    shutil.copytree(toy_root, beside)
    (tmp_path / "work" / "checkout").mkdir()
    monkeypatch.chdir(tmp_path / "work" / "checkout")
    monkeypatch.setattr(
        "distill.targets.discovery.synth.__file__", str(tmp_path / "elsewhere" / "synth" / "__init__.py")
    )
    assert find_real_root("auto") == beside.resolve()
