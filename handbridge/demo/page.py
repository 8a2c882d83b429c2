"""The page's layout and what happens on it, in gradio; what it shows is made in the other modules of this folder."""

import time
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

from handbridge.demo import messages, renderings, skeleton3d
from handbridge.demo.hand_boxes import box_text
from handbridge.demo.inference import GIVEN_HANDS, Looked, Networks, joints_cm, look
from synth.common.conventions import UNKNOWN
from synth.common.optional import import_optional, install_extra

TITLE = "handbridge"
HEAD = """<div class="hb-head"><h1>handbridge</h1>
<p>The 21 joints of a hand in 3D from one photograph, learnt without a single labelled one.
Photographs stay on the machine that serves this page and are deleted afterwards.</p></div>"""
NOTE_MAPS = """<p class="hb-soft">Depth and mask are predicted for the crop around the hand. Depth: near is red.</p>"""
NOTE_3D = """<p class="hb-soft">Turn it with the mouse or a finger. Proportions and depth are predicted; centimetres
are those of an adult's hand before a phone's camera, for a photograph does not tell its scale.</p>"""
HAND_NAMES = {UNKNOWN: "find out", "right": "right", "left": "left"}
WANTED_BY = "handbridge demo"
Answer = dict[Any, Any]


def part(module: str) -> Any:
    """A module of the extra ``demo``.

    Raises:
        MissingPartError: in one line that says what to install.
    """
    return import_optional(module, wanted_by=WANTED_BY, mend=install_extra("demo"))


def build_page(networks: Networks, examples: list[Path]) -> Any:
    """The page as ``gradio.Blocks``.

    Args:
        networks: What the page runs.
        examples: Pictures to try it with; none for no such row.
    """
    gr = part("gradio")
    with gr.Blocks(title=TITLE, analytics_enabled=False, delete_cache=(600, 600)) as page:
        gr.HTML(HEAD)
        with gr.Row(equal_height=False):
            with gr.Column(scale=1, min_width=300):
                photo, hand, box, again = _inputs(gr)
                corner = gr.State(None)
                if examples:
                    gr.Examples([str(file) for file in examples], inputs=photo, label="Rendered hands to try")
            with gr.Column(scale=2, min_width=300):
                shown = _outputs(gr, two=networks.before is not None)
        _wire(gr, networks, (photo, hand, box, again, corner), shown)
    return page


def style() -> dict[str, Any]:
    """Theme and style sheet for serving the page: fonts of the system, nothing from elsewhere."""
    themes = part("gradio.themes")
    local = ["system-ui", "Segoe UI", "Roboto", "sans-serif"]
    theme = themes.Default(primary_hue="emerald", font=local, font_mono=["ui-monospace", "monospace"])
    theme.set(body_text_color_subdued="*neutral_600", body_text_color_subdued_dark="*neutral_300")
    return {"theme": theme, "css": files("handbridge.demo").joinpath("page.css").read_text(encoding="utf-8")}


def _inputs(gr: Any) -> tuple[Any, ...]:
    photo = gr.Image(
        label="Photograph", sources=["upload", "webcam", "clipboard"], type="filepath", image_mode=None, height=340,
        elem_id="photo", buttons=["fullscreen"], placeholder="Drop a photograph of a hand here, or click to choose one",
    )  # fmt: skip
    # as it came: what is wrong with a file is said on the page, not in a pop-up
    photo.preprocess = lambda payload: payload.path if payload else None
    names = [(HAND_NAMES[name], name) for name in GIVEN_HANDS]
    hand = gr.Radio(names, value=UNKNOWN, label="Which hand", elem_id="hand")
    box = gr.Textbox(
        label="Where the hand is", elem_id="box", max_lines=1, placeholder="found by itself",
        info="To say it yourself, click two opposite corners in the photograph, or type x0, y0, x1, y1 in pixels.",
    )  # fmt: skip
    again = gr.Button("Look again", elem_id="again")
    return photo, hand, box, again


