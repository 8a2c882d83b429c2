"""What may stand beside the checkout: sets of real images, and photos to put behind renders."""

from pathlib import Path

import synth
from dualmod.data.image_sets import ANNOTATIONS
from dualmod.data.readers import open_reader
from synth.common.config import check
from synth.common.files import require_folder

AUTO, NONE = "auto", "none"
REAL = Path("..") / "shared" / "real"
BACKGROUNDS = Path("..") / "shared" / "backgrounds" / "bsds500"


def find_real_root(given: str) -> Path | None:
    """The folder of the real sets, or None where there is none.

    Args:
        given: A folder; ``auto`` for ``../shared/real`` as seen from the checkout or the current folder, if it is
            there; ``none`` for none.

    Raises:
        FileNotFoundError: when a folder is given that does not exist.
    """
    if given not in (AUTO, NONE):
        return require_folder(given, "real_root")
    return next(filter(real_sets, _places(REAL)), None) if given == AUTO else None


def find_backgrounds(given: str) -> Path | None:
    """The folder of photos for backgrounds, or None for painted ones; ``auto`` and ``none`` as above.

    Raises:
        FileNotFoundError: when a folder is given that does not exist.
    """
    if given not in (AUTO, NONE):
        return require_folder(given, "backgrounds")
    return next(filter(Path.is_dir, _places(BACKGROUNDS)), None) if given == AUTO else None


def real_sets(root: Path | None) -> list[str]:
    """Names of the sets in a folder, sorted."""
    return sorted(p.parent.name for p in root.glob(f"*/{ANNOTATIONS}")) if root else []


def check_entry(key: str, entry: str, root: Path | None, *, or_folder: bool = False) -> None:
    """Check that images can be found by an entry of ``datasets`` or ``target``.

    Args:
        key: The option.
        entry: Name of a set in ``root``, or a public dataset as ``NAME:PATH``.
        root: Folder of the real sets.
        or_folder: Whether a folder of photos will do.

    Raises:
        FileNotFoundError: when there is nothing at the path of a public dataset.
        ValueError: when there is no such set, or no reader of that name.
    """
    known = real_sets(root)
    if entry not in known and not _stands_alone(entry, or_folder):
        there = (
            f"one of those in {root}: {', '.join(known) or 'none found'}" if root else "a set of real_root, not given"
        )
        check(False, key, entry, f"{there}; or a public dataset as NAME:PATH" + ("; or a folder" if or_folder else ""))


def need_no_root(target: str, datasets: str) -> bool:
    """Whether entries with commas between are all found without a folder of real sets."""
    return all(_stands_alone(part.strip(), True) for part in target.split(",")) and all(
        _stands_alone(part.strip(), False) for part in datasets.split(",")
    )


def _stands_alone(entry: str, or_folder: bool) -> bool:
    return open_reader(entry) is not None or (or_folder and Path(entry).expanduser().is_dir())


def _places(folder: Path) -> list[Path]:
    checkout = Path(synth.__file__).resolve().parents[1]
    return [(checkout / folder).resolve(), folder.resolve()]
