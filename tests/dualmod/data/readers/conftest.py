from pathlib import Path

import pytest

from dualmod.data.readers import load_reader
from tests.dualmod.data.readers.written import WRITERS


@pytest.fixture
def opened(tmp_path: Path):
    """A function that writes a dataset's layout and opens it with its reader."""

    def open_one(name: str):
        (tmp_path / name).mkdir()
        WRITERS[name](tmp_path / name)
        return load_reader(name)(tmp_path / name)

    return open_one
