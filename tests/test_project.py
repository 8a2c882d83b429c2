"""The project's own files agree with each other and with the code."""

import ast
import importlib
import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions, requires, version
from pathlib import Path

import numpy as np
import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from handbridge.cli import VERBS

ROOT = Path(__file__).parent.parent
PACKAGES = ("synth", "dualmod", "distill", "handbridge")
TEXT = {".py", ".md", ".toml", ".txt", ".yaml", ".yml", ".html", ".css", ".j2", ".sh", ""}
SELF = Path(__file__).name
MANO_VERTICES = 778

SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text())
PROJECT = SETTINGS["project"]
MAKEFILE = (ROOT / "Makefile").read_text()
GITHUB = ROOT / ".github"
FORMS = [path for path in sorted((GITHUB / "ISSUE_TEMPLATE").glob("*.yml")) if path.stem != "config"]


def constraints() -> dict[str, str]:
    """Canonical name -> exact version."""
    lines = [line.strip() for line in (ROOT / "constraints.txt").read_text().splitlines()]
    pins = [line.split("==") for line in lines if line and not line.startswith("#")]
    assert all(len(pin) == 2 for pin in pins), "every line is name==version"
    return {canonicalize_name(name): exact for name, exact in pins}


def requirements(*extras: str) -> list[Requirement]:
    optional = PROJECT["optional-dependencies"]
    return [Requirement(line) for line in [*PROJECT["dependencies"], *(r for e in extras for r in optional[e])]]


