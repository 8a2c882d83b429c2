import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from synth.common.config import compose_config
from synth.common.conventions import HAND_PARTS
from synth.dataset import SampleStore, read_manifest
from synth.dataset.manifest import MANIFEST_FILE
from synth.dataset.verify import verify
from synth.generate import GenerateConfig, generate, main
from synth.hand import HandModel, load_hand

SMALL = dict(num_samples=14, shard_size=4, image_size=48, seed=5)


def contents(folder: Path) -> dict[str, bytes]:
    return {f.name: f.read_bytes() for f in sorted(folder.iterdir()) if f.suffix == ".tar" or f.name == MANIFEST_FILE}


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    out = tmp_path_factory.mktemp("reference") / "data"
    generate(GenerateConfig(out=str(out), workers=1, **SMALL))
    return out


def test_the_dataset_is_sound(reference):
    result = verify(reference)
    assert result.faults == [] and result.num_samples == 14
    assert [s.num_samples for s in read_manifest(reference).shards] == [4, 4, 4, 2]
    assert sorted(f.name for f in reference.iterdir() if f.name.startswith(".")) == []


def test_the_manifest_says_what_depth_and_fingertips_are_and_on_which_terms(reference):
    told = json.loads((reference / MANIFEST_FILE).read_text())
    assert (told["depth_unit"], told["depth_step_m"], told["depth_invalid"]) == ("metre", 1e-4, 0)
    assert told["fingertip_vertices"] == load_hand("open").tip_vertex_ids.tolist()
    assert "MakeHuman" in told["licence_notes"][0] and told["licence_notes"][1].startswith("skinning=lbs: ")
    assert told["config"]["skinning"] == "lbs" and "smplx" not in str(told)
    older = {key: value for key, value in told.items() if not key.startswith(("depth_unit", "depth_inv", "finger"))}
    (reference / MANIFEST_FILE).write_text(json.dumps(older))
    assert read_manifest(reference).fingertip_vertices == []
    (reference / MANIFEST_FILE).write_text(json.dumps(told, indent=1) + "\n")


def test_pose_shape_and_translation_give_the_joints_through_the_hand_model(reference):
    model = HandModel(load_hand("open"))
    for sample in (SampleStore(reference)[i] for i in range(14)):
        row = [torch.tensor(x, dtype=torch.float32)[None] for x in (sample.pose_aa, sample.betas, sample.transl)]
        joints = model(*row).joints[0].detach().numpy()
        assert np.abs(joints - sample.joints_cam).max() < 2e-5


def test_joints_lie_on_the_hand_in_depth_and_segmentation(reference):
    on_hand = []
    for sample in (SampleStore(reference)[i] for i in range(14)):
        column, row = np.rint(sample.joints_px[sample.visible]).astype(int).T
        on_hand.append(np.isin(sample.segmentation[row, column], [*HAND_PARTS, 17, 18]).mean())
        near = sample.depth_m[row, column]
        gap = (sample.joints_cam[sample.visible, 2] - near)[near > 0]
        assert gap.max() < 0.029
    assert np.mean(on_hand) > 0.85


def test_most_hands_are_whole_and_all_are_seen(reference):
    samples = [SampleStore(reference)[i] for i in range(14)]
    whole = [((s.joints_px >= 0) & (s.joints_px <= 47)).all() for s in samples]
    assert np.mean(whole) >= 0.8
    assert min(s.visible.sum() for s in samples) >= 5


def test_samples_differ_from_each_other_and_from_another_seed(reference, tmp_path):
    store = SampleStore(reference)
    assert np.abs(store[0].joints_cam - store[1].joints_cam).max() > 0.01
    generate(GenerateConfig(out=str(tmp_path / "other"), workers=1, **(SMALL | {"seed": 6, "num_samples": 2})))
    assert np.abs(SampleStore(tmp_path / "other")[0].joints_cam - store[0].joints_cam).max() > 0.01


def test_a_sample_does_not_depend_on_shards_or_the_number_of_samples(reference, tmp_path):
    generate(GenerateConfig(out=str(tmp_path / "d"), workers=1, **(SMALL | {"shard_size": 5, "num_samples": 6})))
    for i in range(6):
        one, other = SampleStore(reference)[i], SampleStore(tmp_path / "d")[i]
        assert (one.rgb == other.rgb).all() and (one.depth_m == other.depth_m).all()
        assert (one.joints_cam == other.joints_cam).all() and one.scene == other.scene


def test_two_workers_make_the_same_bytes(reference, tmp_path):
    generate(GenerateConfig(out=str(tmp_path / "d"), workers=2, **SMALL))
    assert contents(tmp_path / "d") == contents(reference)


