"""Things made by rule, of the size of what hands hold, and the colours of things that have none of their own."""

from dataclasses import dataclass, replace

import numpy as np
import trimesh
from jaxtyping import Float

from synth.scene.backgrounds.procedural import PAINTERS, random_colour
from synth.scene.objects.object_mesh import Thing, make_thing

SECTIONS = 24
PICTURE_PX = 64
PICTURES = ("pattern", "clutter", "shelves", "noise")
PICTURE_SHARE = 0.45


@dataclass(frozen=True)
class Kind:
    """Ranges of a kind's extent along its three axes in metres; ``is_round`` ones have the same across both."""

    low_m: tuple[float, float, float]
    high_m: tuple[float, float, float]
    is_round: bool
    weight: float


KINDS = {
    "box": Kind((0.05, 0.03, 0.012), (0.16, 0.09, 0.06), False, 1.0),
    "cylinder": Kind((0.06, 0.018, 0.018), (0.2, 0.07, 0.07), True, 1.0),
    "sphere": Kind((0.03, 0.03, 0.03), (0.08, 0.08, 0.08), True, 0.6),
    "bottle": Kind((0.13, 0.04, 0.04), (0.24, 0.075, 0.075), True, 1.0),
    "pen": Kind((0.12, 0.007, 0.007), (0.16, 0.013, 0.013), True, 1.0),
    "phone": Kind((0.13, 0.064, 0.007), (0.165, 0.08, 0.011), False, 1.2),
}
LATHES = {
    "cylinder": [(0, -0.5), (0.5, -0.5), (0.5, -0.2), (0.5, 0.2), (0.5, 0.5), (0, 0.5)],
    "bottle": [(0, -0.5), (0.46, -0.5), (0.5, -0.46), (0.5, -0.2), (0.5, 0.08), (0.42, 0.19), (0.2, 0.3), (0.17, 0.36),
               (0.2, 0.38), (0.2, 0.5), (0, 0.5)],
    "pen": [(0, -0.5), (0.15, -0.49), (0.5, -0.4), (0.5, 0), (0.5, 0.42), (0.4, 0.5), (0, 0.5)],
}  # fmt: skip
"""Outlines that are turned about an axis: radius and place along it, for a diameter and length of 1."""


class ProceduralThings:
    """Draws things of ``KINDS``."""

    def __init__(self) -> None:
        self._unit = {name: _unit_thing(name) for name in KINDS}
        weights = np.array([kind.weight for kind in KINDS.values()])
        self._shares = weights / weights.sum()

    def sample(self, rng: np.random.Generator) -> Thing:
        """One of them, without colour."""
        name = list(KINDS)[rng.choice(len(KINDS), p=self._shares)]
        kind = KINDS[name]
        size_m = rng.uniform(kind.low_m, kind.high_m)
        if kind.is_round:
            size_m[2] = size_m[1]
        if name == "sphere":
            size_m[:] = size_m[0]
        return self._unit[name].scaled(np.sort(size_m)[::-1])


def dressed(rng: np.random.Generator, thing: Thing) -> Thing:
    """The thing with colours: its own under a random tint, or a plain colour or a painted picture."""
    if thing.colours is not None:
        factor = rng.uniform(0.6, 1.2) * np.exp(rng.normal(size=3) * 0.05)
        return replace(thing, colours=np.clip(thing.colours * factor, 0, 1))
    if rng.random() >= PICTURE_SHARE:
        return replace(thing, colours=np.tile(_linear(random_colour(rng)), (len(thing.verts), 1)))
    picture = PAINTERS[str(rng.choice(PICTURES))](rng, PICTURE_PX)
    mean = _linear(picture.mean((0, 1)))
    return replace(thing, colours=np.tile(mean, (len(thing.verts), 1)), texture=picture)


def _unit_thing(name: str) -> Thing:
    if name in LATHES:
        mesh = trimesh.creation.revolve(np.array(LATHES[name], float) * [1.0, 4.0], sections=SECTIONS)
    elif name == "sphere":
        mesh = trimesh.creation.icosphere(2, 0.5)
    else:
        mesh = _bevelled_box(0.06 if name == "phone" else 0.02)
    thing = make_thing(name, np.asarray(mesh.vertices), np.asarray(mesh.faces))
    return thing.scaled(1 / thing.size_m)


def _bevelled_box(bevel: float) -> trimesh.Trimesh:
    """A box with its edges cut off by ``bevel`` of each side: no real edge is perfectly sharp."""
    corners = np.array([[i & 1, i >> 1 & 1, i >> 2] for i in range(8)]) - 0.5
    sides = np.array([3.0, 2.0, 1.0])
    inset = np.concatenate([corners * (1 - 2 * bevel * (1 - np.eye(3)[k])) * sides for k in range(3)])
    return trimesh.convex.convex_hull(inset)


def _linear(srgb: Float[np.ndarray, "3"]) -> np.ndarray:
    return np.clip(srgb / 255.0, 0.01, 1) ** 2.2
