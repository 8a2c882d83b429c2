"""Joints in space as a plotly figure in plain values, so that making it needs no plotly."""

from typing import Any

import numpy as np
from jaxtyping import Float

from synth.common.conventions import FINGERS, JOINT_NAMES, JOINT_PARENTS, NUM_JOINTS, WRIST
from synth.common.drawing import finger_colour

NEUTRAL = "#8a93a3"
"""Legible on white and on black."""
GRID = "#aab2bf"
LEAST_REACH_CM = 6.0
AXES = (("x", "right, cm"), ("y", "away, cm"), ("z", "up, cm"))
EYE = {"x": 0.4, "y": -2.0, "z": 0.5}
"""Seen from the camera's side, a little from the right and from above."""


def figure(after: Float[np.ndarray, "21 3"], before: Float[np.ndarray, "21 3"] | None = None) -> dict[str, Any]:
    """A figure that a mouse can turn.

    Args:
        after: Joints in centimetres, x right, y down, z away from the viewer.
        before: The same hand by the network before adaptation, drawn in grey; None for none.
    """
    shown = [after] if before is None else [after, before]
    points = np.concatenate([_for_viewer(joints) for joints in shown])
    middle = (points.max(0) + points.min(0)) / 2
    reach = max(LEAST_REACH_CM, float(np.abs(points - middle).max()) * 1.08)
    axes = {
        f"{name}axis": {
            "title": {"text": title, "font": {"size": 11}},
            "range": [float(at - reach), float(at + reach)],
            "showbackground": False,
            "gridcolor": GRID,
            "zeroline": False,
            "tickfont": {"size": 9},
            "nticks": 5,
        }
        for (name, title), at in zip(AXES, middle, strict=True)
    }
    traces = [] if before is None else [_all_bones(before)]
    traces += [_finger(after, finger) for finger in range(len(FINGERS))]
    layout = {
        "scene": {**axes, "aspectmode": "cube", "camera": {"eye": EYE}, "dragmode": "orbit"},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "font": {"color": NEUTRAL, "family": "system-ui, sans-serif"},
        "legend": {"orientation": "h", "x": 0.5, "xanchor": "center", "y": 0, "yanchor": "top"},
        "margin": {"l": 0, "r": 0, "t": 4, "b": 4},
        "height": 430,
        "uirevision": "keep",
    }
    return {"data": traces, "layout": layout}


def _finger(joints: np.ndarray, finger: int) -> dict[str, Any]:
    chain = [WRIST, *range(4 * finger + 1, 4 * finger + 5)]
    colour = "rgb({},{},{})".format(*finger_colour(chain[1]))
    return _trace(joints, chain, FINGERS[finger], colour, width=9, size=[5 if j == WRIST else 4 for j in chain])


def _all_bones(joints: np.ndarray) -> dict[str, Any]:
    """Every finger from the wrist outwards in one line, which goes back to the wrist before the next one."""
    walk: list[int] = []
    for tip in (j for j in range(NUM_JOINTS) if j not in JOINT_PARENTS):
        chain = [tip]
        while JOINT_PARENTS[chain[-1]] >= 0:
            chain.append(JOINT_PARENTS[chain[-1]])
        walk += [*chain[::-1], *chain[1:]]
    return _trace(joints, walk, "before adaptation", NEUTRAL, width=4, size=2)


def _trace(
    joints: np.ndarray, chain: list[int], name: str, colour: str, *, width: int, size: int | list[int]
) -> dict[str, Any]:
    x, y, z = _for_viewer(joints)[chain].round(2).T.tolist()
    return {
        "type": "scatter3d",
        "mode": "lines+markers",
        "name": name,
        "x": x,
        "y": y,
        "z": z,
        "text": [JOINT_NAMES[j].replace("_", " ") for j in chain],
        "hovertemplate": "%{text}<br>right %{x:.1f} cm, away %{y:.1f} cm, up %{z:.1f} cm<extra>" + name + "</extra>",
        "line": {"color": colour, "width": width},
        "marker": {"color": colour, "size": size},
    }


def _for_viewer(joints: np.ndarray) -> np.ndarray:
    """Camera axes as plotly's: x right, y away, z up."""
    return np.stack([joints[:, 0], joints[:, 2], -joints[:, 1]], 1)
