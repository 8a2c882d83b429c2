"""What the page says beside its pictures: numbers of a look, and the states without one. Text is escaped."""

from typing import Any

from jinja2 import Environment

from dualmod.inference.predictor import HandEstimates
from handbridge.demo.inference import Looked

PARTS = {
    "decode": "read the file",
    "locate": "find the hand",
    "network": "network",
    "network before": "network before adaptation",
    "draw": "draw",
}
WELCOME_TITLE = "Give a photograph of a hand"
WELCOME = "Drop a file on the left, take a picture with the camera, or start with one of the rendered hands."
TYPICAL_CONFIDENCE = "most hands in photographs 0.05 to 0.20"

PAGE: Any = Environment(autoescape=True).from_string(
    """
<div class="hb-numbers">
{% for hand in hands %}<div class="hb-hand"><b>{{ hand.name }} hand</b><span>{{ hand.sure }}</span></div>{% endfor %}
<table>
<tr><th></th><th>{{ columns[0] }}</th>{% if before %}<th>{{ columns[1] }}</th>{% endif %}</tr>
{% for row in rows %}<tr><td>{{ row.name }}{% if row.note %}<small>{{ row.note }}</small>{% endif %}</td>
<td>{{ row.after }}</td>{% if before %}<td>{{ row.before }}</td>{% endif %}</tr>{% endfor %}
</table>
<table>
<tr><th>time by part</th><th>ms</th></tr>
{% for name, ms in times %}<tr><td>{{ name }}</td><td>{{ ms }}</td></tr>{% endfor %}
<tr class="hb-sum"><td>together</td><td>{{ total }}</td></tr>
</table>
<p class="hb-soft">{{ foot }}</p>
</div>
"""
)
STATE: Any = Environment(autoescape=True).from_string(
    """<div class="hb-state hb-{{ kind }}" role="{{ role }}"><b>{{ title }}</b><p>{{ text }}</p></div>"""
)


def welcome() -> str:
    """The state without a photo."""
    return STATE.render(kind="empty", role="status", title=WELCOME_TITLE, text=WELCOME)


def trouble(text: str) -> str:
    """The state in which a photo or a box is of no use; ``text`` says why and what to do."""
    return STATE.render(kind="trouble", role="alert", title="Nothing to show", text=text)


def numbers(looked: Looked, seconds: dict[str, float]) -> str:
    """Handedness with its probability, confidence and milliseconds by part, as a piece of HTML.

    Args:
        looked: What was seen.
        seconds: Seconds by part, drawing included.
    """
    before, count = looked.before, len(looked.hands)
    parts = [(PARTS[name], _ms(value)) for name, value in seconds.items()]
    found_by = "the box given" if looked.is_box_given else f"found with score {looked.hands[0].score:.2f}"
    others = f"; details are of the surest of {count} hands" if count > 1 else ""
    return PAGE.render(
        hands=[{"name": _name(looked.after, k).capitalize(), "sure": _sure(looked.after, k)} for k in range(count)],
        columns=("adapted", "before") if before else ("value", ""),
        before=before is not None,
        rows=[
            {"name": name, "note": note, "after": value(looked.after), "before": value(before) if before else ""}
            for name, note, value in VALUES
        ],
        times=parts,
        total=_ms(sum(seconds.values())),
        foot=f"Photo {looked.photo.size_in_words()}; {found_by}{others}.",
    )  # fmt: skip


def _name(estimates: HandEstimates, row: int) -> str:
    return "left" if estimates.mirrored[row] else "right"


def _sure(estimates: HandEstimates, row: int) -> str:
    """Probability of the hand that was taken, as a whole percentage that is never 100."""
    right = float(estimates.right_probability[row])
    share = 1 - right if estimates.mirrored[row] else right
    return f"{min(99, round(100 * share))} %"


def _ms(seconds: float) -> str:
    return f"{1000 * seconds:.0f}" if seconds >= 0.01 else f"{1000 * seconds:.1f}"


VALUES = (
    ("taken for", "", lambda e: _name(e, 0)),
    ("probability of it", "", lambda e: _sure(e, 0)),
    ("confidence, mean of 21 joints", TYPICAL_CONFIDENCE, lambda e: f"{e.confidence[0].mean():.2f}"),
    ("confidence, least sure joint", "", lambda e: f"{e.confidence[0].min():.2f}"),
)
"""Name, note, and how a network's estimate of the first hand is shown."""
