"""A folder of meshes as things: reading them, checking them, and bringing them to a size that costs little."""

import logging
import zipfile
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import trimesh

from synth.common.files import require_folder
from synth.scene.objects.object_mesh import Thing, face_normals, make_thing

SUFFIXES = (".ply", ".obj", ".glb", ".stl", ".off", ".npz")
MAX_FACES = 3000
"""Finer meshes are made coarser: at a few hundred pixels nobody sees the difference, and each face costs time."""
CELLS = (48, 40, 32, 24, 16, 10)
"""Cells along the longest side of a grid whose vertices are merged, tried in turn."""
LIKELY_SIZE_M = (0.015, 0.6)
TAKEN_AS_M = 0.15
"""A longest side outside ``LIKELY_SIZE_M`` is a file in another unit: the thing gets this size."""
TEXTURE_PX = 128


def list_meshes(folder: str, key: str) -> list[Path]:
    """The meshes of a folder and the folders in it, sorted by path.

    Raises:
        FileNotFoundError: when the folder is missing or holds none.
    """
    root = require_folder(folder, key)
    files = sorted(f for f in root.rglob("*") if f.suffix.lower() in SUFFIXES and f.is_file())
    if not files:
        raise FileNotFoundError(f"{key}={root} holds no mesh ({', '.join(SUFFIXES)}); choose another folder")
    return files


def check_meshes(files: list[Path], key: str) -> None:
    """Read each mesh once.

    Raises:
        ValueError: one line that names the first file that cannot be used, and why.
    """
    for file in files:
        try:
            read_mesh(file)
        except ValueError as error:
            raise ValueError(f"{key}: {error}; mend or delete it") from error


class Meshes:
    """The meshes ``files``; each is read when it is first drawn."""

    def __init__(self, files: list[Path]):
        self._files = files
        self._read: dict[int, Thing] = {}

    def sample(self, rng: np.random.Generator) -> Thing:
        """One of them."""
        index = int(rng.integers(len(self._files)))
        if index not in self._read:
            self._read[index] = read_mesh(self._files[index])
        return self._read[index]


def read_mesh(file: Path) -> Thing:
    """One mesh as a thing: ``.npz`` with ``verts`` (metres), ``faces`` and perhaps ``rgb`` (bytes), or what trimesh
    reads.

    Raises:
        ValueError: one line with the file and what is wrong with it.
    """
    verts, faces, looks = _npz(file) if file.suffix.lower() == ".npz" else _trimesh(file)
    _check_arrays(file, verts, faces)
    if len(faces) > MAX_FACES:
        looks.pop("uv", None)
        looks.pop("texture", None)
        verts, faces, looks = _coarser(verts, faces, looks)
    side_m = float(np.ptp(verts[faces].reshape(-1, 3), axis=0).max())
    if not LIKELY_SIZE_M[0] <= side_m <= LIKELY_SIZE_M[1]:
        verts = verts * (TAKEN_AS_M / side_m)
    colours = looks.get("colours")
    if colours is not None and "texture" not in looks and np.ptp(colours, axis=0).max() < 1 / 255:
        looks["colours"] = None  # one grey is what writers put where there is no colour
    verts, faces, looks = _closed(verts, faces, looks)
    return make_thing(f"mesh:{file.stem}", verts, faces, **looks)


def _npz(file: Path) -> tuple[np.ndarray, np.ndarray, dict[str, Any]]:
    try:
        with np.load(file, allow_pickle=False) as arrays:
            found = {key: arrays[key] for key in ("verts", "faces", "rgb") if key in arrays}
    except (OSError, ValueError, zipfile.BadZipFile, EOFError) as error:
        raise ValueError(f"{file} cannot be read as a mesh") from error
    lacks = [key for key in ("verts", "faces") if key not in found]
    if lacks:
        raise ValueError(f"{file} has no array {' and no '.join(lacks)}")
    rgb = found.get("rgb")
    if rgb is not None and rgb.shape != found["verts"].shape:
        raise ValueError(f"{file}: rgb has shape {rgb.shape}, and it must be {found['verts'].shape} like verts")
    colours = None if rgb is None else _linear(rgb if rgb.dtype == np.uint8 else 255 * rgb.astype(float))
    return found["verts"], found["faces"], {"colours": colours}


def _trimesh(file: Path) -> tuple[np.ndarray, np.ndarray, dict[str, Any]]:
    log = logging.getLogger("trimesh")
    level = log.level
    log.setLevel(logging.CRITICAL)  # what is wrong is said in one line, not in its own traceback
    try:
        mesh = trimesh.load_mesh(file)
    except Exception as error:  # each of its readers fails in a way of its own
        raise ValueError(f"{file} cannot be read as a mesh") from error
    finally:
        log.setLevel(level)
    if not isinstance(mesh, trimesh.Trimesh):
        raise ValueError(f"{file} holds no triangles")
    return np.asarray(mesh.vertices, float), np.asarray(mesh.faces), _looks(mesh)


