"""The documentation builds as a site: without a warning, and without anything that a page would load from elsewhere."""

import html
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("mkdocs", reason="mkdocs is not installed: make setup")

ROOT = Path(__file__).parent.parent
OFFLINE = {"http_proxy": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9", "NO_MKDOCS_2_WARNING": "1"}
LOADED = re.compile(r"<(?:script|img|iframe|source|link)\b[^>]*\b(?:src|href)=[\"']?((?:https?:)?//[^\"'> ]+)")


def test_make_builds_the_site_as_these_tests_do() -> None:
    assert "\n\t$(BIN)/mkdocs build\n" in (ROOT / "Makefile").read_text()


def build(config: Path, out: Path) -> subprocess.CompletedProcess[str]:
    """``make docs`` into another folder."""
    command = [sys.executable, "-m", "mkdocs", "build", "--config-file", str(config), "--site-dir", str(out)]
    env = {**os.environ, **OFFLINE}
    return subprocess.run(command, capture_output=True, text=True, env=env, cwd=config.parent)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("site")
    built = build(ROOT / "mkdocs.yml", out)
    assert built.returncode == 0, built.stderr
    assert "WARNING" not in built.stderr and "Traceback" not in built.stderr
    return out


def text_of(page: Path) -> str:
    return html.unescape(re.sub(r"<[^>]+>", "", page.read_text()))


def test_every_document_is_a_page(site: Path) -> None:
    pages = {path.stem for path in site.glob("*.html")} - {"404"}
    tops = {"index", "contributing", "security", "licenses", "changelog"}
    assert pages == tops | {path.stem for path in (ROOT / "docs").glob("*.md")}
    assert not list(site.rglob("*.py"))


def test_pages_load_nothing_from_elsewhere(site: Path) -> None:
    assert {url for page in site.rglob("*.html") for url in LOADED.findall(page.read_text())} == set()
    assert not any("@import" in path.read_text() or "url(http" in path.read_text() for path in site.rglob("*.css"))


def test_relative_links_of_pages_lead_to_files(site: Path) -> None:
    """The hooks turn links between files of the repository; what is no page is read in the repository."""
    for page in site.glob("*.html"):
        for link in re.findall(r"\b(?:href|src)=\"([^\":#]+)(?:#[^\"]*)?\"", page.read_text()):
            assert page.name == "404.html" or (site / link).exists(), (page.name, link)
    assert "/blob/main/LICENSE" in (site / "licenses.html").read_text()
    assert 'href="licenses.html#' in (site / "model_card.html").read_text()


def test_formulas_are_mathml(site: Path) -> None:
    formulas = (ROOT / "docs" / "method.md").read_text().count("$$") // 2
    page = (site / "method.html").read_text()
    assert page.count('display="block"') == formulas > 5 and 'class="arithmatex"' not in page


def test_the_reference_has_functions_with_errors_and_options_with_help(site: Path) -> None:
    text = text_of(site / "api.html")
    assert "generate" in text and "SampleStore" in text
    assert "side of the square images, pixels. Default: 192." in text
    assert "folder of the dataset. Required." in text
    assert "when the folder, its manifest or a shard is missing" in text


@pytest.mark.parametrize("line", ["[x](no_such_page.md)", "[x](speed.md#no-such-heading)", "[x](../no_such_file.py)"])
def test_a_link_to_nowhere_stops_the_build(line: str, tmp_path: Path) -> None:
    """On a site of two pages with the project's own settings."""
    docs = tmp_path / "docs"
    docs.mkdir()
    for hook in (ROOT / "docs").glob("*.py"):
        shutil.copy(hook, docs)
    settings = (ROOT / "mkdocs.yml").read_text()
    settings, _, _ = settings.partition("\nnav:\n")
    (tmp_path / "mkdocs.yml").write_text(
        settings.replace("  - mkdocstrings:", "  - mkdocstrings:\n      enabled: false")
    )
    for top in ("README", "CONTRIBUTING", "SECURITY", "LICENSES", "CHANGELOG"):
        (tmp_path / f"{top}.md").write_text(f"# {top}\n")
    (docs / "speed.md").write_text("# Speed\n\n[top](../README.md#readme)\n")
    assert build(tmp_path / "mkdocs.yml", tmp_path / "sound").returncode == 0
    (docs / "speed.md").write_text(f"# Speed\n\n{line}\n")
    broken = build(tmp_path / "mkdocs.yml", tmp_path / "broken")
    assert broken.returncode == 1 and re.search("WARNING.*no[-_]such", broken.stderr)
