"""The stage on tiny renders: what the page and the numbers say of poses that are known, and what is refused."""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from distill import coverage as stage_module
from distill.pose_coverage import held_out as held_out_module
from distill.pose_coverage.held_out import RenderImages
from distill.pose_coverage.page import representatives
from distill.pose_coverage.predicted_poses import PredictedPoses, view_spread
from distill.pose_coverage.renders import read_renders
from distill.targets.simulated import SimulatedTargetConfig, lay_out
from dualmod.checkpoints.checkpoint import save_network
from dualmod.data.image_collections import UnlabelledImages
from dualmod.inference.predictor import HandEstimates
from handbridge.cli import main
from synth.dataset import SampleStore, iterate

Stub = Callable[..., PredictedPoses]
NUM_PHOTOS = 12


@pytest.fixture
def options(tiny_net, tiny_data: Path, tmp_path: Path) -> list[str]:
    """Renders as data, half of them as photographs, and a network of random weights."""
    lay_out(SimulatedTargetConfig(str(tiny_data), str(tmp_path / "sets" / "photos"), test_share=0.5))
    checkpoint = tmp_path / "net.safetensors"
    save_network(checkpoint, tiny_net, {"hand_model": "open"})
    named = [f"data={tiny_data}", "target=photos", f"target_root={tmp_path / 'sets'}", f"checkpoint={checkpoint}"]
    return ["coverage", *named, f"out={tmp_path / 'page.html'}", "device=cpu"]


@pytest.fixture
def true_poses(tiny_data: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, PredictedPoses]:
    """A network without errors in the place of the checkpoint's; a test may change what it reads of photographs."""
    renders = read_renders(SampleStore(tiny_data))
    count = len(renders)
    every = PredictedPoses(
        joints_px=renders.joints_px.astype(np.float64),
        joints_depth=np.zeros((count, 21)),
        is_left=renders.is_left,
        confidence=np.full(count, 0.5),
        spread=np.zeros(count),
        sizes_px=np.full((count, 2), 64.0),
    )

    def rows(chosen: Sequence[int]) -> PredictedPoses:
        return PredictedPoses(**{name: getattr(every, name)[chosen] for name in every.__dataclass_fields__})

    read = {"photos": rows(range(NUM_PHOTOS)), "held_out": rows(range(count - 2, count))}

    def stub(predictor: object, images: Sequence[np.ndarray], views: int) -> PredictedPoses:
        assert isinstance(images, RenderImages | UnlabelledImages)
        return read["held_out" if isinstance(images, RenderImages) else "photos"]

    monkeypatch.setattr(stage_module, "predict_poses", stub)
    monkeypatch.setattr(held_out_module, "predict_poses", stub)
    return read


def numbers(tmp_path: Path) -> dict:
    return json.loads((tmp_path / "page.json").read_text())


def test_labels_are_read_without_images(tiny_data: Path) -> None:
    renders, samples = read_renders(SampleStore(tiny_data)), list(iterate(tiny_data))
    np.testing.assert_allclose(renders.joints_px, [s.joints_px for s in samples], atol=1e-4)
    assert renders.is_left.tolist() == [s.handedness == "left" for s in samples]
    assert renders.drawn_views == tuple(s.scene["view"] for s in samples)
    assert all(":" not in name and name for name in renders.drawn_poses)


def test_a_photograph_of_a_render_has_that_render_for_its_nearest(options, true_poses, tmp_path: Path) -> None:
    assert main([*options, "shown=3"]) == 0
    found = numbers(tmp_path)
    assert [photo["renders"][0] for photo in found["photos"]] == list(range(NUM_PHOTOS))
    for photo in found["photos"]:
        assert photo["render_distances"][0] < 1e-4 < photo["render_distances"][9] == photo["distance"]
    assert found["held_out"]["num_renders"] == 2 and found["held_out"]["median_error"] == 0
    assert max(max(photo["renders"]) for photo in found["photos"]) < 22, "held-out renders are not searched among"


