"""The verb predict with a real, tiny network: files, summary, and bad input as a user meets it."""

import hashlib
import json
import re
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from dualmod.checkpoints.checkpoint import save_network
from dualmod.checkpoints.released import DETECTOR_FILE
from dualmod.detection.centernet_detector import CenterNetDetector
from dualmod.inference.predictor import Predictor
from dualmod.predict import PredictConfig, main, name_of, numbers
from synth.common.config import compose_config
from synth.common.conventions import JOINT_NAMES
from synth.dataset import HandSample, iterate
from synth.generate import GenerateConfig, generate
from tests.dualmod.disc_predictor import disc_image
from tests.dualmod.inference.test_video_run import written_video

DOCUMENT = Path(__file__).parents[2] / "docs" / "predict.md"


@pytest.fixture
def checkpoint(tmp_path, tiny_net):
    path = tmp_path / "net.safetensors"
    save_network(path, tiny_net, {"stage": "adapt", "start": {"hand_model": "open"}})
    return path


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / "photo.png"
    cv2.imwrite(str(path), disc_image(60, 60, radius=40))
    return path


@pytest.fixture
def run(checkpoint, tmp_path, capsys):
    """Exit status, summary (None without one) and what was printed."""

    def call(*options: str, out: str = "out"):
        own = ["detector=windows"] if not any(option.startswith(("detector=", "box=")) for option in options) else []
        status = main([f"checkpoint={checkpoint}", f"out={tmp_path / out}", *own, *options])
        summary = tmp_path / out / "summary.json"
        return status, json.loads(summary.read_text()) if summary.exists() else None, capsys.readouterr()

    return call


def test_a_photo_is_looked_at_several_times_unless_told_otherwise(run, photo, monkeypatch):
    looks = []
    whole = Predictor.predict_crops
    monkeypatch.setattr(Predictor, "predict_crops", lambda *given: looks.append(given) or whole(*given))
    for name, options, views in (("usual", [], 5), ("three", ["views=3"], 3), ("one", ["views=1"], 1)):
        looks.clear()
        status, summary, _ = run(f"input={photo}", "box=30,20,120,100", *options, out=name)
        assert status == 0 and summary["views"] == views == len(looks)


def test_a_photo_gives_a_json_file_and_an_overlay(run, checkpoint, photo, tmp_path):
    status, summary, printed = run(f"input={photo}")
    assert status == 0 and summary["photos"] == summary["hands"] == 1 and summary["skipped"] == []
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [
        "config.yaml", "photo.jpg", "photo.json", "summary.json"
    ]  # fmt: skip
    told = json.loads((tmp_path / "out/photo.json").read_text())
    assert told["checkpoint"]["sha256"] == hashlib.sha256(checkpoint.read_bytes()).hexdigest()
    assert told["checkpoint"]["hand_model"] == "open" and told["joint_names"] == list(JOINT_NAMES)
    assert (told["width"], told["height"], told["exif_orientation"]) == (160, 120, 1) and told["detector"] == "windows"
    assert told["camera"]["source"] == "assumed" and told["camera"]["K"][0][0] == pytest.approx(1.2 * 160)
    (hand,) = told["hands"]
    assert np.array(hand["joints_px"]).shape == (21, 2) and np.array(hand["joints_cam"]).shape == (21, 3)
    assert len(hand["joint_confidence"]) == 21 and hand["handedness"] in ("left", "right")
    assert (hand["handedness"] == "right") == (hand["right_probability"] >= 0.5)
    assert hand["scale"] == "relative" and hand["root_cam"] is None and hand["joints_cam"][9] == [0, 0, 0]
    assert set(summary["timings"]) == {"decode", "localize", "network", "draw", "write"}
    assert sum(part["share"] for part in summary["timings"].values()) == pytest.approx(1, abs=1e-3)
    assert "1 hands in 1 photos (boxes: windows)" in printed.out and "localize" in printed.out


