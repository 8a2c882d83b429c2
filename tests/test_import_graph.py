"""Floors of the house: synth imports nothing above it, dualmod may import synth, distill may import both,
handbridge all three."""

import ast
import graphlib
from pathlib import Path

import pytest

from handbridge.cli import VERBS

ROOT = Path(__file__).parent.parent
ALLOWED = {
    "synth": {"synth"},
    "dualmod": {"dualmod", "synth"},
    "distill": {"distill", "dualmod", "synth"},
    "handbridge": {"handbridge", "distill", "dualmod", "synth"},
}


def imported_packages(source: str) -> set[str]:
    """Top-level packages that a module imports anywhere, inside functions too."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.partition(".")[0])
    return found


def test_the_walk_sees_every_kind_of_import() -> None:
    source = "import a.b as c, d\nfrom e.f import g\ndef h():\n    import i\n    from . import j\n"
    assert imported_packages(source) == {"a", "d", "e", "i"}


@pytest.mark.parametrize("package", ALLOWED)
def test_no_import_runs_up(package: str) -> None:
    files = sorted((ROOT / package).rglob("*.py"))
    assert files
    arrows = {
        f"{file.relative_to(ROOT)} imports {name}"
        for file in files
        for name in imported_packages(file.read_text()) & ALLOWED.keys() - ALLOWED[package]
    }
    assert not arrows


def name_in(path: Path) -> str:
    """The dotted name of a module's file."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def imported_names(source: str) -> set[str]:
    """Dotted names that a module imports: packages, modules, and what is taken from them."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def room_of(name: str, modules: set[str]) -> str:
    """The room of a module: its folder, or itself where it stands at the top of a package, as a stage does."""
    while name not in modules:
        name = name.rpartition(".")[0]
    is_room = (ROOT / name.replace(".", "/")).is_dir()
    room = name if is_room or name.count(".") == 1 else name.rpartition(".")[0]
    return "dualmod.data" if room == "dualmod.data.readers" else room  # one room: sets open readers, readers make sets


def rooms() -> dict[str, set[str]]:
    """The rooms of all packages, and the rooms that each imports from."""
    files = [file for package in ALLOWED for file in (ROOT / package).rglob("*.py")]
    modules = {name_in(file) for file in files}
    found: dict[str, set[str]] = {}
    for file in files:
        own = room_of(name_in(file), modules)
        names = {name for name in imported_names(file.read_text()) if name.partition(".")[0] in ALLOWED}
        found.setdefault(own, set()).update({room_of(name, modules) for name in names} - {own})
    return found


def test_no_arrow_between_rooms_runs_up() -> None:
    """Rooms can be put on floors: each imports from floors below it alone."""
    graph = rooms()
    assert graph["distill.adapt"] >= {"distill.methods", "distill.targets"}
    assert graph["dualmod.inference"] >= {"dualmod.detection", "dualmod.geometry"}
    try:
        list(graphlib.TopologicalSorter(graph).static_order())
    except graphlib.CycleError as error:
        pytest.fail(f"rooms import each other in a circle: {' -> '.join(error.args[1])}")


@pytest.mark.parametrize("package", ["synth", "dualmod", "distill"])
def test_the_top_of_a_package_holds_its_stages_and_nothing_else(package: str) -> None:
    files = [file for file in (ROOT / package).glob("*.py") if file.name != "__init__.py"]
    assert 3 <= len(files) <= 10
    called = {module for module, _ in VERBS.values()}
    assert {name_in(file) for file in files} <= called


def modules_below(start: str) -> set[str]:
    """All modules of this project that a module imports, directly or through others."""
    found: set[str] = set()
    waiting = [start]
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        path = ROOT / name.replace(".", "/")
        file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
        if not file.is_file():
            continue
        found.add(name)
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                waiting += [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module:
                waiting += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return found


def test_adaptation_has_no_way_to_the_labels_of_photographs() -> None:
    assert "distill.targets.labelled" in modules_below("distill.upper_bound")
    adapting = modules_below("distill.adapt")
    assert "distill.targets.photos" in adapting and not {"distill.targets.labelled", "distill.upper_bound"} & adapting
