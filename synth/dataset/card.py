"""``handbridge card``: README.md of a dataset, which says what it holds, on which terms, and where it is one-sided.

``generate`` writes it at the end. It is made from the manifest and from counted samples alone, without date or machine,
so that the same dataset has the same card; ``verify`` does not look at it.
"""

import platform
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from synth.common.config import check, option, required, stage_main
from synth.common.conventions import LEFT
from synth.common.files import require_writable, written_atomically
from synth.common.licences import terms_of_scene
from synth.common.nested import flat
from synth.common.subsample import evenly_spaced
from synth.dataset.card_biases import known_biases
from synth.dataset.card_counts import Census, take_census
from synth.dataset.manifest import Manifest
from synth.dataset.shards import SampleStore

CARD_FILE = "README.md"
QUICK_COUNT = 100
"""Samples that ``generate`` counts, in a fraction of a second; the verb counts more."""
MOST_KINDS = 12
MOST_VIEWS = 6
COMMAND_WIDTH = 100
PHOTO_SHARE = "scene.photo_background_share"
"""The one share that counts only with another option, and that the samples note as a kind."""
PACKAGES = ("handbridge", "numpy", "torch", "numba", "opencv-python-headless", "simplejpeg")


@dataclass
class CardConfig:
    """Write README.md of a dataset: hand, licences, factors, statistics, known biases, command and versions."""

    data: str = required("folder of the dataset")
    num_counted: int = option(2000, "samples that the statistics are counted over, spread evenly")

    def __post_init__(self) -> None:
        check(self.num_counted > 0, "num_counted", self.num_counted, "above 0")


def card(cfg: CardConfig) -> Path:
    """Write the card into the dataset's folder and return its path.

    Raises:
        FileNotFoundError: when the dataset is missing.
        ValueError: when it is damaged or its folder cannot be written.
    """
    store = SampleStore(cfg.data)
    file = require_writable(cfg.data, "data") / CARD_FILE
    census = take_census(store[position] for position in evenly_spaced(len(store), cfg.num_counted))
    with written_atomically(file) as partial:
        partial.write_text(card_text(store.manifest, census), encoding="utf-8")
    return file


def card_text(manifest: Manifest, census: Census) -> str:
    """The card in Markdown."""
    sections = {
        "Hand and licences": licence_lines(manifest),
        "Factors": _factors(manifest, census),
        "Statistics": _statistics(census),
        "What was drawn": _drawn(census),
        "Gestures and views": _gesture_views(manifest, census),
        "Known biases": [f"- {line}" for line in known_biases(manifest, census)],
        "How it was made": _origin(manifest),
    }
    lines = ["# Rendered hands", "", *_opening(manifest, census)]
    for title, body in sections.items():
        lines += ["", f"## {title}", "", *body]
    return "\n".join(lines) + "\n"


def command(manifest: Manifest) -> str:
    """The command that makes the dataset anew, every option written out: defaults may change, a dataset does not."""
    lines = ["handbridge generate out=DIR"]
    for key, value in flat(manifest.config):
        word = f"{key}={shlex.quote(_as_option(value))}"
        if len(lines) == 1 or len(lines[-1]) + len(word) > COMMAND_WIDTH:
            lines.append(word)
        else:
            lines[-1] += f" {word}"
    return " \\\n  ".join(lines)


def licence_lines(manifest: Manifest) -> Iterator[str]:
    """Terms of the hand and of all that is seen with it, as far as the manifest knows, as items of a list."""
    yield f"- name of the hand model: `{manifest.hand_model}`"
    known = dict.fromkeys([*manifest.licence_notes, *terms_of_scene(manifest.config)])
    yield from (f"- {note}" for note in known)


def _opening(manifest: Manifest, census: Census) -> Iterator[str]:
    size = manifest.config.get("image_size")
    hands = f"{100 * census.handedness[LEFT] / census.num_counted:.0f} % left hands"
    yield f"{manifest.num_samples} images of one hand each{f', {size} x {size} px' if size else ''}, with depth, parts,"
    yield f"21 joints, pose and shape. {hands}. All are rendered; nobody was photographed for them."
    yield ""
    yield f"The statistics are counted over {census.num_counted} samples, spread evenly."


