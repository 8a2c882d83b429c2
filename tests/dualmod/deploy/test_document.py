"""The Python of docs/export.md runs, in order, on a file that export-model has written."""

import re
import shutil
from pathlib import Path

import numpy as np

from dualmod.data.batch import closeness
from dualmod.deploy.onnx_file import OnnxNetwork

DOCUMENT = Path(__file__).parents[3] / "docs" / "export.md"


def test_the_python_of_the_document_runs(rgb_file, tmp_path, monkeypatch):
    (tmp_path / "runs").mkdir()
    shutil.copy(rgb_file, tmp_path / "runs" / "model.onnx")
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    found = re.findall(r"^```python\n(.*?)^```", DOCUMENT.read_text(), re.S | re.M)
    assert len(found) == 2
    for block in found:
        exec(compile(block, str(DOCUMENT), "exec"), names)
    assert names["joints_uv"].shape == (5, 21, 2) and names["mask"].shape == (5, 1, 16, 16)
    depth_m = np.random.default_rng(0).uniform(0.3, 0.8, (9, 9))
    depth_m[:3] = 0
    is_hand = np.arange(9) < 6
    theirs = names["closeness"](depth_m, is_hand, 0.5, 0.09)
    np.testing.assert_allclose(theirs, closeness(np.where(is_hand, depth_m, 0), 0.5, 0.09), atol=1e-6)


def test_the_document_names_every_note_of_a_file(rgb_file, int8_file):
    text = DOCUMENT.read_text()
    notes = {*OnnxNetwork(rgb_file).metadata, *OnnxNetwork(int8_file).metadata}
    assert [note for note in notes if f"`{note}`" not in text and not note.startswith("onnx.")] == []