def _looks(mesh: trimesh.Trimesh) -> dict[str, Any]:
    """Colours of the vertices, and texture with its coordinates where both fit."""
    visual: Any = mesh.visual
    if visual is None or not visual.defined:
        return {}
    if visual.kind != "texture":
        return {"colours": _linear(np.asarray(visual.vertex_colors)[:, :3])}
    material, uv = visual.material, visual.uv
    picture = getattr(material, "baseColorTexture", None) or getattr(material, "image", None)
    if picture is None or uv is None or len(uv) != len(mesh.vertices) or not np.isfinite(uv).all():
        main = np.asarray(material.main_color)[:3]
        return {"colours": _linear(np.tile(main, (len(mesh.vertices), 1)))}
    rgb = np.asarray(picture.convert("RGB"))
    fits = uv.min() >= -1e-3 and uv.max() <= 1 + 1e-3
    uv = np.clip(uv, 0, 1) if fits else uv % 1
    at = (np.stack([1 - uv[:, 1], uv[:, 0]], 1) * (np.array(rgb.shape[:2]) - 1)).astype(int)
    looks: dict[str, Any] = {"colours": _linear(rgb[at[:, 0], at[:, 1]])}
    if fits:  # a mesh that repeats its picture gets colours at vertices only
        looks |= {"uv": uv, "texture": cv2.resize(rgb, (TEXTURE_PX,) * 2, interpolation=cv2.INTER_AREA)}
    return looks


def _check_arrays(file: Path, verts: np.ndarray, faces: np.ndarray) -> None:
    if verts.ndim != 2 or verts.shape[1] != 3 or len(verts) == 0:
        raise ValueError(f"{file}: vertices have shape {verts.shape}, and it must be (vertices, 3)")
    if faces.ndim != 2 or faces.shape[1] != 3 or len(faces) == 0:
        raise ValueError(f"{file} has no faces")
    if not np.isfinite(verts).all():
        raise ValueError(f"{file} has a vertex that is nan or inf")
    if not np.issubdtype(faces.dtype, np.integer) or faces.min() < 0 or faces.max() >= len(verts):
        raise ValueError(f"{file} has a face with a vertex that does not exist")
    if not np.ptp(verts[faces].reshape(-1, 3), axis=0).max() > 0:
        raise ValueError(f"{file} has faces without any extent")


def _coarser(
    verts: np.ndarray, faces: np.ndarray, looks: dict[str, Any]
) -> tuple[np.ndarray, np.ndarray, dict[str, Any]]:
    """Vertices of one grid cell merged into their mean (Rossignac and Borrel 1993), colours too."""
    low, side = verts.min(0), float(np.ptp(verts, axis=0).max())
    for cells in CELLS:
        grid = np.floor((verts - low) / side * cells).astype(np.int64)
        ids = np.unique(grid, axis=0, return_inverse=True)[1].ravel()
        merged = ids[faces]
        merged = merged[(merged != np.roll(merged, 1, 1)).all(1)]
        if len(merged) <= MAX_FACES:
            break
    count = np.bincount(ids)[:, None]
    mean = {k: np.stack([np.bincount(ids, c) for c in v.T], 1) / count for k, v in looks.items() if v is not None}
    return np.stack([np.bincount(ids, c) for c in verts.T], 1) / count, merged[:MAX_FACES], mean


def _closed(
    verts: np.ndarray, faces: np.ndarray, looks: dict[str, Any]
) -> tuple[np.ndarray, np.ndarray, dict[str, Any]]:
    """Faces all turned outwards; a mesh that does not close gets each face a second time, from behind.

    Renderers leave out what is seen from behind.
    """
    places, ids = np.unique(verts, axis=0, return_inverse=True)  # seams are open in the file only
    mesh = trimesh.Trimesh(places, ids.ravel()[faces], process=False)
    if mesh.is_watertight:
        given = face_normals(verts, faces)
        trimesh.repair.fix_normals(mesh)
        is_inside_out = (face_normals(places, np.asarray(mesh.faces)) * given).sum(1) < 0
        return verts, np.where(is_inside_out[:, None], faces[:, ::-1], faces), looks
    behind = faces[:, ::-1] + len(verts)
    both = {k: np.concatenate([v, v]) if k != "texture" and v is not None else v for k, v in looks.items()}
    return np.concatenate([verts, verts]), np.concatenate([faces, behind]), both


def _linear(rgb: np.ndarray) -> np.ndarray:
    """Linear values of sRGB ones in [0, 255]."""
    return np.clip(rgb / 255.0, 0, 1) ** 2.2
