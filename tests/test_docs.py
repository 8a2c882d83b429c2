"""The documents are true: their commands compose, their Python runs, their links lead somewhere."""

import re
import shlex
from pathlib import Path
from typing import Any

import cv2
import pytest

from distill.experiments.ablation_steps import STAGES
from distill.experiments.pipeline_steps import FORWARDED
from distill.experiments.step_runner import split_forwarded
from handbridge.cli import VERBS
from handbridge.stages import schema_of
from synth.common.config import compose_config
from synth.dataset import SampleStore
from synth.generate import GenerateConfig, generate

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
STAGES_PAGE = ROOT / "docs" / "stages.md"
DOCUMENTS = [README, ROOT / "CONTRIBUTING.md", ROOT / "LICENSES.md", *sorted((ROOT / "docs").glob("*.md"))]
TRAINED = ["checkpoint=x", "source=x", "out=x"]
REQUIRED: dict[str, list[str]] = {
    "generate": ["out=x"],
    "pretrain": ["data=x", "out=x"],
    "adapt": [*TRAINED, "target=x"],
    "upper-bound": [*TRAINED, "dataset=x", "root=x"],
    "evaluate": [],
}


def blocks(document: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", document.read_text(), re.S | re.M)


def command_lines() -> list[str]:
    """Every handbridge command that a document shows in a sh block, and in the Makefile."""
    lines = [line for document in DOCUMENTS for block in blocks(document, "sh") for line in block.splitlines()]
    lines += [line.strip().replace("$(BIN)/", "") for line in (ROOT / "Makefile").read_text().splitlines()]
    return [line.replace("$(DEMO)", "runs/demo") for line in lines if line.startswith(("handbridge ", "make "))]


def handbridge_words(lines: list[str]) -> list[list[str]]:
    """Verb and options of the lines that are commands of handbridge."""
    return [shlex.split(line, comments=True)[1:] for line in lines if line.startswith("handbridge ")]


def handbridge_commands() -> list[list[str]]:
    return handbridge_words(command_lines())


@pytest.mark.parametrize("words", handbridge_commands(), ids=" ".join)
def test_a_command_of_the_documents_composes(words: list[str]) -> None:
    verb, *given = words
    overrides, forwarded = split_forwarded(given, {"pipeline": FORWARDED, "ablate": STAGES}.get(verb, ()))
    for stage, options in forwarded.items():
        assert not options or compose_config(stage, schema_of(stage), [*REQUIRED[stage], *options])
    config = compose_config(verb, schema_of(verb), overrides)
    for override in overrides:
        key, value = override.split("=", 1)
        found = getattr(config, key, None)
        if isinstance(found, str | int):
            assert (str(found).lower() if isinstance(found, bool) else str(found)) == value


@pytest.mark.parametrize("verb", VERBS)
def test_every_stage_is_shown_in_the_documents(verb: str) -> None:
    assert verb in {words[0] for words in handbridge_commands()}


@pytest.mark.parametrize("verb", VERBS)
def test_every_preset_of_a_stage_composes(verb: str) -> None:
    presets = sorted(path.stem for path in (ROOT / "configs" / verb).glob("preset/*.yaml"))
    assert not presets or presets == ["demo", "laptop", "paper"]
    shown = next(words[1:] for words in handbridge_commands() if words[0] == verb)
    for preset in presets:
        compose_config(verb, schema_of(verb), [*shown, f"preset={preset}"])


def test_make_targets_of_the_documents_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M))
    shown = {shlex.split(line, comments=True)[1] for line in command_lines() if line.startswith("make ")}
    assert {"demo", "test", "setup", "long-training"} == shown <= targets


def test_the_python_of_the_readme_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    generate(GenerateConfig(out="renders", num_samples=1, image_size=224, workers=1))
    cv2.imwrite("photo.jpg", SampleStore("renders")[0].rgb[..., ::-1])
    names: dict[str, Any] = {"__name__": "readme"}
    found = blocks(README, "python")
    assert len(found) == 2
    for block in found:
        exec(compile(block, str(README), "exec"), names)
    assert names["hand"].joints_px.shape == (21, 2) and names["sample"].rgb.shape == (96, 96, 3)


def test_the_python_of_the_stages_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {"__name__": "stages"}
    found = blocks(STAGES_PAGE, "python")
    assert len(found) == 3
    for block in found:
        exec(compile(block, str(STAGES_PAGE), "exec"), names)
    hands = names["hands"]
    assert hands.joints_px.shape == (1, 21, 2) and hands.joints_depth.shape == (1, 21)
    assert (tmp_path / "runs" / "api" / "dual" / "model.safetensors").exists()


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_between_documents_lead_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\(([^)]+)\)", document.read_text()):
        path, _, anchor = target.partition("#")
        found = (document.parent / path).resolve() if path else document
        assert found.is_file(), target
        if anchor:
            headings = re.findall(r"^#+ (.+)$", found.read_text(), re.M)
            assert anchor in {re.sub("[`?,.]", "", heading).lower().replace(" ", "-") for heading in headings}, target


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_paths_named_in_documents_exist(document: Path) -> None:
    named = re.findall(r"`((?:synth|dualmod|distill|configs|tests|docs|benchmarks)/[\w./-]*)`", document.read_text())
    missing = [path for path in named if path == path.replace("NAME", "") and "STAGE" not in path]
    assert [path for path in missing if not (ROOT / path).exists()] == []


def test_the_results_of_the_readme_are_those_of_their_page() -> None:
    """Its small table repeats PCK@0.1 of the table beside MediaPipe, by set."""
    page = (ROOT / "docs" / "results.md").read_text()
    told = re.findall(r"^\| `(\w+)` \| \d+ \| ([\d.]+) \([^|]*\| ([\d.]+) \(", page, re.M)
    found = {name: (ours, theirs) for name, ours, theirs in told}
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in README.read_text().splitlines() if "|" in line]
    sets = next(row[1:] for row in rows if row[1:2] == ["hagrid"])
    shown = [row[1:] for row in rows if row and row[0].startswith(("released", "MediaPipe"))]
    assert len(shown) == 2 and set(sets) == set(found)
    assert [list(values) for values in zip(*(found[name] for name in sets), strict=True)] == shown


def test_the_readme_stays_short() -> None:
    assert len(README.read_text().splitlines()) <= 150


def test_every_requirement_names_tests_that_are_there() -> None:
    rows = re.findall(r"^\| (R\d+) \|(.*)\|(.*)\|(.*)\|$", (ROOT / "docs" / "requirements.md").read_text(), re.M)
    assert [number for number, *_ in rows] == [f"R{k}" for k in range(1, 41)]
    for number, _, state, tests in rows:
        assert state.strip() == "yes" or state.strip().startswith(("yes: ", "in part: ", "not yet: ")), number
        named = re.findall(r"`([\w/]+\.py)::(\w+)`", tests)
        assert named, number
        for file, function in named:
            assert f"def {function}(" in (ROOT / "tests" / file).read_text(), f"{number}: {file}::{function}"


def test_the_container_recipe_is_the_set_up_of_the_makefile() -> None:
    (recipe,) = blocks(ROOT / "docs" / "headless.md", "dockerfile")
    asked = re.search(r"apt-get install --yes --no-install-recommends ([\w -]+?) *\\", recipe)
    assert asked and set(asked[1].split()) == {"python3", "python3-venv", "make"}
    first_line = (ROOT / "Makefile").read_text().splitlines()[0]
    assert first_line.startswith("# Needs Debian 12's python3, python3-venv and make") and "FROM debian:12" in recipe
    assert "RUN make setup" in recipe and "/.venv/bin/handbridge" in recipe
