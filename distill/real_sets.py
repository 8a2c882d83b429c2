"""Where the real image sets are: given, beside the checkout, or nowhere."""

from pathlib import Path

import configs
from dualmod.data.real import ANNOTATIONS
from synth.files import require_folder

AUTO, NONE = "auto", "none"
BESIDE = Path("..") / "shared" / "real"


def find_real_root(given: str) -> Path | None:
    """The folder of the real sets, or None where there is none.

    Args:
        given: A folder; ``auto`` for ``../shared/real`` as seen from the checkout or the current folder, if it is
            there; ``none`` for none.

    Raises:
        FileNotFoundError: when a folder is given that does not exist.
    """
    if given == NONE:
        return None
    if given != AUTO:
        return require_folder(given, "real_root")
    checkout = Path(configs.__file__).resolve().parents[1]
    return next((folder.resolve() for folder in (checkout / BESIDE, BESIDE) if real_sets(folder)), None)


def real_sets(root: Path | None) -> list[str]:
    """Names of the sets in a folder, sorted."""
    return sorted(p.parent.name for p in root.glob(f"*/{ANNOTATIONS}")) if root else []
