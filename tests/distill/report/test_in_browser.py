"""The transfer report in a real browser, on a desk and on a phone."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from distill.transfer import TransferConfig, transfer
from tests.browser import chromium, new_page, sideways_px

Write = Callable[..., Path]

BROKEN = "[...document.images].filter(image => !image.complete || !image.naturalWidth).map(image => image.alt)"
BEYOND = """() => [...document.querySelectorAll('body *')].filter(element => {
  for (let e = element.parentElement; e; e = e.parentElement)
    if (getComputedStyle(e).overflowX == 'auto') return false;
  return element.getBoundingClientRect().right > innerWidth + 1;
}).map(element => element.tagName + '.' + element.className)"""
TITLES_AND_STRIP = """() => [...document.querySelectorAll('.strips')].map(strips => ({
  titles: [...strips.querySelectorAll('.columns span')].map(e => e.getBoundingClientRect().left),
  strip: strips.querySelector('img').getBoundingClientRect().toJSON(),
}))"""
SMALLEST_PX = """() => Math.min(...[...document.querySelectorAll('td, th, p, li, figcaption, .soft, .columns span')]
  .map(e => parseFloat(getComputedStyle(e).fontSize)))"""


@pytest.fixture
def report(evaluated: Write, tmp_path: Path) -> Path:
    names = (("source_only", 5), ("dual", 4), ("control", 3), ("adapted", 1))
    runs = [str(evaluated(name, px, seed=seed)) for name, px in names for seed in (0, 1)]
    return transfer(TransferConfig(runs=runs, out=str(tmp_path / "report.html"), gallery=1, bootstrap=50))


def test_the_report_fits_a_desk_and_a_phone(report: Path) -> None:
    with chromium() as context:
        for width in (1280, 390):
            page, errors = new_page(context, width)
            page.goto(report.as_uri())
            assert page.title() == "Transfer report" and errors == []
            assert page.evaluate(BROKEN) == []
            assert sideways_px(page) == 0 and page.evaluate(BEYOND) == []
            assert page.evaluate(SMALLEST_PX) >= 11
            check_titles_stand_over_their_tiles(page)
            assert is_not_blank(page.screenshot())


def check_titles_stand_over_their_tiles(page: Any) -> None:
    found = page.evaluate(TITLES_AND_STRIP)
    assert len(found) == 3
    for strips in found:
        tile = strips["strip"]["width"] / len(strips["titles"])
        expected = strips["strip"]["left"] + tile * np.arange(len(strips["titles"]))
        assert np.abs(np.array(strips["titles"]) - expected).max() < 2


def is_not_blank(png: bytes) -> bool:
    decoded = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_GRAYSCALE)
    return decoded is not None and decoded.std() > 10