def project_files() -> list[Path]:
    """Files that are tracked or would be."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=ROOT, capture_output=True, text=True
    )
    if listed.returncode:
        pytest.skip("not a git checkout")
    return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


def imported_modules(*folders: str) -> set[str]:
    """Top-level modules that any file of the folders imports, wherever in the file."""
    found: set[str] = set()
    for path in (p for folder in folders for p in (ROOT / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                found |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found.add(node.module.split(".")[0])
    return found - set(PACKAGES) - {"tests", "benchmarks"} - set(sys.stdlib_module_names)


def test_every_dependency_is_pinned_to_a_version_it_allows() -> None:
    pins = constraints()
    for requirement in requirements(*PROJECT["optional-dependencies"]):
        name = canonicalize_name(requirement.name)
        assert name in pins, f"{name} is not in constraints.txt"
        assert requirement.url is None, f"{requirement} is an address"
        assert requirement.specifier.contains(pins[name]), f"{requirement} does not allow {pins[name]}"


def test_what_dependencies_need_is_pinned_and_installed_so() -> None:
    pins, queue, seen = constraints(), requirements("dev"), set()
    while queue:
        requirement = queue.pop()
        name = canonicalize_name(requirement.name)
        if name in seen or name in ("pip", "setuptools"):
            continue
        seen.add(name)
        assert pins.get(name) == version(name), f"{name}: constraints {pins.get(name)}, installed {version(name)}"
        for line in requires(name) or []:
            needed = Requirement(line)
            extras = {"extra": ""}, *({"extra": extra} for extra in requirement.extras)
            if needed.marker is None or any(needed.marker.evaluate(extra) for extra in extras):
                queue.append(needed)
    assert len(seen) > 80


def test_constraints_are_sorted_and_name_each_package_once() -> None:
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if line[:1] not in ("#", "")]
    names = [line.split("==")[0].lower() for line in lines]
    assert names == sorted(set(names))


@pytest.mark.parametrize(
    ("folders", "extras"),
    [(("synth", "dualmod", "distill", "handbridge"), ("pytorch3d",)), (("tests", "benchmarks"), ("dev",))],
)
def test_what_is_imported_is_a_dependency(folders: tuple[str, ...], extras: tuple[str, ...]) -> None:
    declared = {canonicalize_name(r.name) for r in requirements(*extras)}
    sources = packages_distributions()
    missing = {
        module
        for module in imported_modules(*folders)
        if not {canonicalize_name(d) for d in sources.get(module, [])} & declared
    }
    assert missing == set()


def test_packages_can_be_imported_and_are_packaged() -> None:
    build = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]
    assert tuple(build["targets"]["wheel"]["packages"]) == PACKAGES
    for name in PACKAGES:
        assert Path(importlib.import_module(name).__file__ or "").parent == ROOT / name


def test_importing_the_packages_needs_no_torch() -> None:
    code = "import sys, synth, dualmod, distill, handbridge; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0


def test_versions_agree() -> None:
    assert version("handbridge") == PROJECT["version"]
    assert f"## {PROJECT['version']}" in (ROOT / "CHANGELOG.md").read_text()


def test_licence_files_are_there() -> None:
    assert "Apache License" in (ROOT / "LICENSE").read_text()[:200]
    for name in PROJECT["license-files"]:
        assert (ROOT / name).stat().st_size > 1000


def test_the_hash_of_the_third_partys_wheel_is_pinned() -> None:
    text = (ROOT / "requirements-pytorch3d.txt").read_text()
    assert f"easypytorch3d=={constraints()['easypytorch3d']} --hash=sha256:" in text
    assert re.search(r"sha256:[0-9a-f]{64}$", text, re.M)


def test_no_machine_paths_and_no_index_addresses() -> None:
    forbidden = re.compile(r"/(work|root|tmp)/|/home/\w|index-url|https?://\S*/simple\b")
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in project_files()
        if path.suffix in TEXT and path.name != SELF and path.stat().st_size < 1_000_000
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if forbidden.search(line)
    ]
    assert found == []


def test_no_file_is_too_large_and_none_is_a_run() -> None:
    released = [
        ROOT / "dualmod" / "checkpoints" / "released" / f"{name}.safetensors" for name in ("detector", "pose", "start")
    ]
    assert sum(path.stat().st_size for path in released[:2]) < 20_000_000  # what predict needs
    kept = [ROOT / "benchmarks" / "long" / f"{name}.safetensors" for name in ("latest", "decayed")]
    assert all(path.stat().st_size < 12_000_000 for path in kept if path.exists())
    for path in set(project_files()) - {*released, *kept}:
        assert path.stat().st_size < 2_000_000, path
        assert path.suffix not in (".ckpt", ".safetensors", ".tar", ".pkl"), path


def test_no_array_file_holds_mano() -> None:
    for path in project_files():
        if path.suffix == ".npz":
            with np.load(path, allow_pickle=False) as arrays:
                assert not any(MANO_VERTICES in arrays[name].shape for name in arrays.files), path


def test_continuous_integration_runs_the_tests() -> None:
    script = ROOT / ".ci" / "run"
    assert "make test" in script.read_text() and "set -euo pipefail" in script.read_text()
    assert script.stat().st_mode & 0o111


def test_what_the_hosted_workflow_runs_is_there() -> None:
    """It runs .ci/run on a Python that the package takes, and what that makes is a target of the Makefile."""
    (job,) = yaml.safe_load((GITHUB / "workflows" / "test.yml").read_text())["jobs"].values()
    assert [step["run"] for step in job["steps"] if "run" in step] == [".ci/run"]
    (python,) = [step["with"]["python-version"] for step in job["steps"] if "python-version" in step.get("with", {})]
    assert SpecifierSet(PROJECT["requires-python"]).contains(python)
    assert f"Programming Language :: Python :: {python}" in PROJECT["classifiers"]
    made = re.findall(r"^make (.+)$", (ROOT / ".ci" / "run").read_text(), re.M)
    assert made and {target for line in made for target in line.split()} <= make_targets()


def make_targets() -> set[str]:
    """Targets of the Makefile that its help lists."""
    return set(re.findall(r"^([a-z-]+):.*## ", MAKEFILE, re.M))


def test_no_target_is_taken_for_a_file() -> None:
    """``docs`` is a folder: a target of that name that is not phony would never run."""
    (phony,) = re.findall(r"^\.PHONY: (.+)$", MAKEFILE, re.M)
    assert set(phony.split()) == make_targets()


def test_the_citation_is_of_this_version() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert {"cff-version", "message", "title", "authors"} <= citation.keys()
    assert (citation["version"], citation["license"]) == (PROJECT["version"], PROJECT["license"])
    assert [author["name"] for author in citation["authors"]] == [author["name"] for author in PROJECT["authors"]]


def test_all_files_name_one_repository() -> None:
    home = PROJECT["urls"]["Source"]
    assert all(url.startswith(home) for url in PROJECT["urls"].values())
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text())["repository-code"] == home
    assert f"  repository: {home}\n" in (ROOT / "mkdocs.yml").read_text()
    advisories = f"{home}/security/advisories/new"
    assert advisories in (ROOT / "SECURITY.md").read_text()
    (contact,) = yaml.safe_load((GITHUB / "ISSUE_TEMPLATE" / "config.yml").read_text())["contact_links"]
    assert contact["url"] == advisories


def test_the_commit_hooks_are_the_linters_of_make_lint() -> None:
    (repository,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    tools = [hook["entry"].split()[:2] for hook in repository["hooks"]]
    linted = re.findall(r"^\t\$\(BIN\)/(ruff check|ruff format|pyright)\b", MAKEFILE, re.M)
    assert [" ".join(words if words[0].endswith("ruff") else words[:1]) for words in tools] == [
        f".venv/bin/{tool}" for tool in linted
    ]
    checked = "|".join(SETTINGS["tool"]["pyright"]["include"])
    assert repository["hooks"][-1]["files"] == f"^({checked})/"


def test_the_commit_hooks_are_a_legal_config() -> None:
    clientlib = pytest.importorskip("pre_commit.clientlib", reason="pre-commit is not installed: make setup")
    clientlib.load_config(str(ROOT / ".pre-commit-config.yaml"))


@pytest.mark.parametrize("form", FORMS, ids=lambda path: path.stem)
def test_an_issue_form_is_complete(form: Path) -> None:
    content = yaml.safe_load(form.read_text())
    assert all(content[key] for key in ("name", "description", "body"))
    fields = [part for part in content["body"] if part["type"] != "markdown"]
    assert len({part["id"] for part in fields}) == len(fields) > 0
    assert all(part["attributes"]["label"] for part in fields)


def test_commands_that_templates_ask_for_are_there() -> None:
    texts = [path.read_text() for path in (*FORMS, GITHUB / "pull_request_template.md")]
    asked = [command.split() for text in texts for command in re.findall(r"`((?:handbridge|make) [^`]+)`", text)]
    assert {words[0] for words in asked} == {"handbridge", "make"}
    assert {words[1] for words in asked} <= {"--version", *VERBS, *make_targets()}