def _factors(manifest: Manifest, census: Census) -> Iterator[str]:
    """Every option that is a share, as it was asked for and as it was found."""
    found = {key: f"{100 * count / census.num_counted:.1f} %" for key, count in census.presence.items()}
    asked = [(k, v) for k, v in flat(manifest.config) if k.endswith("_share") and isinstance(v, int | float)]
    rows = []
    for key, share in asked:
        name = key.rpartition(".")[2].removesuffix("_share")
        seen = _photos(manifest, census) if key == PHOTO_SHARE else found.pop(name, "not noted in the samples")
        rows.append((f"`{key}`", f"{100 * share:g} %", seen))
    rows += [(f"`{name}`", "not an option", share) for name, share in found.items()]
    yield from _table(("factor", "asked for", "found"), rows)
    yield ""
    yield f"Depth sensor: `{manifest.config.get('depth_sensor', 'unknown')}`. All other options stand in the command."


def _photos(manifest: Manifest, census: Census) -> str:
    if not manifest.config.get("background_dir"):
        return "off without background_dir"
    return f"{100 * sum(share for kind, share in census.shares('background') if kind.startswith('photo')):.1f} %"


def _statistics(census: Census) -> Iterator[str]:
    rows = []
    for label, values in sorted(census.numbers.items()):
        marks = np.quantile(values, [0, 0.05, 0.5, 0.95, 1])
        rows.append((label, *(f"{mark:.3g}" for mark in marks)))
    yield from _table(("of each sample", "least", "5 %", "median", "95 %", "most"), rows)


def _drawn(census: Census) -> Iterator[str]:
    rows = []
    for key in census.kinds:
        shares = census.shares(key)
        named = [f"{kind} {100 * share:.1f} %" for kind, share in shares[:MOST_KINDS]]
        rest = shares[MOST_KINDS:]
        if rest:
            named.append(f"{len(rest)} others {100 * sum(share for _, share in rest):.1f} %")
        rows.append((key, str(len(shares)), ", ".join(named)))
    yield from _table(("what", "kinds", "shares"), rows)


def _gesture_views(manifest: Manifest, census: Census) -> Iterator[str]:
    """Named gestures, the most frequent first, with their views as they were found and asked for."""
    if not census.gesture_views:
        yield "No named gesture is among the samples counted."
        return
    rows = []
    for gesture, views in sorted(census.gesture_views.items(), key=lambda item: -item[1].total()):
        asked = manifest.gesture_views.get(gesture, {})
        named = [
            f"{view} {100 * count / views.total():.0f} %{f' ({100 * asked.get(view, 0):.0f} %)' if asked else ''}"
            for view, count in views.most_common(MOST_VIEWS)
        ]
        rest = len(views) - MOST_VIEWS
        named += [f"{rest} others"] if rest > 0 else []
        rows.append((gesture, f"{100 * views.total() / census.num_counted:.1f} %", ", ".join(named)))
    yield from _table(("gesture", "of all samples", "views found (asked for)"), rows)


def _origin(manifest: Manifest) -> Iterator[str]:
    yield from ("```sh", command(manifest), "```", "")
    yield f"- generator version {manifest.generator_version}, format version {manifest.format_version}"
    yield f"- this card: Python {platform.python_version()}, {', '.join(_versions(manifest))}"
    yield f"- {len(manifest.shards)} shards; their SHA-256 stand in `manifest.json`"


def _versions(manifest: Manifest) -> Iterator[str]:
    for package in (*PACKAGES, "smplx") if manifest.config.get("skinning") == "smplx" else PACKAGES:
        try:
            yield f"{package} {version(package)}"
        except PackageNotFoundError:
            yield f"{package} (not installed as a package)"


def _as_option(value: Any) -> str:
    """A value as the command line takes it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return f"[{','.join(_as_option(item) for item in value)}]"
    return "null" if value is None else "{}" if value == {} else str(value)


def _table(header: tuple[str, ...], rows: list[tuple[str, ...]]) -> Iterator[str]:
    for row in (header, ("---",) * len(header), *rows):
        yield f"| {' | '.join(row)} |"


main = stage_main("card", CardConfig, card)

if __name__ == "__main__":
    raise SystemExit(main())
