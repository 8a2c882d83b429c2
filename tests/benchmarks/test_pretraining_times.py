"""Step times: what is timed is a training's own step, and steps follow from medians of one interleaved run."""

import itertools
import json
import time
from pathlib import Path

import pytest
import torch

from benchmarks.pretraining import other_code, step_speed, timing
from benchmarks.pretraining.other_code import packages_of
from benchmarks.pretraining.step_times import StageTime, beside_baseline, steps_of
from benchmarks.pretraining.stepper import FIRST_PHASE, SUPERVISED, SharedHands, Steps, serve
from benchmarks.pretraining.tables import Row, Stage, Table
from benchmarks.pretraining.timing import Stepper, interleaved
from dualmod import pretrain as pretraining
from synth.common.config import compose_config

NETWORK = (
    "network.image_size=64", "network.rgb.backbone=mobilenetv3_small_050", "network.rgb.weights=",
    "network.rgb.frozen_stages=1", "network.decoder_width=16", "network.embedding_dims=8",
    "network.depth.backbone=mobilenetv3_small_050", "device=cpu", "threads=1", "loader_workers=0",
)  # fmt: skip


def made(tiny_data, *options) -> Steps:
    return Steps([*NETWORK, "batch_size=4", "max_steps=20", f"data={tiny_data}", *options], pretraining.open_hands)


def one_stage(name: str, *pretrain: str, **given) -> Row:
    return Row(name, (Stage(pretrain),), **given)


def test_what_is_timed_is_what_a_training_would_have_trained(tiny_data, tmp_path, monkeypatch):
    options = [*NETWORK, "batch_size=4", "max_steps=20", f"data={tiny_data}", "method=dual", "seed=3"]
    passed = {}

    def run_training(module, batches, out, **_):
        passed.update(module=module, batches=batches)
        raise KeyboardInterrupt

    steps = Steps(options, pretraining.open_hands)
    monkeypatch.setattr(pretraining, "run_training", run_training)
    with pytest.raises(KeyboardInterrupt):
        pretraining.pretrain(compose_config("pretrain", pretraining.PretrainConfig, [*options, f"out={tmp_path}/run"]))
    mine, its = steps.module.state_dict(), passed["module"].state_dict()
    assert mine.keys() == its.keys() and all(torch.equal(mine[name], its[name]) for name in its)
    assert len(steps.batches(5)) == 2 and torch.equal(steps.batches(5)[1].rgb, passed["batches"](5)[1].rgb)
    assert steps.module.net.training and not steps.module.net.rgb_encoder.stages[0].training


@pytest.mark.parametrize("decay", [0.0, 0.5])
def test_a_step_counts_batch_loss_update_and_average_and_moves_the_weights(tiny_data, monkeypatch, decay):
    steps = made(tiny_data, f"engine.ema_decay={decay}")
    clock = [0.0]
    monkeypatch.setattr(time, "process_time", lambda: clock[0])

    def taking(seconds, function):
        def run(*args, **kwargs):
            clock[0] += seconds
            return function(*args, **kwargs)

        return run

    steps.batches = taking(1.0, steps.batches)
    monkeypatch.setattr(steps.module, "losses", taking(2.0, steps.module.losses))
    monkeypatch.setattr(torch.nn.utils, "clip_grad_norm_", taking(4.0, torch.nn.utils.clip_grad_norm_))
    monkeypatch.setattr(steps.optimizer, "step", taking(8.0, steps.optimizer.step))
    if decay:
        steps.average = taking(16.0, steps.average)
    before = {name: weight.clone() for name, weight in steps.module.net.named_parameters()}
    assert steps.step(SUPERVISED) == (31.0 if decay else 15.0)
    moved = [name for name, weight in steps.module.net.named_parameters() if not torch.equal(weight, before[name])]
    assert "decoder.head.weight" in moved and not any(name.startswith("rgb_encoder.stages.0.") for name in moved)


