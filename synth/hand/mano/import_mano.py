"""``handbridge import-mano``: an official MANO pickle as an npz of plain arrays, without chumpy and without running it.

**Left hands.** In the official MANO_LEFT.pkl the x of ``shapedirs`` has the sign of the right hand, so that a left hand
grows longer where it should grow broader (smplx issue 48; others mend it with ``shapedirs[:, 0] *= -1``). The fault is
recognised by what it does to the hand, mended in what is written, and said in the output; a file without it is left as
it is. The npz holds a left hand then, as MANO means it. Where hands are rendered, ``hand=MANO_LEFT.npz`` is mirrored on
reading like every left hand: inside, all hands are right hands. MANO_RIGHT is all that the stages need.
"""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from synth.common.config import option, required, stage_main
from synth.common.files import require_file, require_writable, written_atomically
from synth.hand.arrays import NUM_BETAS
from synth.hand.mano.arrays_from_pickle import as_array
from synth.hand.mano.opcode_scan import Limits
from synth.hand.mano.safe_pickle import read_inert
from synth.hand.mirror import has_wrong_x_shapes, is_left_hand
from synth.hand.validate import MANO_HELP, NEEDED, OPTIONAL, check_arrays

MAX_BYTES = Limits().max_bytes
LICENCE = (
    "MANO (Max-Planck-Gesellschaft): non-commercial scientific research, not to be passed on; so are renders of it and "
    "networks trained on them. mano.is.tue.mpg.de/license.html"
)
NOT_PICKLES = {
    b"PK": "a zip archive: unpack it and give models/MANO_RIGHT.pkl from it",
    b"<": "a web page: log in first",
}
"""How what people download by mistake begins."""


@dataclass
class ImportManoConfig:
    """Turn an official MANO pickle into an npz of plain arrays for hand=FILE, without running any code in it."""

    file: str = required("MANO_RIGHT.pkl or MANO_LEFT.pkl from mano.is.tue.mpg.de")
    out: str = required("folder that the npz of the same name is written to")
    overwrite: bool = option(False, "replace a different npz of that name")


@dataclass(frozen=True)
class ImportedHand:
    """What was written.

    Attributes:
        path: The npz.
        handedness: Of the hand in it.
        num_verts: Its vertices.
        is_mended: The x of its ``shapedirs`` had the other hand's sign and was negated.
    """

    path: Path
    handedness: str
    num_verts: int
    is_mended: bool


def import_mano(cfg: ImportManoConfig) -> ImportedHand:
    """Read the pickle, check the hand in it, and write ``out``/STEM.npz, or nothing.

    Raises:
        FileNotFoundError: when the file does not exist.
        ValueError: when it is no pickle, is damaged, names classes that no hand needs, or holds no hand; when ``out``
            cannot be written or holds another file of that name.
    """
    path = require_file(cfg.file, "file")
    source = f"file={path}"
    found = read_mano_pickle(path, source)
    hand = check_arrays(found, source, path.stem)
    is_left = is_left_hand(hand)
    is_mended = is_left and has_wrong_x_shapes(hand)
    if is_mended:
        found["shapedirs"][:, 0] *= -1
    target = require_writable(cfg.out) / f"{path.stem}.npz"
    _write(target, found | {"license": np.array(LICENCE)}, overwrite=cfg.overwrite)
    return ImportedHand(target, "left" if is_left else "right", len(hand.v_template), is_mended)


def read_mano_pickle(path: Path, source: str) -> dict[str, np.ndarray]:
    """The arrays of a MANO pickle under their names, 10 shape coefficients.

    Args:
        path: The pickle.
        source: The same as an option (``file=PATH``), for errors.

    Raises:
        ValueError: when it is no pickle of a hand, or is damaged.
    """
    content = _content(path, source)
    missing = [key for key in NEEDED if key not in content]
    if missing:
        raise ValueError(f"{source} has no array {missing[0]}, so it is no hand of MANO; {MANO_HELP}")
    found = {}
    for key in (key for key in (*NEEDED, *OPTIONAL) if key in content):
        try:
            found[key] = as_array(content[key])
        except (ValueError, OverflowError, MemoryError) as error:
            raise ValueError(f"{source}: {key} cannot be read: {error}; get the file anew") from error
    if found["shapedirs"].ndim == 3:
        found["shapedirs"] = found["shapedirs"][:, :, :NUM_BETAS].copy()
    return found


def _content(path: Path, source: str) -> dict[str, Any]:
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise ValueError(f"{source} has {size} bytes, and an official file has 4 MB; {MANO_HELP}")
    data = path.read_bytes()
    for start, what in NOT_PICKLES.items():
        if data.lstrip().startswith(start):
            raise ValueError(f"{source} is {what}")
    try:
        content = read_inert(data)
    except ValueError as error:
        raise ValueError(f"{source} was not read: {error}; {MANO_HELP}") from error
    if not isinstance(content, dict):
        raise ValueError(f"{source} holds no named arrays, so it is no hand of MANO; {MANO_HELP}")
    return content


def _write(target: Path, arrays: dict[str, np.ndarray], *, overwrite: bool) -> None:
    with written_atomically(target) as partial:
        np.savez_compressed(partial, **arrays)  # type: ignore[arg-type]
        if target.exists() and not overwrite and target.read_bytes() != partial.read_bytes():
            raise ValueError(f"out={target.parent} holds another {target.name}; choose another out, or overwrite=true")


def run(cfg: ImportManoConfig) -> ImportedHand:
    """Import, and say what was written and how to use it.

    Raises:
        FileNotFoundError: as ``import_mano``.
        ValueError: as ``import_mano``.
    """
    hand = import_mano(cfg)
    sys.stdout.write(
        f"{hand.path}: a {hand.handedness} hand of {hand.num_verts} vertices; use it with hand={hand.path}\n"
    )
    if hand.is_mended:
        sys.stdout.write("x of shapedirs had the right hand's sign, as in the official MANO_LEFT: negated\n")
    elif hand.handedness == "left":
        sys.stdout.write("x of shapedirs has the left hand's sign: nothing to mend\n")
    return hand


main = stage_main("import-mano", ImportManoConfig, run)

if __name__ == "__main__":
    raise SystemExit(main())
