"""A real Chromium without a window, for tests of pages; what is missing skips the test and says so."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--enable-unsafe-swiftshader",
)  # fmt: skip
"""Without a sandbox, so that it starts as root; SwiftShader draws WebGL where there is no GPU."""
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PATIENCE_MS = 300_000
"""Machines that run tests are slow and busy; a page that works takes a hundredth of it."""


@contextmanager
def chromium() -> Iterator[Any]:
    """A browser context of playwright with a profile of its own that is deleted afterwards."""
    playwright = pytest.importorskip("playwright.sync_api", reason="the Python package playwright is not installed")
    program = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        pytest.skip("no Chromium on the PATH; install the package chromium, or name it: CHROMIUM=FILE")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=program, args=list(FLAGS), headless=True, timeout=PATIENCE_MS)
        try:
            context = browser.new_context()
            context.set_default_timeout(PATIENCE_MS)
            yield context
        finally:
            browser.close()


def new_page(context: Any, width: int, height: int = 900) -> tuple[Any, list[str]]:
    """A page, and the list in which errors of its scripts gather."""
    page, errors = context.new_page(), []
    page.set_viewport_size({"width": width, "height": height})
    page.on("pageerror", lambda error: errors.append(str(error)))
    return page, errors


def sideways_px(page: Any) -> int:
    """By how many pixels the page can be scrolled sideways."""
    return page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
