"""What may stand beside the checkout: sets of real images, and photos to put behind renders."""

from pathlib import Path

import configs
from dualmod.data.real import ANNOTATIONS
from synth.files import require_folder

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


def _places(folder: Path) -> list[Path]:
    checkout = Path(configs.__file__).resolve().parents[1]
    return [(checkout / folder).resolve(), folder.resolve()]
