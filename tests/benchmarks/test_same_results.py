"""The comparison of two checkouts: what it counts as different, and what it does not."""

import json
from pathlib import Path

import torch
from safetensors.torch import save_file

from benchmarks.same_results import results


def made(out: Path, *, weight: float = 1.0, joint: float = 3.5, shard: bytes = b"a", **notes: object) -> dict:
    """What a run leaves, with one value of each kind."""
    for verb in ("generate", "pretrain", "predict"):
        (out / verb).mkdir(parents=True)
    (out / "generate" / "shard-000000.tar").write_bytes(shard)
    save_file({"w": torch.tensor([weight])}, out / "pretrain" / "model.safetensors")
    told = {"hands": [{"joints_px": [[joint, 2.0]]}], "image": f"{out}/photo.jpg", **notes}
    (out / "predict" / "photo.json").write_text(json.dumps(told))
    return results(out)


def test_bytes_weights_and_predictions_are_compared(tmp_path: Path) -> None:
    same = made(tmp_path / "a")
    assert len(same) == 5
    changes = [{"weight": 1.0000001}, {"joint": 3.5000001}, {"shard": b"b"}]
    for place, change in enumerate(changes):
        other = made(tmp_path / str(place), **change)
        assert sum(other[key] != same[key] for key in same) == 1, change


def test_times_and_renamed_keys_are_not(tmp_path: Path) -> None:
    before = made(tmp_path / "before", locator="localizer", date="monday")
    assert before == made(tmp_path / "after", detector="detector", date="tuesday")
