"""Pictures with the maps of both networks."""

import base64
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from distill.report.gallery import BLANK, MAP_TITLES, TILE_PX, Gallery, Networks, gallery
from distill.report.runs import load_stages
from dualmod.checkpoints.checkpoint import save_network
from dualmod.data.image_sets import open_labelled
from dualmod.inference.predictor import Predictor
from dualmod.network.model import DualModalityNet, NetworkConfig

Write = Callable[..., Path]
NAMES = "dual", "adapted"


@pytest.fixture
def checkpoints(tiny_config: NetworkConfig, tmp_path: Path) -> list[Path]:
    """Two networks that differ."""
    files = [tmp_path / f"{name}.safetensors" for name in NAMES]
    for seed, file in enumerate(files):
        torch.manual_seed(seed)
        save_network(file, DualModalityNet(tiny_config), {})
    return files


def shown(evaluated: Write, toy_root: Path, files: list[Path], networks: Networks | None = None) -> Gallery:
    runs = [evaluated(name, 2 + k, checkpoint=files[k]) for k, name in enumerate(NAMES)]
    before, after = (s.of("toy")[0] for s in load_stages([str(r) for r in runs]))
    return gallery(open_labelled(toy_root, "toy"), before, after, NAMES, each=1, networks=networks)


def tiles_of(found: Gallery, picture: int = 0) -> np.ndarray:
    """Tiles by row and column, grey values."""
    data = np.frombuffer(base64.b64decode(found.pictures[picture].uri.partition(",")[2]), np.uint8)
    image = cv2.imdecode(data, cv2.IMREAD_GRAYSCALE)
    assert image is not None
    return image.reshape(-1, TILE_PX, len(found.columns), TILE_PX).swapaxes(1, 2).astype(float)


def test_maps_of_both_networks_stand_below_each_other(
    evaluated: Write, toy_root: Path, checkpoints: list[Path]
) -> None:
    found = shown(evaluated, toy_root, checkpoints)
    assert found.rows == ("before: dual", "after: adapted") and found.lacking == ()
    assert found.columns == ("label, photo", "joints", *MAP_TITLES)
    tiles = tiles_of(found)
    assert tiles.shape[:2] == (2, 5)
    for column in range(5):
        assert np.abs(tiles[0, column] - tiles[1, column]).max() > 8, f"column {column} is the same before and after"


def test_maps_of_one_network_are_the_same_in_both_rows(
    evaluated: Write, toy_root: Path, checkpoints: list[Path]
) -> None:
    tiles = tiles_of(shown(evaluated, toy_root, [checkpoints[1], checkpoints[1]]))
    assert (tiles[0, 2:] == tiles[1, 2:]).all() and (tiles[0, 1] != tiles[1, 1]).any()


@pytest.mark.parametrize("gone", [0, 1])
def test_maps_of_a_network_that_is_gone_are_blank_and_it_is_named(
    evaluated: Write, toy_root: Path, checkpoints: list[Path], gone: int
) -> None:
    checkpoints[gone].unlink()
    found = shown(evaluated, toy_root, checkpoints)
    tiles = tiles_of(found)
    assert found.lacking == (NAMES[gone],)
    assert np.abs(tiles[gone, 2:, 8:-8, 8:-8] - BLANK).max() < 4 and tiles[1 - gone, 2:].std() > 10


def test_a_hand_that_was_not_found_is_among_the_worst(evaluated: Write, toy_root: Path) -> None:
    runs = [evaluated("dual", 3), evaluated("adapted", 2, missed=(5,))]
    before, after = (s.of("toy")[0] for s in load_stages([str(r) for r in runs]))
    found = gallery(open_labelled(toy_root, "toy"), before, after, NAMES, each=1)
    (worst,) = (p for p in found.pictures if p.kind == "worst")
    assert worst.caption.startswith("05.png: error 0.") and "to no hand found" in worst.caption
    assert "nan" not in " ".join(p.caption for p in found.pictures)


def test_a_network_is_loaded_once_for_all_datasets_and_runs_on_one_thread(
    evaluated: Write, toy_root: Path, checkpoints: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    threads = []
    plain = Predictor.attention

    def watched(self: Predictor, *given: np.ndarray) -> np.ndarray:
        threads.append(torch.get_num_threads())
        return plain(self, *given)

    monkeypatch.setattr(Predictor, "attention", watched)
    networks: Networks = {}
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        shown(evaluated, toy_root, checkpoints, networks)
        for file in checkpoints:
            file.write_bytes(b"no network")
        runs = [toy_root.parent / "runs" / "seed-0" / name for name in NAMES]
        first, second = (s.of("toy")[0] for s in load_stages([str(r) for r in runs]))
        gallery(open_labelled(toy_root, "toy"), first, second, NAMES, each=1, networks=networks)
        assert torch.get_num_threads() == 2 and threads == [1] * 4 and len(networks) == 2
    finally:
        torch.set_num_threads(before)