def test_phases_are_timed_apart_on_their_own_batches(tiny_data):
    steps = made(tiny_data, "method=peclr", "method.phase.batch_size=4")
    assert steps.phases == {FIRST_PHASE: 0.4, SUPERVISED: 0.6}
    seen = []
    steps.batches = lambda number, of=steps.batches: seen.append(number) or of(number)
    for phase in (FIRST_PHASE, SUPERVISED, FIRST_PHASE):
        assert steps.step(phase) > 0
    assert seen == [0, 8, 1]


def test_rows_share_one_dataset(tiny_data):
    opened, open_hands = [], pretraining.open_hands
    hands = SharedHands(lambda config: opened.append(config.data) or open_hands(config))
    options = [*NETWORK, "batch_size=4", "max_steps=20", f"data={tiny_data}"]
    assert [Steps([*options, f"method={name}"], hands).phases for name in ("dual", "source_only")] == [{1: 1.0}] * 2
    assert opened == [str(tiny_data)]


def test_the_process_times_rows_of_its_own(tiny_data):
    rows = {
        "a/0": [
            *NETWORK,
            "batch_size=2",
            "max_steps=20",
            f"data={tiny_data}",
            "method=simclr",
            "method.phase.batch_size=4",
        ]
    }
    with Stepper(other_code.ROOT, rows) as process:
        assert process.phases == {"a/0": {FIRST_PHASE: 0.4, SUPERVISED: 0.6}}
        assert all(0 < process.step("a/0", phase) < 60 for phase in (FIRST_PHASE, SUPERVISED))
    assert process.process.returncode == 0


@pytest.mark.parametrize(
    ("option", "told"),
    [
        ("data=nowhere", "data=nowhere does not exist; give a folder"),
        ("methd=dual", "methd is no option of this stage"),
    ],
)
def test_a_row_that_cannot_be_built_is_told(option, told):
    (answer,) = serve(iter([json.dumps({"a/0": [*NETWORK, "data=d", option]}), '["a/0", 1]']))
    assert json.loads(answer)["error"].startswith(told)


def test_rounds_go_to_and_fro_and_the_first_ones_do_not_count():
    clock = itertools.count()
    asked = []
    found = interleaved(
        [("a", 1), ("b", 1)], lambda name, phase: asked.append(name) or float(next(clock)), 2, warm_up=1
    )
    assert "".join(asked) == "abbaab" and found == {("a", 1): [3.0, 4.0], ("b", 1): [2.0, 5.0]}


def test_the_average_step_is_that_of_the_phases_by_their_shares(monkeypatch):
    class FakeStepper:
        def __init__(self, packages, rows):
            self.packages, self.rows = packages, rows
            self.phases = {name: {0: 0.4, 1: 0.6} if name == "two/0" else {1: 1.0} for name in rows}
            self.counts = dict.fromkeys([(name, phase) for name in rows for phase in (0, 1)], 0)

        def __enter__(self):
            made.append(self)
            return self

        def __exit__(self, *_):
            pass

        def step(self, name, phase):
            """10 ms in the first phase, 20 in the other; the first rounds and one later step are slow."""
            self.counts[name, phase] += 1
            return (0.01, 0.02)[phase] * (50 if self.counts[name, phase] in (1, 2, 3, 6) else 1)

    made: list[FakeStepper] = []
    monkeypatch.setattr(timing, "Stepper", FakeStepper)
    monkeypatch.setattr(timing, "packages_of", lambda commit: Path(f"code-of-{commit}"))
    late = Row("late", (Stage(("a=1", "b=STEPS/5"), 0.5), Stage(("a=2",), 0.5)))
    rows = {"two": one_stage("two"), "late": late, "old": one_stage("old", commit="abc", steps=3)}
    table = Table("t", "?", "two", rows)
    found = timing.measure(table, list(rows.values()), lambda row: Path(f"of-{row.name}"), 5)["rows"]
    assert [stage["ms"] for stages in found.values() for stage in stages] == [16.0, 20.0, 20.0, 20.0]
    assert found["two"][0]["phases"] == {"0": [10.0, 0.4], "1": [20.0, 0.6]} and found["old"][0]["commit"] == "abc"
    assert found["late"][0]["pretrain"] == ["a=1", "b=STEPS/5"]
    assert [str(process.packages) for process in made] == ["code-of-", "code-of-abc"]
    assert made[0].rows["late/0"] == ["a=1", "b=1000", "max_steps=5000", "data=of-late"]


