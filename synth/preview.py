"""``handbridge preview``: one HTML file that shows what a dataset contains, or one picture of images and depth."""

import base64
import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from jinja2 import Environment
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from synth.common.config import check, option, required, stage_main
from synth.common.conventions import FINGERS
from synth.common.drawing import FINGER_COLOURS, contact_sheet, draw_skeleton
from synth.common.files import require_writable, written_atomically
from synth.common.subsample import evenly_spaced
from synth.dataset import Manifest, SampleStore
from synth.dataset.sample import HandSample
from synth.dataset.statistics import COUNTED, SampleStatistics, counts, sample_statistics

TILE_PX = 160
COLUMNS = 8
PICTURE_SUFFIXES = (".jpg", ".jpeg")


@dataclass
class PreviewConfig:
    """Show a dataset in one HTML file: pictures, depth, masks, what it is made of; or images and depth in a JPEG."""

    data: str = required("folder of the dataset")
    out: str = required("the file to write: .html, or .jpg for a picture alone")
    num_shown: int = option(48, "images on the contact sheet")
    num_counted: int = option(2000, "samples that the distributions are counted over")

    def __post_init__(self) -> None:
        check(self.num_shown > 0, "num_shown", self.num_shown, "above 0")
        check(self.num_counted > 0, "num_counted", self.num_counted, "above 0")