def test_the_strangest_pose_is_the_least_covered_and_shown_first(options, true_poses, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    joints = true_poses["photos"].joints_px.copy()
    joints[4] = rng.uniform(0, 63, (21, 2))
    spread = np.zeros(NUM_PHOTOS)
    spread[7] = 0.3
    true_poses["photos"] = replace(true_poses["photos"], joints_px=joints, spread=spread)
    assert main([*options, "shown=3", "neighbours=1"]) == 0
    found, page = numbers(tmp_path), (tmp_path / "page.html").read_text()
    photos = found["photos"]
    assert max(range(NUM_PHOTOS), key=lambda row: photos[row]["distance"]) == 4 and photos[4]["is_least"]
    assert [row for row in range(NUM_PHOTOS) if not photos[row]["is_clear"]] == [7] and not photos[7]["is_least"]
    assert sum(photo["is_least"] for photo in photos) == 3, "a quarter of eleven"
    captions = re.findall(r"<figcaption>(\S+): distance ([\d.]+)", page)
    assert len(captions) == 3 and captions[0][0] == photos[4]["file"]
    assert sorted(captions, key=lambda c: -float(c[1])) == captions
    assert found["sets"][0]["num_unclear"] == 1 and "Of 1 of 12 photographs nothing can be told" in page
    assert page.count("data:image/jpeg") == 3 and page.count("data:image/svg") == 1
    assert "http" not in re.sub(r"data:image[^\"]+", "", page), "the page needs no other file"


def test_photographs_are_counted_by_a_column_of_names(options, true_poses, tmp_path: Path) -> None:
    file = tmp_path / "sets" / "photos" / "annotations.npz"
    with np.load(file) as archive:
        rows = {key: archive[key] for key in archive.files}
    np.savez(file, **rows, gesture=np.array(["mute", "call"] * (len(rows["files"]) // 2)))
    assert main([*options, "names=gesture", "shown=0"]) == 0
    assert [photo["traits"]["gesture"] for photo in numbers(tmp_path)["photos"]] == ["mute", "call"] * (NUM_PHOTOS // 2)
    page = (tmp_path / "page.html").read_text()
    assert "By gesture" in page and "<td>mute</td><td>6</td><td>0</td>" in page


def test_photographs_that_are_alike_are_shown_once() -> None:
    poses = np.zeros((5, 21, 2), np.float32)
    poses[1] += [0.05, 0]
    poses[2] += [0, 0.07]
    poses[3] += [0, 0.5]
    distances = np.full(5, 0.1)
    assert representatives([0, 1, 2, 3, 4], poses, distances, 9) == {0: 2, 2: 0, 3: 0}
    assert representatives([4, 3, 1, 0, 2], poses, distances, 1) == {4: 2}


def test_the_spread_of_views_is_their_mean_distance_from_the_vote() -> None:
    joints = np.random.default_rng(0).uniform(0, 50, (1, 21, 2))
    joints[0, :2] = [[0, 0], [50, 50]]
    other = joints.copy()
    other[0, 5, 0] = joints[0, 5, 0] + (5 if joints[0, 5, 0] < 45 else -5)

    def look(joints_px: np.ndarray) -> HandEstimates:
        nothing = np.zeros(1)
        return HandEstimates(joints_px, nothing, nothing, nothing, nothing, nothing, nothing, nothing, nothing)  # type: ignore[arg-type]

    spread = view_spread([look(joints), look(other), look(3 * joints + 8)], look(joints))
    assert spread == pytest.approx(5 / 50 / 21 / 3)


def refused(options: list[str], capsys: pytest.CaptureFixture, tmp_path: Path) -> str:
    assert main(options) == 1
    assert not (tmp_path / "page.html").exists() and not (tmp_path / "page.json").exists()
    line = capsys.readouterr().err
    assert line.count("\n") == 1
    return line


def test_a_network_whose_predictions_are_noise_is_refused(options, capsys, tmp_path: Path) -> None:
    line = refused(options, capsys, tmp_path)
    assert "cannot tell coverage: on held-out renders its poses are" in line and "longer training" in line


def test_a_target_without_hands_is_refused(options, true_poses, capsys, tmp_path: Path) -> None:
    spread = np.where(np.arange(NUM_PHOTOS) < 7, 0.3, 0.0)
    true_poses["photos"] = replace(true_poses["photos"], spread=spread)
    line = refused(options, capsys, tmp_path)
    assert "target=photos shows no hands that the network can read: in 7 of 12 photos" in line


def test_fewer_photographs_or_renders_than_neighbours_are_refused(options, capsys, tmp_path: Path) -> None:
    line = refused([*options, "neighbours=13"], capsys, tmp_path)
    assert "target=photos is not legal: it must be 13 photographs or more, not 12" in line
    line = refused([*options, "neighbours=23"], capsys, tmp_path)
    assert "it must be 23 renders to search among or more, not 22" in line


def test_renders_of_another_hand_model_are_refused(options, tiny_net, capsys, tmp_path: Path) -> None:
    other = tmp_path / "other.safetensors"
    save_network(other, tiny_net, {"start": {"hand_model": "mano"}})
    line = refused([*options, f"checkpoint={other}"], capsys, tmp_path)
    assert "the checkpoint's hand model, mano; these show open" in line


def test_a_column_of_numbers_is_no_name(options, capsys, tmp_path: Path) -> None:
    assert "names=uv of target=" in refused([*options, "names=uv"], capsys, tmp_path)


@pytest.mark.parametrize(
    ("option", "said"),
    [("views=1", "their spread tells doubt"), ("neighbours=0", "above 0"), ("out=page.json", "HTML file")],
)
def test_illegal_options_are_refused(options, option: str, said: str, capsys, tmp_path: Path) -> None:
    assert said in refused([*options, option], capsys, tmp_path)
