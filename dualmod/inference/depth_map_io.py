"""Depth maps beside photos: which file belongs to a photo, and its values in metres."""

from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Float

DEPTH_SUFFIXES = (".png", ".npy")


def depth_file_of(below: Path, depth: Path) -> Path:
    """The depth map of a photo: ``depth`` itself, or the file of the photo's place and name in the folder ``depth``.

    Args:
        below: The photo's path below the folder that holds all photos.
        depth: A file, which is the one photo's, or a folder.

    Raises:
        FileNotFoundError: when the folder holds none.
    """
    if not depth.is_dir():
        return depth
    names = [str(below.with_suffix(suffix)) for suffix in DEPTH_SUFFIXES]
    found = next((depth / name for name in names if (depth / name).is_file()), None)
    if found is None:
        raise FileNotFoundError(f"no depth map: neither {' nor '.join(names)} is in {depth}")
    return found


def read_depth(path: Path, scale_m: float, size_px: tuple[int, int]) -> Float[np.ndarray, "height width"]:
    """A depth map in metres, 0 where nothing was measured.

    Args:
        path: 16-bit PNG, or .npy in metres.
        scale_m: Metres for one step of a PNG.
        size_px: Width and height of its photo.

    Raises:
        ValueError: when it cannot be read, is no depth map, or does not have the photo's size.
    """
    depth_m = _read_array(path) if path.suffix == ".npy" else _read_png(path, scale_m)
    if depth_m.shape != size_px[::-1]:
        height, width = depth_m.shape
        raise ValueError(
            f"depth map {path} has {width} x {height} px, its photo {size_px[0]} x {size_px[1]}; align them first"
        )
    return np.where(np.isfinite(depth_m) & (depth_m > 0), depth_m, 0)


def _read_array(path: Path) -> np.ndarray:
    try:
        values = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise ValueError(f"depth map {path} cannot be read as .npy ({error}); save it with numpy.save") from error
    if not isinstance(values, np.ndarray) or values.ndim != 2 or values.dtype.kind != "f":
        raise ValueError(f"depth map {path} is no array of floats in rows and columns; save metres as float32")
    return values.astype(np.float64)


def _read_png(path: Path, scale_m: float) -> np.ndarray:
    try:
        data = np.frombuffer(path.read_bytes(), np.uint8)
    except OSError as error:
        raise ValueError(f"depth map {path} cannot be read ({error.strerror}); restore it") from error
    values = cv2.imdecode(data, cv2.IMREAD_UNCHANGED) if len(data) else None
    if values is None or values.dtype != np.uint16 or values.ndim != 2:
        kind = "no image" if values is None else f"{values.dtype} with {values.shape[2:] or (1,)} channels"
        raise ValueError(f"depth map {path} is no 16-bit grey PNG ({kind}); save depth in 16 bits, or metres as .npy")
    return values * scale_m