def test_a_box_a_camera_and_a_side_are_taken_as_given(run, photo, tmp_path):
    options = [f"input={photo}", "box=20,20,100,100", "K=200,210,80,60", "bone_mm=90", "handedness=left"]
    assert run(*options)[0] == 0
    told = json.loads((tmp_path / "out/photo.json").read_text())
    (hand,) = told["hands"]
    assert hand["box_px"] == [20, 20, 100, 100] and hand["box_source"] == told["detector"] == "given"
    assert told["camera"] == {"K": [[200, 0, 80], [0, 210, 60], [0, 0, 1]], "source": "given"}
    assert hand["handedness"] == "left" and hand["handedness_source"] == "given"
    assert hand["scale"] == "bone_given" and hand["bone_m"] == 0.09 and len(hand["root_cam"]) == 3


def test_joints_of_a_turned_photo_are_those_of_the_upright_one(run, tmp_path):
    upright = Image.fromarray(disc_image(60, 60, radius=40))
    upright.save(tmp_path / "upright.png")
    exif = Image.Exif()
    exif[0x0112] = 6
    upright.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "turned.png", exif=exif)
    joints = []
    for name in ("upright", "turned"):
        assert run(f"input={tmp_path / name}.png", "box=20,20,100,100", out=name)[0] == 0
        told = json.loads((tmp_path / name / f"{name}.json").read_text())
        joints.append(told["hands"][0]["joints_px"])
        assert (told["width"], told["height"]) == (160, 120) and "upright" in told["pixel_frame"]
    assert joints[0] == joints[1]
    assert told["exif_orientation"] == 6 and "turned by the file's EXIF" in told["pixel_frame"]


