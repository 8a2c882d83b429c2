"""Floors of the house: synth imports nothing above it, dualmod may import synth, distill may import both,
handbridge all three."""

import ast
from pathlib import Path

import pytest

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
