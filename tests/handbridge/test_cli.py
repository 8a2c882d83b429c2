"""The console command: verbs, help, version, and errors in one line."""

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

from handbridge import cli


def test_every_verb_is_a_module_with_a_main() -> None:
    for module, _ in cli.VERBS.values():
        assert callable(importlib.import_module(module).main)


def test_verbs_run_with_the_options_that_follow(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[list[str]] = []
    monkeypatch.setattr("handbridge.doctor.main", lambda options: seen.append(options) or 7)
    assert cli.main(["doctor", "out=x", "--help"]) == 7
    assert seen == [["out=x", "--help"]]


def test_unknown_verb_lists_the_legal_ones(capsys: pytest.CaptureFixture) -> None:
    assert cli.main(["pretrian", "data=x"]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "did you mean pretrain?" in error
    assert all(verb in error for verb in cli.VERBS)


@pytest.mark.parametrize("stage", ["pretrain", "adapt", "evaluate"])
def test_verbs_of_older_releases_still_work(stage: str, capsys: pytest.CaptureFixture) -> None:
    assert cli.main([f"{stage}-localizer", "--help"]) == 0
    assert capsys.readouterr().out.startswith(f"handbridge {stage}-detector ")


def test_help_and_version(capsys: pytest.CaptureFixture) -> None:
    assert cli.main(["--help"]) == 0 and cli.main([]) == 1
    shown = capsys.readouterr().out
    assert all(f"  {verb} " in shown for verb in cli.VERBS)
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("handbridge ")


@pytest.mark.parametrize("verb", cli.VERBS)
def test_every_verb_explains_its_options(verb: str, capsys: pytest.CaptureFixture) -> None:
    assert cli.main([verb, "--help"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith(f"handbridge {verb} KEY=VALUE") and "options:" in shown


def test_help_imports_nothing_heavy() -> None:
    code = "import sys; from handbridge.cli import main; main(['--help']); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode == 0


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    def fail(name: str) -> None:
        raise ModuleNotFoundError("No module named 'torch'", name="torch")

    monkeypatch.setattr(cli.importlib, "import_module", fail)
    assert cli.main(["pretrain"]) == 1
    assert "the package torch is missing; install the packages: make setup" in capsys.readouterr().err


def test_a_users_mistake_is_one_line_and_status_1(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    assert cli.main(["evaluate", f"checkpoint={tmp_path}/none", "dataset=x", f"root={tmp_path}", "out=x"]) == 1
    error = capsys.readouterr().err
    assert error.startswith("handbridge evaluate: checkpoint=") and error.count("\n") == 1
