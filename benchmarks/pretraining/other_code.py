"""The code that trains: this checkout's, or that of another commit beside it."""

import io
import os
import subprocess
import tarfile
from pathlib import Path

from synth.common.files import folder_written_atomically

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("synth", "dualmod", "configs")
OTHER_COMMITS = ROOT / "runs" / "pretraining" / "commits"


def environment(packages: Path) -> dict[str, str]:
    """Variables of a process that runs the packages in a folder, in one thread and without progress bars."""
    path = os.pathsep.join([str(packages), *filter(None, [os.environ.get("PYTHONPATH")])])
    return {**os.environ, "PYTHONPATH": path, "PYTHONSAFEPATH": "1", "OMP_NUM_THREADS": "1", "TQDM_DISABLE": "1"}


def code_commit() -> str:
    """This checkout's commit, with ``+`` when its packages differ from it; ``unknown`` where it is none."""
    head = _git("rev-parse", "HEAD").stdout.decode().strip()
    return head + "+" * bool(_git("status", "--porcelain", "--", *PACKAGES).stdout) if head else "unknown"


def packages_of(commit: str, folder: Path = OTHER_COMMITS) -> Path:
    """Folder of the packages of a commit, unpacked when it is not there yet; this checkout when it is empty.

    Raises:
        ValueError: when the repository has no such commit.
    """
    if not commit:
        return ROOT
    place = folder / commit
    if not place.exists():
        found = _git("archive", commit, *PACKAGES)
        if found.returncode:
            raise ValueError(f"commit={commit} is not in the repository: {found.stderr.decode().strip()}; fetch it")
        with folder_written_atomically(place) as partial, tarfile.open(fileobj=io.BytesIO(found.stdout)) as archive:
            archive.extractall(partial, filter="data")
    return place


def _git(*words: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(["git", "-C", str(ROOT), *words], capture_output=True)