def timed(row: Row, *ms: float, scaled: float = 1.0) -> list[StageTime]:
    return [StageTime(list(s.pretrain), row.commit, m, {}, scaled) for s, m in zip(row.stages, ms, strict=True)]


def test_steps_are_the_seconds_over_the_time_of_a_step():
    plain, late = one_stage("plain", "a=1"), Row("late", (Stage(("a=1",), 0.25), Stage(("a=2",), 0.75)))
    times = {"plain": timed(plain, 40.0), "late": timed(late, 20.0, 90.0)}
    assert steps_of(plain, times, 9) == [225] and steps_of(late, times, 9) == [112, 75]


def test_a_row_with_steps_keeps_them():
    old = one_stage("old", commit="abc", steps=80)
    assert steps_of(old, {"old": timed(old, 50.0)}, 9.0) == [80]


def test_a_row_that_was_not_timed_as_it_is_is_refused():
    times = {"a": timed(one_stage("a", "x=1"), 10.0)}
    with pytest.raises(ValueError, match=r"^row a was timed with other options; .*stage=times rows=a$"):
        steps_of(one_stage("a", "x=2"), times, 1)
    with pytest.raises(ValueError, match=r"^row a was timed with other options"):
        steps_of(one_stage("a", "x=1", commit="c", steps=1), times, 1)
    with pytest.raises(ValueError, match=r"^row b has no step time"):
        steps_of(one_stage("b"), times, 1)


def test_rows_timed_later_count_beside_their_baseline():
    def content(**rows):
        return {"date": "d", "rows": {n: [vars(t) for t in timed(one_stage(n, "x=1"), ms)] for n, ms in rows.items()}}

    found = beside_baseline(content(base=40.0, a=80.0), content(base=50.0, b=75.0), "base")
    assert {name: stages[0]["ms"] for name, stages in found["rows"].items()} == {"base": 40.0, "a": 80.0, "b": 60.0}
    assert found["rows"]["b"][0]["scaled"] == 0.8 and found["rows"]["a"][0]["scaled"] == 1.0
    with pytest.raises(ValueError, match="time all rows anew"):
        beside_baseline(content(a=80.0), content(base=50.0), "base")


def test_the_code_of_another_commit_is_unpacked_once(tmp_path):
    assert packages_of("") == other_code.ROOT
    if other_code.code_commit() == "unknown":
        pytest.skip("not a git checkout")
    found = packages_of("HEAD", tmp_path)
    assert {path.name for path in found.iterdir()} >= {"dualmod", "synth", "configs"}
    assert (found / "dualmod" / "pretrain.py").is_file() and packages_of("HEAD", tmp_path) == found
    with pytest.raises(ValueError, match="commit=nowhere is not in the repository"):
        packages_of("nowhere", tmp_path)
    assert not (tmp_path / "nowhere").exists()


def test_the_readme_shows_the_step_times_that_are_kept():
    table = step_speed.markdown()
    assert table in step_speed.PAGE.read_text()
    kept = json.loads(step_speed.TIMES.read_text())["rows"]
    ratio = kept["older"][0]["ms"] / kept["five_stages"][0]["ms"]
    assert f"x {ratio:.2f} |" in table and f"| {1000 * 32 / kept['older'][0]['ms']:.0f} | x 1.00 |" in table
