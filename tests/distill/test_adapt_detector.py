"""Self-training of the detector at tiny size: views and labels are true, no label of the target counts."""

import json
import shutil

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from distill import adapt_detector as stage
from distill.adapt_detector import AdaptDetectorConfig, adapt_detector, main
from distill.detection.teacher import ALARM_WINDOW, HandTeacher, HandTeacherConfig, moved
from distill.detection.views import PhotoViewBatches, PhotoViews, PhotoViewsConfig
from distill.monitoring.collapse import CollapseError
from distill.targets.photos import open_photos
from dualmod.data.image_sets import ANNOTATIONS
from dualmod.detection.checkpoint import save_detector
from dualmod.detection.decode import Detections
from dualmod.detection.network import DetectorNet, DetectorNetConfig
from dualmod.detection.targets import HAND, IGNORED

SIDE = 64
PLAIN = PhotoViewsConfig(strength=0.0)


@pytest.fixture
def net() -> DetectorNet:
    torch.manual_seed(0)
    return DetectorNet(DetectorNetConfig(image_size=SIDE, backbone="mobilenetv3_small_050", width=16))


@pytest.fixture
def start(net, tmp_path):
    path = tmp_path / "start.safetensors"
    save_detector(path, net, {})
    return path


@pytest.fixture
def photos(tmp_path):
    """A labelled set of dark photos with one bright square in each, at columns 30 to 59 and rows 20 to 49."""
    folder = tmp_path / "set"
    (folder / "images").mkdir(parents=True)
    files = [f"images/{k}.png" for k in range(4)]
    for name in files:
        photo = np.full((80, 100, 3), 20, np.uint8)
        photo[20:50, 30:60] = 255
        cv2.imwrite(str(folder / name), photo)
    labels = {"uv": np.ones((4, 21, 2)), "vis": np.ones((4, 21)), "hand": np.array(["L"] * 4)}
    np.savez(folder / ANNOTATIONS, files=np.array(files), split=np.array(["adapt"] * 4), **labels)
    return folder


def config(start, data, target, out, **changes) -> AdaptDetectorConfig:
    settings = {"max_steps": 4, "source_batch_size": 2, "target_batch_size": 2, "save_every": 2, "held_out_scenes": 4}
    settings |= {"loader_workers": 0, "threads": 1, "holdout": 0.1}
    settings |= {"teacher": HandTeacherConfig(min_score=0.05, unsure_score=0.05)}
    return AdaptDetectorConfig(str(start), str(data), str(target), str(out), **{**settings, **changes})


def bright_box(image: torch.Tensor) -> list[float]:
    rows, columns = np.nonzero(image[0].numpy() > 0.55)
    return [columns.min() - 0.5, rows.min() - 0.5, columns.max() + 0.5, rows.max() + 0.5]


def test_views_move_as_their_matrices_say(photos):
    batch = PhotoViewBatches(open_photos(str(photos), ""), PLAIN, side_px=SIDE, batch_size=12, seed=0)(3)
    mirrored = 0
    for k in range(12):
        box = torch.tensor([bright_box(batch.weak[k])])
        assert moved(box, batch.A_small_weak[k])[0].tolist() == pytest.approx(bright_box(batch.small[k]), abs=1.1)
        wanted = moved(box, batch.A_strong_weak[k])[0].clamp(-0.5, SIDE - 0.5).tolist()
        assert wanted == pytest.approx(bright_box(batch.strong[k]), abs=1.5)
        mirrored += int(batch.A_strong_weak[k, 0, 0] < 0)
    assert 0 < mirrored < 12


def test_view_batches_are_a_pure_function_of_seed_and_step(photos):
    def batch(seed: int, step: int) -> PhotoViews:
        return PhotoViewBatches(
            open_photos(str(photos), ""), PhotoViewsConfig(), side_px=SIDE, batch_size=3, seed=seed
        )(step)  # fmt: skip

    assert torch.equal(batch(0, 5).strong, batch(0, 5).strong)
    assert not torch.equal(batch(0, 5).strong, batch(1, 5).strong)


class Teacher(HandTeacher):
    """Finds what it is told: in the photo, its mirror image, the smaller view."""

    def __init__(self, net: DetectorNet, told: list[list[Detections]], **options):
        super().__init__(net, HandTeacherConfig(**{"score_share": 1.0, "agreement_share": 1.0, **options}))
        self.told = iter(told)

    def _finds(self, images):
        return next(self.told)


def found(*boxes: list[float], score: float = 0.9, right: float = 0.8) -> Detections:
    return Detections(
        torch.tensor(boxes).reshape(-1, 4), torch.full((len(boxes),), score), torch.full((len(boxes),), right)
    )


def views(A_strong: list[list[float]]) -> PhotoViews:
    image, half = torch.zeros(1, 3, SIDE, SIDE), torch.tensor([[[0.5, 0, 10.0], [0, 0.5, 10.0]]])
    return PhotoViews(image, image, image, half, torch.tensor([A_strong]))


