"""The transfer report in a real browser, on a desk and on a phone."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from distill.transfer import TransferConfig, transfer
from dualmod.checkpoints.checkpoint import save_network
from dualmod.network.model import DualModalityNet
from tests.browser import chromium, new_page, sideways_px

Write = Callable[..., Path]

BROKEN = "[...document.images].filter(image => !image.complete || !image.naturalWidth).map(image => image.alt)"
BEYOND = """() => [...document.querySelectorAll('body *')].filter(element => {
  for (let e = element.parentElement; e; e = e.parentElement)
    if (getComputedStyle(e).overflowX == 'auto') return false;
  return element.getBoundingClientRect().right > innerWidth + 1;
}).map(element => element.tagName + '.' + element.className)"""
OPEN = "() => document.querySelectorAll('details').forEach(element => element.open = true)"
CUT_OFF = """() => [...document.querySelectorAll('.strips, .stages, .tiles b')]
  .filter(element => element.scrollWidth > element.clientWidth + 1).map(element => element.className)"""
ALARM = "collapse alarm at step 40: spread of the poses 0.100, at least 0.350"
TITLES_AND_STRIP = """() => [...document.querySelectorAll('.strips')].map(strips => ({
  titles: [...strips.querySelectorAll('.columns span')].map(e => e.getBoundingClientRect().left),
  strip: strips.querySelector('img').getBoundingClientRect().toJSON(),
}))"""
SMALLEST_PX = """() => Math.min(...[...document.querySelectorAll('td, th, p, li, figcaption, .soft, .columns span')]
  .map(e => parseFloat(getComputedStyle(e).fontSize)))"""


@pytest.fixture
def report(evaluated: Write, tiny_net: DualModalityNet, tmp_path: Path) -> Path:
    """Four stages of two seeds; those before and after have checkpoints, and an alarm stopped the adapted one."""
    notes = {"stage": "adapt", "steps": 30, "photos": 900, "target": "hagrid,webcam,ti1k,ntu_real", "alarm": ALARM}
    save_network(tmp_path / "net.safetensors", tiny_net, notes)
    names = (("source_only", 5), ("dual", 4), ("control", 3), ("adapted", 1))
    files = {"dual": tmp_path / "net.safetensors", "adapted": tmp_path / "net.safetensors"}
    runs = [evaluated(n, px, seed=k, checkpoint=files.get(n, "gone")) for n, px in names for k in (0, 1)]
    config = TransferConfig(runs=[str(r) for r in runs], out=str(tmp_path / "r.html"), gallery=1, bootstrap=50)
    return transfer(config)


def test_the_report_fits_a_desk_and_a_phone(report: Path) -> None:
    with chromium() as context:
        for width in (1280, 390):
            page, errors = new_page(context, width)
            page.goto(report.as_uri())
            assert page.title() == "Transfer report" and errors == []
            page.evaluate(OPEN)
            assert page.detector(".note").first.inner_text().endswith(ALARM)
            assert page.evaluate(BROKEN) == []
            assert sideways_px(page) == 0 and page.evaluate(BEYOND) == []
            assert page.evaluate(SMALLEST_PX) >= 11
            check_titles_stand_over_their_tiles(page)
            assert page.evaluate(CUT_OFF) == []
            assert is_not_blank(page.screenshot())


def check_titles_stand_over_their_tiles(page: Any) -> None:
    found = page.evaluate(TITLES_AND_STRIP)
    assert len(found) == 3
    for strips in found:
        assert len(strips["titles"]) == 5
        tile = strips["strip"]["width"] / len(strips["titles"])
        expected = strips["strip"]["left"] + tile * np.arange(len(strips["titles"]))
        assert np.abs(np.array(strips["titles"]) - expected).max() < 2


def is_not_blank(png: bytes) -> bool:
    decoded = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_GRAYSCALE)
    return decoded is not None and decoded.std() > 10
