"""Floors of the house: synth imports nothing above it, dualmod may import synth, distill may import both."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ALLOWED = {
    "synth": {"synth", "configs"},
    "dualmod": {"dualmod", "synth", "configs"},
    "distill": {"distill", "dualmod", "synth", "configs"},
    "configs": set(),
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