def test_a_folder_with_everything_in_it(run, photo, tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    image = disc_image(60, 60)
    cv2.imwrite(str(folder / "colour.jpg"), image)
    cv2.imwrite(str(folder / "grey.png"), image[..., 0])
    cv2.imwrite(str(folder / "deep.png"), image.astype(np.uint16) * 257)
    cv2.imwrite(str(folder / "clear.png"), np.dstack([image, image[..., 0]]))
    cv2.imwrite(str(folder / "dot.png"), image[:1, :1])
    cv2.imwrite(str(folder / "small.png"), image[:18, :18])
    (folder / "text.jpg").write_text("hello")
    (folder / "notes.txt").write_text("hello")
    (folder / "IMG_1.HEIC").write_text("hello")
    status, summary, printed = run(f"input={folder}", "box=20,20,100,100")
    assert status == 0 and summary["photos"] == 4
    reasons = {one["file"].rsplit("/", 1)[1]: one["reason"] for one in summary["skipped"]}
    assert {name: part in reasons[name] for name, part in {
        "dot.png": "too few", "small.png": "box=20,20,100,100 lies outside", "text.jpg": "no image",
        "notes.txt": ".txt", "IMG_1.HEIC": "HEIC",
    }.items()} == dict.fromkeys(reasons, True)  # fmt: skip
    assert "left out 5 of 9 files" in printed.out
    made = {p.name for p in (tmp_path / "out").iterdir()}
    assert made == {"config.yaml", "summary.json"} | {
        f"{name}.{end}" for name in ("colour", "grey", "deep", "clear") for end in ("json", "jpg")
    }


def test_a_video(run, tmp_path):
    clip = written_video(tmp_path / "clip.mp4", [disc_image(60 + k, 60) for k in range(4)])
    status, summary, printed = run(f"input={clip}", "box=20,20,100,100", "one_euro.beta=2")
    assert status == 0 and summary["frames"] == 4 and "jitter per frame^2" in printed.out
    assert summary["hands"] == 4 and summary["tracks"] >= 1 and summary["detector"] == "given"
    assert {p.name for p in (tmp_path / "out").iterdir()} == {"config.yaml", "summary.json", "clip.mp4", "clip.jsonl"}


def test_the_same_command_again_leaves_the_same_and_clears_what_a_killed_run_left(run, photo, tmp_path):
    run(f"input={photo}", "box=20,20,100,100")
    first = (tmp_path / "out/photo.json").read_text()
    (tmp_path / "out/.photo.0a1b2c3d.partial.json").write_text("half")
    assert run(f"input={photo}", "box=20,20,100,100")[0] == 0
    assert (tmp_path / "out/photo.json").read_text() == first
    assert not list((tmp_path / "out").glob(".*.partial*"))


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["input=nowhere.jpg"], "input=nowhere.jpg does not exist"),
        (["input={folder}/empty"], "holds no photo among 0 files"),
        (["input={folder}/text.jpg"], "its content is no image"),
        (["input={folder}/dot.png"], "1 x 1 px are too few"),
        (["input={folder}/empty.mp4"], "has no frame that can be decoded"),
        (["input={photo}", "box=500,500,600,600"], "box=500,500,600,600 lies outside the photo of 160 x 120 px"),
        (["input={photo}", "box=9,9,5,5"], "box=9,9,5,5 is not legal"),
        (["input={photo}", "views=10"], "views=10 is not legal: it must be 1 to 9, or 0"),
        (["input={photo}", "box=1,2,3"], "numbers x0,y0,x1,y1"),
        (["input={photo}", "K=1,2,nan,4"], "numbers fx,fy,cx,cy"),
        (["input={photo}", "K=600,600,320,240"], "outside the upright image of 160 x 120"),
        (["input={photo}", "depth={photo}"], "given together with K"),
        (["input={photo}", "depth=gone.png", "K=200,200,80,60"], "depth=gone.png does not exist"),
        (["input={photo}", "depth={photo}", "K=200,200,80,60"], "no 16-bit grey PNG"),
        (["input={folder}", "depth={photo}", "K=200,200,80,60"], "a folder with a map for each of"),
        (["input={photo}", "hands=2"], "1 with detector=windows"),
        (["input={photo}", "detector=gone"], "detector=gone does not exist"),
        (["input={photo}", "detector={photo}", "box=1,2,30,40"], "the box replaces it"),
        (["input={photo}", "handedness=both"], "handedness=both"),
        (["input={photo}", "bone_mm=9"], "bone_mm=9"),
        (["input={photo}", "checkpoint={folder}/gone.safetensors"], "gone.safetensors does not exist"),
        (["input={photo}", "checkpoint={photo}"], "no readable safetensors file"),
    ],
)
def test_bad_input_ends_in_one_line_and_leaves_nothing(run, photo, tmp_path, options, told):
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "text.jpg").write_text("hello")
    Image.new("RGB", (1, 1)).save(tmp_path / "dot.png")
    status, summary, printed = run(*(option.format(folder=tmp_path, photo=photo) for option in options))
    assert status == 1 and summary is None and not (tmp_path / "out").exists()
    assert printed.err.startswith("handbridge predict: ") and printed.err.count("\n") == 1 and told in printed.err


