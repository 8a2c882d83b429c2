"""No stage touches smplx unless it is asked for: its licence is non-commercial."""

import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np

from tests.test_import_graph import imported_packages

ROOT = Path(__file__).parents[2]
STAGES = """
import sys
from handbridge.cli import main

verbs = {
    "generate": ["out=data", "num_samples=2", "image_size=48", "workers=1"],
    "export": ["data=data", "out=freihand", "format=freihand"],
    "preview": ["data=data", "out=preview.html"],
    "predict": ["input=photo.png", "out=predicted", "detector=windows"],
    "doctor": ["need_gb=0"],
}
for verb, options in verbs.items():
    assert main([verb, *options]) == 0, verb
    assert "smplx" not in sys.modules, verb
import handbridge.demo, dualmod.data.online_rendering, dualmod.pretrain, synth.hand.build
assert "smplx" not in sys.modules
from synth.hand import HandModel, load_hand
HandModel(load_hand("open"), "smplx")
assert "smplx" in sys.modules, "what is looked for has this name"
"""


def test_stages_run_without_importing_smplx(tmp_path: Path) -> None:
    photo = np.random.default_rng(0).integers(0, 255, (96, 96, 3), np.uint8)
    cv2.imwrite(str(tmp_path / "photo.png"), photo)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    run = subprocess.run([sys.executable, "-c", STAGES], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr[-2000:]
    assert "joints" in (tmp_path / "predicted" / "photo.json").read_text()


def test_no_module_imports_smplx_by_name() -> None:
    files = [file for floor in ("synth", "dualmod", "distill") for file in (ROOT / floor).rglob("*.py")]
    assert [file for file in files if "smplx" in imported_packages(file.read_text())] == []
    asking = [file.name for file in files if 'import_optional("smplx"' in "".join(file.read_text().split())]
    assert asking == ["smplx_skinning.py"]