BOX, MIRRORED, SMALL = [10.0, 20, 30, 50], [33.0, 20, 53, 50], [15.0, 20, 25, 35]
SAME = [[1.0, 0, 0], [0, 1.0, 0]]


def test_a_find_that_all_views_see_becomes_a_label_in_the_strong_view(net):
    told = [[found(BOX)], [found(MIRRORED, right=0.2)], [found(SMALL)]]
    flip = [[-1.0, 0, SIDE - 1], [0, 1.0, 0]]
    hands, terms = Teacher(net, told).labels(views(flip))
    assert hands.boxes_px[0].tolist() == [pytest.approx(MIRRORED)] and hands.kind.tolist() == [[HAND]]
    assert hands.right.tolist() == [[0.0]]  # a right hand, mirrored
    assert terms["_labels"] == 1 and terms["_view_iou"] == pytest.approx(1)


def test_finds_below_the_score_or_out_of_the_strong_view_are_left_out(net):
    told = [[found(BOX, score=0.2)], [found(MIRRORED)], [found(SMALL)]]
    hands, terms = Teacher(net, told).labels(views(SAME))
    assert hands.kind.tolist() == [[IGNORED]] and terms["_labels"] == 0
    told = [[found(BOX)], [found(MIRRORED)], [found(SMALL)]]
    hands, _ = Teacher(net, told).labels(views([[1.0, 0, -22], [0, 1.0, 0]]))
    assert hands.kind.tolist() == [[IGNORED]] and hands.boxes_px[0, 0, 0] == -0.5


def test_the_gate_drops_the_find_on_which_the_views_disagree(net):
    other = [40.0, 5, 60, 15]
    told = [[found(BOX, other)], [found(MIRRORED)], [found(SMALL)]]
    hands, _ = Teacher(net, told, agreement_share=0.4).labels(views(SAME))
    assert hands.kind.tolist() == [[HAND, IGNORED]]


def test_nothing_found_teaches_that_there_is_no_hand(net):
    hands, terms = Teacher(net, [[found()], [found()], [found()]]).labels(views(SAME))
    assert (hands.kind == 0).all() and terms["_finds"] == 0


def test_an_alarm_stops_a_teacher_that_stops_finding(net):
    steps = [[[found(BOX)], [found(MIRRORED)], [found(SMALL)]]] * ALARM_WINDOW + [[[found()]] * 3] * ALARM_WINDOW
    teacher = Teacher(net, [told for step in steps for told in step])
    with pytest.raises(CollapseError, match=r"the teacher finds 0\.32 hands in a photo, at first it was 1\.00"):
        for _ in steps:
            teacher.labels(views(SAME))


def test_weights_are_the_same_with_the_labels_gone(start, tiny_data, photos, tmp_path):
    with_labels = load_file(adapt_detector(config(start, tiny_data, photos, tmp_path / "a")))
    shutil.copytree(photos / "images", tmp_path / "bare")
    without = load_file(adapt_detector(config(start, tiny_data, tmp_path / "bare", tmp_path / "b")))
    assert all(torch.equal(with_labels[name], without[name]) for name in with_labels)
    assert any(not torch.equal(with_labels[name], value) for name, value in load_file(start).items())
    metrics = json.loads((tmp_path / "a" / "metrics.json").read_text())
    assert metrics["photos"] == 4 and metrics["held_out_hands"] > 0


def test_an_interrupted_run_ends_with_the_weights_of_a_whole_one(start, tiny_data, photos, tmp_path, monkeypatch):
    whole = load_file(adapt_detector(config(start, tiny_data, photos, tmp_path / "whole")))
    true_losses = stage.AdaptDetectorModule.losses

    def dying(self, batch, step):
        if step == 3:
            raise KeyboardInterrupt
        return true_losses(self, batch, step)

    monkeypatch.setattr(stage.AdaptDetectorModule, "losses", dying)
    with pytest.raises((KeyboardInterrupt, SystemExit)):
        adapt_detector(config(start, tiny_data, photos, tmp_path / "cut"))
    monkeypatch.setattr(stage.AdaptDetectorModule, "losses", true_losses)
    resumed = load_file(adapt_detector(config(start, tiny_data, photos, tmp_path / "cut")))
    assert all(torch.equal(resumed[name], whole[name]) for name in whole)


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("target={tmp}/none", "target="),
        ("source={tmp}/none", "source="),
        ("detector={tmp}/none", "detector="),
        ("teacher.unsure_score=0.5", "teacher.unsure_score=0.5"),
        ("views.min_small=2", "views.min_small=2"),
    ],
)
def test_bad_input_ends_in_one_line(option, said, start, tiny_data, photos, tmp_path, capsys):
    options = [f"detector={start}", f"source={tiny_data}", f"target={photos}", f"out={tmp_path}/run"]
    assert main([*options, option.format(tmp=tmp_path)]) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"handbridge adapt-detector: {said}") and error.count("\n") == 1
    assert not (tmp_path / "run").exists()
