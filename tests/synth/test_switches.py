"""The table of factors in docs/dataset.md: each is drawn by default, and its option takes it away in every sample."""

import re
from pathlib import Path

import cv2
import numpy as np
import pytest
import trimesh

from synth.common.config import compose_config
from synth.generate import GenerateConfig, maker_settings
from synth.generation.sample_maker import SampleMaker
from synth.render.renderer import RenderOutput, RenderScene

DOCUMENT = Path(__file__).parents[2] / "docs" / "dataset.md"
ROWS = re.findall(r"^\| (.+) \| `(\S+=\S+)` \| `(.+)` \|$", DOCUMENT.read_text(), re.M)
SAMPLES = 140


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """One skin, photo, texture, panorama and mesh, so that every factor can occur."""
    root = tmp_path_factory.mktemp("assets")
    options = {"skins": "skin", "background_dir": "photo", "scene.background.texture_dir": "tile"}
    for name in options.values():
        (root / name).mkdir()
        cv2.imwrite(str(root / name / "one.png"), np.full((64, 64, 3), 150, np.uint8))
    (root / "hdr").mkdir()
    np.savez(root / "hdr" / "one.npz", rgb=np.ones((16, 32, 3), np.float32))
    (root / "mesh").mkdir()
    trimesh.creation.box(extents=(0.1, 0.05, 0.03)).export(root / "mesh" / "one.ply")
    others = [f"scene.light.hdr_dir={root / 'hdr'}", f"scene.occluder.mesh_dir={root / 'mesh'}"]
    return [f"{key}={root / name}" for key, name in options.items()] + others


class EmptyRenderer:
    """What was drawn can be seen without rendering it."""

    def render(self, scene: RenderScene) -> RenderOutput:
        nothing = np.zeros(scene.background.shape[:2])
        return RenderOutput(scene.background, nothing.astype(np.float32), nothing.astype(np.uint8))


def drawn(*overrides: str) -> list[dict]:
    cfg = compose_config("generate", GenerateConfig, ["out=x", "image_size=32", *overrides])
    settings = maker_settings(cfg)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("synth.generation.sample_maker.get_renderer", lambda _: EmptyRenderer)
        maker = SampleMaker(settings, 1)
    return [sample.scene for sample in maker.samples(0, SAMPLES)]


def shows(scene: dict, place: str) -> bool:
    """Whether a scene has what the table's last column names: KEY, KEY_* or KEY: TEXT."""
    key, _, text = place.partition(": ")
    if key.endswith("*"):
        return any(value for name, value in scene.items() if name.startswith(key[:-1]))
    return text in scene[key] if text else bool(scene[key])


@pytest.fixture(scope="module")
def default(folders: list[str]) -> list[dict]:
    return drawn(*folders)


def test_the_table_has_the_factors_of_the_scene() -> None:
    assert len(ROWS) == 19 and len({option for _, option, _ in ROWS}) == len(ROWS)


@pytest.mark.parametrize(("factor", "option", "place"), ROWS, ids=[option for _, option, _ in ROWS])
def test_a_factor_is_there_by_default_and_its_option_takes_it_away(
    factor: str, option: str, place: str, folders: list[str], default: list[dict]
) -> None:
    assert any(shows(scene, place) for scene in default), factor
    assert not any(shows(scene, place) for scene in drawn(*folders, option)), factor


def test_without_the_arm_its_sleeve_goes_and_nothing_else(folders: list[str]) -> None:
    without_arm = drawn(*folders, "scene.arm.on=false")
    for _, option, place in ROWS:
        if place not in ("arm", "sleeve"):
            assert any(shows(scene, place) for scene in without_arm), option
