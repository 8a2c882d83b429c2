"""Hooks of mkdocs.yml: the same Markdown reads well in the repository's web view and on the site.

Pages at the top of the repository become pages of the site, links are turned to where the site has their target, and
formulas become MathML, which browsers show without a script.
"""

import html
import re
from pathlib import Path, PurePosixPath
from posixpath import normpath

from latex2mathml.converter import convert
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parent.parent
TOP_PAGES = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
    "LICENSES.md": "licenses.md",
    "CHANGELOG.md": "changelog.md",
}
"""Files at the top of the repository -> pages of the site."""
SOURCES = {page: file for file, page in TOP_PAGES.items()}
LINK = re.compile(r"(\]\(|\b(?:src|href)=\")(?![a-z]+:|#)([^)\"#\s]+)")
FORMULA = re.compile(r"<(span|div) class=\"arithmatex\">\\([(\[])(.*?)\\[)\]]</\1>", re.S)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages at the top of the repository."""
    for file, page in TOP_PAGES.items():
        files.append(File.generated(config, page, abs_src_path=str(ROOT / file)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Turn the links of a page to the site."""
    uri = page.file.src_uri
    source = SOURCES.get(uri, f"docs/{uri}")
    return LINK.sub(lambda found: found[1] + site_link(source, found[2], config.extra["repository"]), markdown)


def on_page_content(content: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Write the formulas of a page as MathML."""
    return FORMULA.sub(lambda found: mathml(found[3], "inline" if found[2] == "(" else "block"), content)


def site_link(source: str, target: str, repository: str) -> str:
    """A relative link between files of the repository as the site needs it.

    Args:
        source: File that holds the link, from the top of the repository.
        target: The link, without its anchor.
        repository: Web address of the repository, where files are read that are no part of the site.

    Returns:
        The link from page to page, the address in the repository, or ``target`` as it is where there is no such file,
        which a strict build refuses.
    """
    path = PurePosixPath(normpath(PurePosixPath(source).parent / target))
    if str(path) in TOP_PAGES:
        return TOP_PAGES[str(path)]
    if path.parts[0] == "docs":
        return str(path.relative_to("docs"))
    return f"{repository}/blob/main/{path}" if (ROOT / path).is_file() else target


def mathml(latex: str, display: str) -> str:
    """A formula, escaped for HTML as arithmatex leaves it, as MathML; ``display`` is inline or block."""
    return convert(html.unescape(latex), display=display)