def test_a_killed_run_ends_with_the_same_bytes(reference, tmp_path):
    out = tmp_path / "d"
    arguments = [f"{key}={value}" for key, value in SMALL.items()]
    command = [sys.executable, "-m", "synth.generate", f"out={out}", "workers=1", *arguments]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while process.poll() is None and time.monotonic() < deadline and not list(out.glob("shard-*.tar")):
        time.sleep(0.005)
    if process.poll() is None:
        os.kill(process.pid, signal.SIGKILL)
    process.wait()
    finished = {f.name: f.stat().st_mtime_ns for f in out.glob("shard-*.tar")}
    (out / ".shard-000003.tar.1.partial.tar").write_bytes(b"half")
    assert main([f"out={out}", "workers=1", *arguments]) == 0
    assert contents(out) == contents(reference)
    assert not list(out.glob(".*"))
    noted = [name for name, mtime in finished.items() if (out / name).stat().st_mtime_ns == mtime]
    assert len(noted) >= len(finished) - 1


def test_a_damaged_shard_of_an_unfinished_run_is_made_again(reference, tmp_path, monkeypatch):
    out = tmp_path / "d"

    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("synth.generate.write_manifest", stop)
    arguments = [f"out={out}", "workers=1", *(f"{key}={value}" for key, value in SMALL.items())]
    assert main(arguments) == 130
    monkeypatch.undo()
    (out / "shard-000001.tar").write_bytes(b"damaged")
    assert main(arguments) == 0
    assert contents(out) == contents(reference)


def test_a_finished_dataset_is_left_alone(reference):
    before = {f.name: f.stat().st_mtime_ns for f in reference.iterdir()}
    generate(GenerateConfig(out=str(reference), workers=2, **SMALL))
    assert before == {f.name: f.stat().st_mtime_ns for f in reference.iterdir()}


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("num_samples=0", "num_samples=0"),
        ("image_size=-3", "image_size=-3"),
        ("workers=0", "workers=0"),
        ("executor=slurm", "executor=slurm is not legal: it must be one of local, ray"),
        ("skinning=mano", "skinning=mano is not legal: it must be one of lbs, smplx"),
        ("renderer=blender", "renderer=blender is unknown; legal: opengl, pytorch3d, raster, torch"),
        ("hand=/none.npz", "hand=/none.npz does not exist"),
        ("background_dir=/none", "background_dir=/none does not exist"),
        ("skins=/none", "skins=/none does not exist"),
        ("depth_sensor=lidar", "ideal, structured_light"),
        ("scene.occluder_share=2", "scene.occluder_share=2"),
        ("scene.occluder.held_share=-1", "scene.occluder.held_share=-1"),
        ("scene.occluder.mesh_dir=/none", "scene.occluder.mesh_dir=/none does not exist"),
        ("scene.second_hand_share=2", "scene.second_hand_share=2"),
        ("scene.view.sde=1", "scene.view.side"),
        ("preset=huge", "demo, laptop, paper"),
    ],
)
def test_bad_input_is_refused_in_one_line_before_anything_is_written(tmp_path, capsys, override, message):
    assert main([f"out={tmp_path / 'd'}", override]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and message in error
    assert not (tmp_path / "d").exists()


def test_smplx_poses_the_same_hands_and_is_named_in_the_terms(reference, tmp_path):
    generate(GenerateConfig(out=str(tmp_path / "d"), workers=1, skinning="smplx", **(SMALL | {"num_samples": 4})))
    manifest = read_manifest(tmp_path / "d")
    assert manifest.config["skinning"] == "smplx" and "skinning=smplx: " in manifest.licence_notes[1]
    pairs = [(SampleStore(tmp_path / "d")[i], SampleStore(reference)[i]) for i in range(4)]
    assert all(theirs.scene == ours.scene for theirs, ours in pairs)
    apart = [np.abs(theirs.joints_cam - ours.joints_cam).max() for theirs, ours in pairs]
    assert 0 < max(apart) < 2e-6, "rounding tells that smplx was at work"


def test_smplx_that_is_not_there_ends_in_one_line_before_anything_is_written(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "smplx", None)
    assert main([f"out={tmp_path / 'd'}", "skinning=smplx"]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and error.endswith("pip install smplx; or take skinning=lbs\n")
    assert not (tmp_path / "d").exists()


def test_a_folder_with_another_run_is_refused(reference, capsys):
    arguments = [f"{key}={value}" for key, value in (SMALL | {"seed": 9}).items()]
    assert main([f"out={reference}", *arguments]) == 1
    assert "seed was 5, now 9" in capsys.readouterr().err


def test_a_full_disk_is_refused_before_the_start(tmp_path, monkeypatch):
    free = type("Usage", (), {"free": 10_000})()
    monkeypatch.setattr("synth.common.files.shutil.disk_usage", lambda _: free)
    with pytest.raises(ValueError, match="GB left"):
        generate(GenerateConfig(out=str(tmp_path / "d"), workers=1, **SMALL))
    assert not list((tmp_path / "d").glob("*.tar"))


def test_presets_grow_and_the_laptop_one_is_the_default():
    demo, laptop, paper = (
        compose_config("generate", GenerateConfig, ["out=x", f"preset={preset}"])
        for preset in ("demo", "laptop", "paper")
    )
    assert laptop == GenerateConfig(out="x") == compose_config("generate", GenerateConfig, ["out=x"])
    assert demo.num_samples < laptop.num_samples < paper.num_samples
    assert compose_config("generate", GenerateConfig, ["out=x", "preset=demo", "num_samples=5"]).num_samples == 5