def _outputs(gr: Any, *, two: bool) -> dict[str, Any]:
    """The parts of the right side by name; those of the network before adaptation where there are two."""

    def picture(label: str, name: str, height: int, min_width: int = 140) -> Any:
        return gr.Image(
            label=label, elem_id=name, height=height, interactive=False, format="png", buttons=["fullscreen"],
            min_width=min_width, alt_text=label,
        )  # fmt: skip

    shown: dict[str, Any] = {"state": gr.HTML(messages.welcome(), elem_id="state")}
    with gr.Column(visible=False) as results:
        with gr.Row():
            shown["overlay"] = picture("Adapted" if two else "Skeleton", "overlay", 400, min_width=260)
            if two:
                shown["overlay_before"] = picture("Before adaptation", "overlay-before", 400, min_width=260)
        with gr.Row():
            shown["depth"] = picture("Depth", "depth", 200)
            shown["mask"] = picture("Hand mask", "mask", 200)
            if two:
                shown["depth_before"] = picture("Depth before", "depth-before", 200)
                shown["mask_before"] = picture("Mask before", "mask-before", 200)
        gr.HTML(NOTE_MAPS)
        with gr.Row(equal_height=False):
            with gr.Column(scale=3, min_width=300):
                shown["plot"] = gr.Plot(label="Joints in 3D", elem_id="joints")
                gr.HTML(NOTE_3D)
            with gr.Column(scale=2, min_width=260):
                shown["numbers"] = gr.HTML(elem_id="numbers")
    return {**shown, "results": results}


def _wire(gr: Any, networks: Networks, given: tuple[Any, ...], shown: dict[str, Any]) -> None:
    photo, hand, box, again, corner = given
    outputs = list(shown.values())

    def run(path: str | None, chosen_hand: str, typed_box: str) -> Answer:
        return _answer(gr, networks, shown, path, box=typed_box, hand=chosen_hand)

    def new_photo(path: str | None, chosen_hand: str) -> Answer:
        return {**run(path, chosen_hand, ""), box: "", corner: None}

    def once_given(path: str | None, chosen_hand: str, clicked_box: str) -> Answer:
        # after the first of two clicks there is no box yet, and gradio wants one value at least
        return run(path, chosen_hand, clicked_box) if clicked_box else {shown["state"]: gr.update()}

    def click(event: gr.SelectData, first: Any) -> Answer:  # type: ignore[name-defined]
        at = tuple(event.index)
        if first is None:
            return {corner: at, box: gr.update(value="", placeholder="now click the opposite corner")}
        return {corner: None, box: gr.update(value=box_text(first, at), placeholder="found by itself")}

    click.__annotations__["event"] = gr.SelectData  # gradio fills the argument in by its type
    listen = {"show_progress_on": [shown["state"]], "api_visibility": "private"}
    photo.change(new_photo, [photo, hand], [*outputs, box, corner], **listen)
    photo.select(click, [corner], [corner, box], show_progress="hidden", api_visibility="private").then(
        once_given, [photo, hand, box], outputs, **listen
    )
    gr.on([again.click, box.submit, hand.input], run, [photo, hand, box], outputs, **listen)


def _answer(gr: Any, networks: Networks, shown: dict[str, Any], path: str | None, *, box: str, hand: str) -> Answer:
    """New values of the right side's parts."""

    def without_results(text: str) -> Answer:
        return {shown["state"]: gr.update(value=text, visible=True), shown["results"]: gr.update(visible=False)}

    if path is None:
        return without_results(messages.welcome())
    try:
        looked = look(networks, path, box=box or "", hand=hand)
    except ValueError as error:
        return without_results(messages.trouble(str(error)))
    start = time.perf_counter()
    values = _values(looked)
    seconds = {**looked.seconds, "draw": time.perf_counter() - start}
    values["numbers"] = messages.numbers(looked, seconds)
    found = {shown[name]: value for name, value in values.items()}
    return {**found, shown["state"]: gr.update(visible=False), shown["results"]: gr.update(visible=True)}


def _values(looked: Looked) -> dict[str, Any]:
    make_figure: Callable[..., Any] = part("plotly.graph_objects").Figure
    after, before = looked.after, looked.before
    values = {
        "overlay": renderings.overlay(looked, after),
        "depth": renderings.depth_picture(after),
        "mask": renderings.mask_picture(after),
    }
    if before is not None:
        values |= {
            "overlay_before": renderings.overlay(looked, before),
            "depth_before": renderings.depth_picture(before),
            "mask_before": renderings.mask_picture(before),
        }
    joints = [joints_cm(looked, estimates) for estimates in (after, before) if estimates is not None]
    return {**values, "plot": make_figure(skeleton3d.figure(*joints))}