def test_without_out_results_lie_in_a_folder_of_the_inputs_name(checkpoint, photo, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    given = [f"checkpoint={checkpoint}", "box=20,20,100,100", "views=1"]
    assert main([*given, "input=photo.png"]) == 0 and (tmp_path / "runs/predict/photo/photo.json").is_file()
    (tmp_path / "album").mkdir()
    photo.rename(tmp_path / "album" / "x.png")
    for source in ("album", "album/*.png", "album/"):
        assert name_of(source) == "album"
    assert main([*given, "input=album/*.png"]) == 0 and (tmp_path / "runs/predict/album/x.json").is_file()


def test_another_runs_folder_is_not_touched(run, photo, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("mine")
    status, _, printed = run(f"input={photo}", "box=20,20,100,100")
    assert status == 1 and "holds files but no config.yaml" in printed.err
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["thesis.txt"]
    run(f"input={photo}", "box=20,20,100,100", out="other")
    status, _, printed = run(f"input={photo}", "box=20,20,90,90", out="other")
    assert status == 1 and "holds another run (box was '20,20,100,100'" in printed.err
    assert run(f"input={photo}", "box=20,20,90,90", "overwrite=true", out="other")[0] == 0


def test_numbers_take_brackets_and_refuse_text():
    assert numbers("[1, 2.5]", "box", ("a", "b")) == [1, 2.5] and numbers("", "box", ("a", "b")) is None
    with pytest.raises(ValueError, match="box=1,b is not legal: it must be numbers a,b"):
        numbers("1,b", "box", ("a", "b"))


def test_a_video_takes_no_depth(checkpoint, tmp_path, capsys):
    (tmp_path / "a.mp4").touch()
    given = [f"checkpoint={checkpoint}", f"input={tmp_path}/a.mp4", f"out={tmp_path}/out"]
    assert main([*given, f"depth={tmp_path}", "K=1,1,1,1"]) == 1
    assert "left out with a video" in capsys.readouterr().err


def test_options_compose():
    config = compose_config("predict", PredictConfig, ["checkpoint=a", "input=*.jpg", "out=c", "one_euro.beta=0"])
    assert config.one_euro.beta == 0 and config.smooth and config.input == "*.jpg"


def rendered_photos(folder: Path) -> list[HandSample]:
    """Twelve renders as ``00.png``, ``01.png``, ... in a folder."""
    drawn = ["num_samples=12", "image_size=224", "workers=1", "scene.view=selfie", "seed=3"]
    generate(compose_config("generate", GenerateConfig, [f"out={folder}", *drawn]))
    samples = list(iterate(folder))
    for index, sample in enumerate(samples):
        cv2.imwrite(str(folder / f"{index:02d}.png"), np.ascontiguousarray(sample.rgb[..., ::-1]))
    return samples


def test_the_python_of_the_document_runs(checkpoint, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs" / "adapted").mkdir(parents=True)
    checkpoint.rename("runs/adapted/model.safetensors")
    hands = CenterNetDetector.load(DETECTOR_FILE).find([sample.rgb for sample in rendered_photos(tmp_path / "renders")])
    surest = max(range(len(hands)), key=lambda k: max((hand.score for hand in hands[k]), default=0.0))
    (tmp_path / "renders" / f"{surest:02d}.png").rename("photo.jpg")
    (block,) = re.findall(r"^```python\n(.*?)^```", DOCUMENT.read_text(), re.S | re.M)
    exec(compile(block, str(DOCUMENT), "exec"), {})
    assert "relative" in capsys.readouterr().out.splitlines()[-1]


def test_the_document_names_every_field_of_a_hand(run, photo, tmp_path):
    run(f"input={photo}", "box=20,20,100,100")
    told = json.loads((tmp_path / "out/photo.json").read_text())
    text = DOCUMENT.read_text().replace("hands[].", "")
    fields = {*told, *told["hands"][0]} - {"format", "file", "hands"}
    assert sorted(field for field in fields if f"`{field}`" not in text) == []


def test_without_a_checkpoint_the_released_networks_find_a_rendered_hand(tmp_path):
    samples = rendered_photos(tmp_path / "renders")
    assert main([f"input={tmp_path / 'renders'}", f"out={tmp_path / 'out'}"]) == 0
    near = []
    for index, sample in enumerate(samples):
        told = json.loads((tmp_path / "out" / f"{index:02d}.json").read_text())
        assert told["checkpoint"]["file"].endswith("pose.safetensors")
        if told["hands"]:
            gap = np.linalg.norm(np.array(told["hands"][0]["joints_px"]) - sample.joints_px, axis=-1)
            near.append(gap.mean() / np.ptp(sample.joints_px, axis=0).max() < 0.2)
    assert len(near) >= 10 and np.mean(near) >= 0.8
