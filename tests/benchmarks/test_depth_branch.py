"""The check of the depth branch: it fails for a branch that is behind or was not trained, and its options are legal."""

import json

import pytest

from benchmarks.long import depth_branch


@pytest.fixture
def trained(tmp_path, monkeypatch):
    """Takes metrics to a training that leaves them; the configs that were trained with."""
    seen = []

    def leave(**metrics):
        (tmp_path / "metrics.json").write_text(json.dumps({"held_out_pck_box@0.1": 0.8, **metrics}))
        model = tmp_path / "model.safetensors"
        monkeypatch.setattr(depth_branch, "pretrain", lambda config: seen.append(config) or model)
        return seen

    return leave


@pytest.mark.parametrize(("of_depth", "status"), [(0.9, 0), (0.8, 0), (0.79, 1), (None, 1)])
def test_a_depth_branch_behind_rgb_is_a_failure(trained, of_depth, status, capsys):
    seen = trained(**({} if of_depth is None else {"held_out_depth_pck_box@0.1": of_depth}))
    assert depth_branch.main(["d", "o", "max_steps=7"]) == status
    (config,) = seen
    assert (config.data, config.out, config.max_steps, config.method.depth_branch) == ("d", "o", 7, True)
    assert config.init.endswith("latest.safetensors") and "RGB branch: 0.800" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "told"),
    [(["d"], "give DATA and OUT"), (["d", "x=1"], "give DATA and OUT"), (["d", "o", "stpes=1"], "stpes")],
)
def test_bad_input_is_one_line(words, told, capsys):
    assert depth_branch.main(words) == 1
    line = capsys.readouterr().err
    assert line.startswith("depth_branch: ") and told in line and line.count("\n") == 1
