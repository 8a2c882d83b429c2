"""The demo page in a real browser: a picture goes in through the page, and its skeleton comes out."""

import threading
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from dualmod.checkpoints.checkpoint import choose_device
from dualmod.inference.detectors import SlidingWindowDetector
from dualmod.inference.predictor import Predictor
from dualmod.network.model import DualModalityNet
from handbridge.demo.hand_boxes import sure_hands
from handbridge.demo.inference import Networks
from handbridge.demo.server import make_server, quiet_gradio, take_port
from synth.dataset import SampleStore
from tests.browser import chromium, new_page, sideways_px

SHOWN = "#overlay img"
CANVAS_IS_SHOWN = """[...document.querySelectorAll('#joints .js-plotly-plot canvas')]
  .some(canvas => canvas.clientWidth > 200 && canvas.clientHeight > 200)"""


@pytest.fixture
def render(tiny_data: Path, tmp_path: Path) -> Path:
    file = tmp_path / "render.png"
    larger = cv2.resize(SampleStore(str(tiny_data))[0].rgb, (320, 320), interpolation=cv2.INTER_CUBIC)
    cv2.imwrite(str(file), larger[..., ::-1])
    return file


@pytest.fixture
def address(tiny_net: DualModalityNet) -> Iterator[str]:
    """The page with an untrained network, before and after adaptation alike, on a free port."""
    missing = [name for name in ("gradio", "plotly", "playwright") if find_spec(name) is None]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}; the page needs handbridge[demo], its test playwright")
    predictor = Predictor(tiny_net, choose_device("cpu"))
    networks = Networks(predictor, predictor, sure_hands(predictor, SlidingWindowDetector(predictor)), least_score=0.0)
    with quiet_gradio(), take_port("127.0.0.1", 0) as listening:
        server = make_server(networks, examples=[])
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        while not server.started:
            assert thread.is_alive(), "the server did not start"
            time.sleep(0.05)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/"
        server.should_exit = True
        thread.join(30)


def test_an_uploaded_picture_comes_back_with_its_skeleton(address: str, render: Path, tmp_path: Path) -> None:
    with chromium() as context:
        page, errors = new_page(context, 1280)
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.goto(address)
        page.get_by_text("Give a photograph of a hand").wait_for()
        assert not page.detector(SHOWN).count()
        page.set_input_files("#photo input[type=file]", render)
        page.detector(SHOWN).wait_for()
        check_skeleton_is_on(render, picture_of(page, SHOWN))
        for name in ("#overlay-before", "#depth", "#mask", "#depth-before", "#mask-before"):
            assert np.ptp(picture_of(page, f"{name} img")) > 50, name
        page.wait_for_function(CANVAS_IS_SHOWN, polling=200)
        assert (
            page.evaluate("document.querySelector('#joints .js-plotly-plot').data.map(t => t.type)")
            == ["scatter3d"] * 6
        )
        assert "time by part" in page.detector("#numbers").inner_text()
        check_two_clicks_are_a_box(page)
        check_a_useless_file_is_refused_in_words(page, tmp_path)
        page.set_viewport_size({"width": 390, "height": 800})
        assert sideways_px(page) == 0
        assert errors == []
        elsewhere = [url for url in asked if not url.startswith((address, "data:", "blob:"))]
        assert elsewhere == []


def check_skeleton_is_on(uploaded: Path, shown: np.ndarray) -> None:
    """The shown picture is the uploaded one, enlarged, but for lines in the colours of the fingers."""
    original = cv2.resize(cv2.imread(str(uploaded)), shown.shape[1::-1], interpolation=cv2.INTER_CUBIC)
    changed = np.abs(shown.astype(int) - original).max(-1) > 40
    assert 0.0005 < changed.mean() < 0.3


def check_two_clicks_are_a_box(page: Any) -> None:
    page.set_viewport_size({"width": 1280, "height": 1600})
    place = page.detector("#photo img").first.bounding_box()
    for share, then in ((0.25, "now click the opposite corner"), (0.75, "found by itself")):
        page.mouse.click(place["x"] + share * place["width"], place["y"] + share * place["height"])
        page.get_by_placeholder(then).wait_for()
    page.get_by_text("the box given").wait_for()
    corners = [float(part) for part in page.detector("#box").detector("input, textarea").first.input_value().split(",")]
    assert corners == pytest.approx([80, 80, 240, 240], abs=4)
    assert not page.get_by_text("Error", exact=True).count()


def check_a_useless_file_is_refused_in_words(page: Any, folder: Path) -> None:
    (folder / "diary.jpg").write_text("dear diary")
    page.detector("#photo").get_by_label("Remove Image").first.click()
    page.get_by_text("Give a photograph of a hand").wait_for()
    page.set_input_files("#photo input[type=file]", folder / "diary.jpg")
    page.get_by_text("This photo is of no use here").wait_for()
    assert not page.detector(SHOWN).is_visible()


def picture_of(page: Any, selector: str) -> np.ndarray:
    """The picture of an ``img`` as the server sent it, BGR."""
    answer = page.request.get(page.detector(selector).get_attribute("src"))
    assert answer.ok
    decoded = cv2.imdecode(np.frombuffer(answer.body(), np.uint8), cv2.IMREAD_COLOR)
    assert decoded is not None
    return decoded