def preview(cfg: PreviewConfig) -> Path:
    """Write the preview and return its path.

    Raises:
        FileNotFoundError: when the dataset is missing.
        ValueError: when it is damaged, or the file cannot be written.
    """
    store = SampleStore(cfg.data)
    out = Path(cfg.out).expanduser()
    if out.is_dir():
        raise ValueError(f"out={out} is a folder; give the name of an HTML file")
    require_writable(out.parent)
    shown = [store[i] for i in evenly_spaced(len(store), cfg.num_shown)]
    if out.suffix.lower() in PICTURE_SUFFIXES:
        with written_atomically(out) as partial:
            partial.write_bytes(_jpeg(_with_depth(shown)))
        return out
    statistics = [sample_statistics(store[i]) for i in evenly_spaced(len(store), cfg.num_counted)]
    page = Environment(autoescape=True).from_string(PAGE).render(
        data=cfg.data,
        facts=_facts(store.manifest, shown[0], len(statistics)),
        sheet=_jpeg_uri(contact_sheet([_overlay(s) for s in shown], columns=COLUMNS, tile_px=TILE_PX)),
        layers=_jpeg_uri(contact_sheet(_layer_tiles(shown), columns=12, tile_px=TILE_PX * 2 // 3)),
        plots=[(title, _plot(draw, statistics)) for title, draw in PLOTS.items()],
        tables=[(key, counts(statistics, key), len(statistics)) for key in COUNTED],
    )  # fmt: skip
    with written_atomically(out) as partial:
        partial.write_text(page, encoding="utf-8")
    return out


def colour_depth(depth_m: np.ndarray) -> np.ndarray:
    """Depth as sRGB, near is warm; black where there is no measurement."""
    known = depth_m > 0
    if not known.any():
        return np.zeros((*depth_m.shape, 3), np.uint8)
    near, far = np.quantile(depth_m[known], [0.01, 0.95])
    closeness = np.clip(1 - (depth_m - near) / max(far - near, 1e-3), 0, 1)
    coloured = cv2.applyColorMap((40 + 215 * closeness).astype(np.uint8), cv2.COLORMAP_TURBO)
    return coloured[..., ::-1] * known[..., None].astype(np.uint8)


def colour_parts(segmentation: np.ndarray) -> np.ndarray:
    """Part ids as sRGB; black is background."""
    hues = (segmentation.astype(np.uint16) * 67 % 180).astype(np.uint8)
    hsv = np.stack([hues, np.full_like(hues, 150), np.where(segmentation > 0, 230, 0).astype(np.uint8)], -1)
    return cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)


def _overlay(sample: HandSample) -> np.ndarray:
    scale = max(1.0, TILE_PX / len(sample.rgb))
    return draw_skeleton(sample.rgb, sample.joints_px, visible=sample.visible, scale=scale)


def _with_depth(samples: list[HandSample]) -> np.ndarray:
    """Images as they are, each with its depth on the right."""
    tiles = [tile for sample in samples for tile in (sample.rgb, colour_depth(sample.depth_m))]
    return contact_sheet(tiles, columns=COLUMNS, tile_px=TILE_PX)


def _layer_tiles(samples: list[HandSample]) -> list[np.ndarray]:
    layers = [(s.rgb, colour_depth(s.depth_m), colour_parts(s.segmentation)) for s in samples[:16]]
    return [tile for three in layers for tile in three]


def _facts(manifest: Manifest, sample: HandSample, counted: int) -> dict[str, str]:
    height, width = sample.rgb.shape[:2]
    return {
        "samples": f"{manifest.num_samples} in {len(manifest.shards)} shards",
        "image": f"{width} x {height} px",
        "hand model": manifest.hand_model,
        "licences": "; ".join(manifest.licence_notes),
        "generator version": str(manifest.generator_version),
        "distributions over": f"{counted} samples",
    }


def _flexion(figure: Figure, statistics: list[SampleStatistics]) -> None:
    axes = figure.add_subplot()
    flexion = np.stack([s.flexion_deg for s in statistics])
    for finger, name in enumerate(FINGERS):
        red, green, blue = (level / 255 for level in FINGER_COLOURS[finger])
        bins = list(range(0, 300, 12))
        axes.hist(flexion[:, finger], bins=bins, histtype="step", color=(red, green, blue), label=name)
    axes.set_xlabel("total bend, degrees")
    axes.legend(fontsize=7)


def _palm_direction(figure: Figure, statistics: list[SampleStatistics]) -> None:
    axes = figure.add_subplot()
    palm = np.stack([s.palm_cam for s in statistics])
    axes.scatter(palm[:, 0], -palm[:, 1], c=-palm[:, 2], s=4, cmap="coolwarm")
    axes.set(aspect="equal", xlim=(-1.05, 1.05), ylim=(-1.05, 1.05))
    axes.set_xlabel("palm to the right; red: palm, blue: back seen")


def _joint_places(figure: Figure, statistics: list[SampleStatistics]) -> None:
    axes = figure.add_subplot()
    places = np.concatenate([s.joints_share for s in statistics])
    axes.hist2d(places[:, 0], 1 - places[:, 1], bins=40, range=[[0, 1], [0, 1]], cmap="magma")
    axes.set(aspect="equal", xlabel="image sides")


def _sizes(figure: Figure, statistics: list[SampleStatistics]) -> None:
    axes = figure.add_subplot()
    axes.hist([s.fill for s in statistics], bins=30, histtype="step", label="joints' box / image side")
    axes.hist([s.visible_share for s in statistics], bins=30, histtype="step", label="visible joints' share")
    axes.legend(fontsize=7)


PLOTS: dict[str, Callable[[Figure, list[SampleStatistics]], None]] = {
    "flexion by finger": _flexion,
    "palm direction": _palm_direction,
    "where joints lie": _joint_places,
    "size and visibility": _sizes,
}


def _plot(draw: Callable[[Figure, list[SampleStatistics]], None], statistics: list[SampleStatistics]) -> str:
    figure = Figure(figsize=(4, 3.2), layout="constrained")
    draw(figure, statistics)
    buffer = io.BytesIO()
    FigureCanvasAgg(figure).print_png(buffer)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def _jpeg_uri(image: np.ndarray) -> str:
    return "data:image/jpeg;base64," + base64.b64encode(_jpeg(image)).decode()


def _jpeg(image: np.ndarray) -> bytes:
    encoded = cv2.imencode(".jpg", np.ascontiguousarray(image[..., ::-1]), [cv2.IMWRITE_JPEG_QUALITY, 88])[1]
    return encoded.tobytes()


PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Dataset {{ data }}</title>
<style>body{font:15px/1.5 sans-serif;max-width:1320px;margin:2em auto;padding:0 1em;color:#222}
img{max-width:100%}table{border-collapse:collapse;font-size:13px}td{padding:1px 10px 1px 0;vertical-align:top}
.row{display:flex;flex-wrap:wrap;gap:1.5em}h2{margin-top:1.6em}h3{margin:.3em 0}
.bar{background:#69c;height:.7em;display:inline-block}</style>
<h1>Dataset {{ data }}</h1>
<table>{% for name, value in facts.items() %}<tr><td><b>{{ name }}</b></td><td>{{ value }}</td></tr>{% endfor %}</table>
<h2>Images with their joints</h2><p>Hollow dots are hidden joints.</p><img alt="contact sheet" src="{{ sheet }}">
<h2>Image, depth, parts</h2><p>Depth: near is red, black is no measurement.</p><img alt="layers" src="{{ layers }}">
<h2>Distributions</h2><div class="row">{% for title, uri in plots %}
<div><h3>{{ title }}</h3><img alt="{{ title }}" src="{{ uri }}"></div>{% endfor %}</div>
<h2>What was drawn</h2><div class="row">{% for key, rows, total in tables %}{% if rows %}<div><h3>{{ key }}</h3><table>
{% for name, count in rows %}<tr><td>{{ name }}</td><td>{{ count }}</td>
<td><span class="bar" style="width:{{ 120 * count // total }}px"></span></td></tr>{% endfor %}</table></div>
{% endif %}{% endfor %}</div></html>
"""

main = stage_main("preview", PreviewConfig, preview)

if __name__ == "__main__":
    raise SystemExit(main())
