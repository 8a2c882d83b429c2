"""Photos as people have them: which files an input means, and each one decoded upright or refused with a reason.

The header is read first (size, orientation), so that a file too large is refused before its pixels take memory.
"""

import warnings
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image, UnidentifiedImageError

from dualmod.data.image_collections import IMAGE_SUFFIXES, read_image
from dualmod.data.video import VIDEO_SUFFIXES

SMALLEST_SIDE_PX = 16
LARGEST_SIDE_PX = 32_000
LARGEST_MEGAPIXELS = 150
"""A decoded photo takes 3 bytes a pixel; OpenCV's warps end at sides of 32,767 px."""
EXIF_ORIENTATION = 0x0112
UPRIGHT = 1
HEIC_BRANDS = (b"heic", b"heix", b"hevc", b"mif1", b"msf1", b"heim", b"heis")
CHARACTERS_OF_A_GLOB = "*?["


@dataclass(frozen=True)
class Photo:
    """A decoded photo.

    Attributes:
        pixels: sRGB, upright as viewers show it.
        exif_orientation: What the file said, 1 to 8; 1 where the stored pixels are upright.
    """

    pixels: UInt8[np.ndarray, "height width 3"]
    exif_orientation: int


@dataclass(frozen=True)
class PhotoFile:
    """A file to predict on.

    Attributes:
        path: The file.
        below: Its path below the input's folder.
        name: What its results are called: ``below``, without the suffix where that is unique.
    """

    path: Path
    below: Path
    name: str


@dataclass(frozen=True)
class Skipped:
    """A file that gave no result, and why."""

    file: str
    reason: str


def photo_files(source: str, without: Path, reserved: frozenset[str]) -> tuple[list[PhotoFile], list[Skipped]]:
    """The photos that ``source`` names in the order of their paths, and the files there that are no photos.

    Args:
        source: A photo, a folder (with all folders below it) or a glob.
        without: Folder whose files don't count: the one that results go to.
        reserved: Names that results must not take.

    Raises:
        FileNotFoundError: when there is no such file or folder, or nothing matches.
        ValueError: when a folder holds no photo.
    """
    path = Path(source).expanduser()
    if path.is_file():
        return named([Path(path.name)], path.parent, reserved), []
    if path.is_dir():
        base, found = path, [p for p in path.rglob("*") if p.is_file()]
    elif any(c in source for c in CHARACTERS_OF_A_GLOB):
        base, pattern = _split_glob(path)
        found = [p for p in base.glob(pattern) if p.is_file()]
        if not found:
            raise FileNotFoundError(f"input={source}: no file matches; quote the pattern, so that the shell keeps it")
    else:
        raise FileNotFoundError(f"input={source} does not exist; give a photo, a folder, a video or a quoted glob")
    found = [p for p in sorted(found) if not _is_hidden(p.relative_to(base)) and without not in p.resolve().parents]
    photos = [p for p in found if p.suffix.lower() in IMAGE_SUFFIXES]
    skipped = [Skipped(str(p), _no_photo(p)) for p in found if p.suffix.lower() not in IMAGE_SUFFIXES]
    if not photos:
        raise ValueError(f"input={source} holds no photo among {len(found)} files; photos end in {_legal()}")
    return named([p.relative_to(base) for p in photos], base, reserved), skipped


def named(below: list[Path], base: Path, reserved: frozenset[str]) -> list[PhotoFile]:
    """Files with names for their results, all different on any file system; a name that is taken keeps its suffix."""
    short = [str(path.with_suffix("")) for path in below]
    taken = Counter(name.lower() for name in short)
    taken.update(reserved)
    taken.update({str(path).lower() for path in below})  # a.jpg.png must not be called as a.jpg may be
    return [
        PhotoFile(base / path, path, name if taken[name.lower()] == 1 else str(path))
        for path, name in zip(below, short, strict=True)
    ]


def read_photo(path: Path) -> Photo:
    """A photo, upright. Grey, 16-bit and transparent ones are converted (transparency is dropped).

    Raises:
        ValueError: when it cannot be read, is no image, or is too small or too large; one line with what to do.
    """
    (width, height), orientation = _header(path)
    if min(width, height) < SMALLEST_SIDE_PX:
        raise ValueError(f"{width} x {height} px are too few to show a hand; {SMALLEST_SIDE_PX} px a side at least")
    if max(width, height) > LARGEST_SIDE_PX or width * height > LARGEST_MEGAPIXELS * 1e6:
        raise ValueError(
            f"{width} x {height} px are too many: {LARGEST_MEGAPIXELS} megapixels and {LARGEST_SIDE_PX} px a side at "
            f"most; shrink the photo"
        )
    return Photo(read_image(path), orientation)


def _header(path: Path) -> tuple[tuple[int, int], int]:
    """Stored width and height, and the orientation, without decoding."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # our own limit comes after
            with Image.open(path) as header:
                # Pillow decodes a whole PNG to look for its EXIF behind the pixels
                is_quick = header.format != "PNG" or "exif" in header.info
                said = header.getexif().get(EXIF_ORIENTATION, UPRIGHT) if is_quick else UPRIGHT
                return header.size, said if said in range(1, 9) else UPRIGHT  # some cameras write 0
    except Image.DecompressionBombError as error:
        raise ValueError(f"too many pixels ({error}); {LARGEST_MEGAPIXELS} megapixels at most: shrink it") from error
    except UnidentifiedImageError as error:
        raise ValueError(_unknown_content(path)) from error
    except (OSError, SyntaxError, ValueError) as error:  # Pillow's plugins raise any of them on damaged headers
        reason = getattr(error, "strerror", None) or str(error)
        raise ValueError(f"cannot be read ({reason}); restore or remove it") from error


def _unknown_content(path: Path) -> str:
    with path.open("rb") as file:
        start = file.read(12)
    if start[4:8] == b"ftyp" and start[8:12] in HEIC_BRANDS:
        return "HEIC is not read; save it as JPEG (phones: camera settings, most compatible format)"
    if not start:
        return "the file is empty; restore or remove it"
    return "its content is no image, whatever its name says; photos are JPEG, PNG, WebP, BMP or TIFF"


def _no_photo(path: Path) -> str:
    suffix = path.suffix.lower()
    if suffix in VIDEO_SUFFIXES:
        return "a video; give it alone as input"
    if suffix in (".heic", ".heif"):
        return "HEIC is not read; save it as JPEG"
    return f"its name ends in {suffix or 'no suffix'}; photos end in {_legal()}"


def _legal() -> str:
    return ", ".join(IMAGE_SUFFIXES)


def _is_hidden(below: Path) -> bool:
    return any(part.startswith(".") for part in below.parts)


def _split_glob(pattern: Path) -> tuple[Path, str]:
    """The folder that every match of a glob is in, and the rest of the pattern."""
    parts = pattern.parts
    first = next(k for k, part in enumerate(parts) if any(c in part for c in CHARACTERS_OF_A_GLOB))
    return Path(*parts[:first]), str(Path(*parts[first:]))
