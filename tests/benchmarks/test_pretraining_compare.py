"""A comparison at tiny size: steps fixed by measured times, nothing done twice, sessions add up, numbers by hand."""

import json
import shutil
from pathlib import Path
from statistics import stdev

import pytest
import yaml

from benchmarks.pretraining import other_code, renders, timing, worker
from benchmarks.pretraining.compare import main
from benchmarks.pretraining.runs import Trainings
from dualmod.checkpoints.checkpoint import load_network
from dualmod.evaluate import EvaluateConfig, evaluate
from dualmod.pretrain import PretrainConfig, pretrain
from synth.common.config import compose_config
from synth.dataset.manifest import read_manifest
from synth.generate import GenerateConfig, generate

SMALL = [
    "method=source_only", "network.image_size=64", "network.rgb.backbone=mobilenetv3_small_050", "network.rgb.weights=",
    "network.rgb.frozen_stages=0", "network.decoder_width=16", "network.embedding_dims=8", "batch_size=4",
    "network.depth.backbone=mobilenetv3_small_050", "loader_workers=0", "optimizer.warmup_steps=2",
]  # fmt: skip
TABLE = {
    "question": "Which is better?",
    "baseline": "base",
    "seconds": 0.06,
    "pretrain": SMALL,
    "rows": {
        "base": [],
        "slow": ["batch_size=6"],
        "grown": {"stages": [{"share": 0.5, "pretrain": []}, {"share": 0.5, "pretrain": ["network.image_size=96"]}]},
        "plain": {"generate": ["num_samples=8", "scene.arm.on=false"]},
    },
    "sets": {"simulated": ["seed=7919", "num_samples=4", "rgb.noise=0.2"]},
}
MS = {"base": 10.0, "slow": 20.0, "grown": 15.0, "plain": 30.0}
SPENT = 12.5


class FakeStepper:
    """Tells ``MS``, with an outlier now and then."""

    def __init__(self, packages, rows):
        self.phases = {name: {1: 1.0} for name in rows}
        self.calls = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def step(self, name, phase):
        self.calls += 1
        return MS[name.partition("/")[0]] / 1000 * (9 if self.calls % 7 == 0 else 1)


@pytest.fixture(scope="module")
def validation(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six renders to measure on, and the four that are made beside them."""
    folder = tmp_path_factory.mktemp("sets") / "validation"
    generate(GenerateConfig(out=str(folder), num_samples=6, seed=9, image_size=64, workers=1))
    renders.derived(folder, TABLE["sets"]["simulated"], folder.with_name("simulated"), workers=1)
    return folder


@pytest.fixture
def place(tmp_path, tiny_data, validation, monkeypatch) -> Path:
    """A folder with everything that a command needs; trainings run in this process, and the clock is ours."""
    shutil.copytree(validation.parent, tmp_path, dirs_exist_ok=True)
    shutil.copytree(tiny_data, tmp_path / "renders")
    (tmp_path / "tables").mkdir()
    write_table(tmp_path, TABLE)
    (tmp_path / "page.md").write_text("before\n<!-- t:start -->\nold\n<!-- t:end -->\nafter\n")
    monkeypatch.setattr(timing, "Stepper", FakeStepper)
    return tmp_path


@pytest.fixture
def trained(monkeypatch) -> list[list[str]]:
    """Options of every training that was started."""
    started = []

    class InThisProcess(Trainings):
        def __call__(self, options, packages, log, note):
            started.append(list(options))
            pretrain(compose_config("pretrain", PretrainConfig, options))
            note(SPENT)

    monkeypatch.setattr(worker, "Trainings", InThisProcess)
    return started


def write_table(place: Path, table: dict) -> None:
    (place / "tables" / "t.yaml").write_text(yaml.safe_dump(table, sort_keys=False))


def words(place: Path, *more: str) -> list[str]:
    folders = {"data": "renders", "validation": "validation", "out": "out", "tables": "tables", "results": "results"}
    given = [f"{key}={place / name}" for key, name in folders.items()]
    return ["t", *given, f"page={place / 'page.md'}", "rounds=5", *more]


def results(place: Path) -> dict:
    return json.loads((place / "results" / "t.json").read_text())


def of(place: Path, row: str, seed: int = 0) -> dict:
    return next(r for r in results(place)["runs"] if (r["row"], r["seed"]) == (row, seed))


def value(options: list[str], key: str) -> str:
    return next(option.partition("=")[2] for option in options if option.startswith(f"{key}="))


def cells(place: Path, row: str) -> dict[str, str]:
    lines = [line for line in (place / "page.md").read_text().splitlines() if line.startswith("| ")]
    titles, found = (
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in (lines[0], next(line for line in lines if line.startswith(f"| `{row}`")))
    )
    return dict(zip(titles, found, strict=True))


def test_steps_follow_from_the_times_and_a_second_run_trains_nothing(place, trained, capsys, monkeypatch):
    assert main(words(place, "rows=base,slow")) == 0
    assert [(value(o, "max_steps"), value(o, "batch_size"), value(o, "seed")) for o in trained] == [
        ("6", "4", "0"), ("3", "6", "0")
    ]  # fmt: skip
    assert all(value(o, "device") == "cpu" and value(o, "threads") == "1" for o in trained)
    times = json.loads((place / "results" / "t.times.json").read_text())
    assert {name: stages[0]["ms"] for name, stages in times["rows"].items()} == {"base": 10.0, "slow": 20.0}
    assert times["commit"] == other_code.code_commit() and times["rounds"] == 5 and times["hardware"] and times["date"]
    slow = of(place, "slow")
    assert (slow["steps"], slow["ms"], slow["cpu_seconds"]) == ([3], 20.0, SPENT)
    assert slow["commit"] == other_code.code_commit() and "batch_size=6" in slow["pretrain"][0]

    before = (place / "results" / "t.json").read_bytes()
    monkeypatch.setitem(MS, "base", 1.0)  # times that are there are kept, unless they are asked for
    assert main(words(place, "rows=base,slow")) == 0 and len(trained) == 2
    assert "2 of 2 runs are there" in capsys.readouterr().out
    assert (place / "results" / "t.json").read_bytes() == before
    monkeypatch.setattr("os.getloadavg", lambda: (3.5, 3.0, 3.0))
    assert main(words(place, "stage=times")) == 0 and len(trained) == 2
    assert "the machine was not quiet (load 3.5 before)" in capsys.readouterr().out
    times = json.loads((place / "results" / "t.times.json").read_text())
    assert {name: stages[0]["ms"] for name, stages in times["rows"].items()} == MS


def test_numbers_are_those_of_evaluate(place, trained):
    assert main(words(place, "rows=base")) == 0
    (model,) = (place / "out").glob("base-*/seed-0/0/model.safetensors")
    for name, count in (("validation", 6), ("simulated", 4)):
        out = place / f"evaluated-{name}"
        dataset = f"renders:{place / name}"
        wanted = evaluate(EvaluateConfig(checkpoint=str(model), dataset=dataset, out=str(out), bootstrap=0))["renders"]
        wanted = wanted.to_json()
        found = of(place, "base")["numbers"][name]
        assert found["images"] == count and found["handedness_accuracy"] == wanted["handedness_accuracy"]
        for metric in ("pck_box@0.05", "pck_box@0.1", "pck_box@0.2", "epe_mm"):
            assert found["predicted"][metric] == wanted[metric] and found["given"][metric] == wanted["given"][metric]
    assert read_manifest(place / "simulated").config["rgb"]["noise"] == 0.2


def test_two_sessions_add_up_and_the_table_is_what_a_hand_computes(place, trained):
    rows = "rows=base,slow"
    assert main(words(place, rows, "seeds=0")) == 0
    lines = (place / "results" / "t.json").read_text().splitlines()
    (other := place / "other").mkdir()
    assert main([w if not w.startswith("out=") else f"out={other}" for w in words(place, rows, "seeds=1,0")]) == 0
    assert [(value(o, "seed"), value(o, "batch_size")) for o in trained] == [
        ("0", "4"), ("0", "6"), ("1", "4"), ("1", "6")
    ]  # fmt: skip
    now = (place / "results" / "t.json").read_text().splitlines()
    first = [[line.rstrip(",") for line in file if line.startswith('  {"row"')] for file in (lines, now)]
    assert first[0] == [line for line in first[1] if '"seed": 0' in line] and len(first[0]) == 2

    content = results(place)
    made_up = {("base", 0): 0.50, ("base", 1): 0.54, ("slow", 0): 0.61, ("slow", 1): 0.63}
    for run in content["runs"]:
        run["numbers"]["validation"]["given"]["pck_box@0.1"] = made_up[run["row"], run["seed"]]
        run["numbers"]["simulated"]["handedness_accuracy"] = 0.5 + 0.25 * run["seed"]
    (place / "results" / "t.json").write_text(json.dumps(content))
    assert main(words(place, "stage=table")) == 0
    text = (place / "page.md").read_text()
    assert text.startswith("before\n<!-- t:start -->\nWhich is better?\n") and text.endswith("<!-- t:end -->\nafter\n")
    assert text.index("`slow`") < text.index("`base`") and "old\n" not in text
    slow, base = cells(place, "slow"), cells(place, "base")
    assert (slow["PCK@0.1"], base["PCK@0.1"]) == ("62.0 ± 1.4", "52.0 ± 2.8")
    half = 12.706 * stdev([11, 9]) / 2**0.5
    assert slow["against base"] == f"+10.0 ± {half:.1f}" and base["against base"] == "-"
    assert slow["simulated: side right"] == f"62.5 ± {stdev([50, 75]):.1f}" and slow["what it sets"] == "`batch_size=6`"
    assert (slow["steps"], slow["ms a step"], slow["CPU seconds"], slow["seeds"]) == ("3", "20", "12 ± 0", "2")
    assert (
        "python -m benchmarks.pretraining.compare t seeds=0,1\n" in text and "6 of validation, 4 of simulated" in text
    )


def test_one_seed_has_no_spread_and_no_interval(place, trained):
    assert main(words(place, "rows=base,slow")) == 0
    shown = cells(place, "slow")
    assert all("±" not in cell for cell in shown.values())
    given = [100 * of(place, row)["numbers"]["validation"]["given"]["pck_box@0.1"] for row in ("slow", "base")]
    assert shown["against base"] == f"{given[0] - given[1]:+.1f}" and shown["PCK@0.1"] == f"{given[0]:.1f}"


def test_a_row_that_has_changed_is_timed_and_run_again_and_no_other(place, trained, capsys):
    assert main(words(place, "rows=base,slow")) == 0
    write_table(place, {**TABLE, "rows": {**TABLE["rows"], "slow": ["batch_size=5"]}})
    assert main(words(place, "rows=slow")) == 1
    assert "row slow was timed with other options" in capsys.readouterr().err and len(trained) == 2
    assert main(words(place, "rows=slow", "stage=times")) == 0
    assert main(words(place, "rows=base,slow")) == 0
    assert [value(o, "batch_size") for o in trained] == ["4", "6", "5"]
    assert [r["row"] for r in results(place)["runs"]] == ["base", "slow"]
    assert "batch_size=5" in of(place, "slow")["pretrain"][0]
    assert main(words(place, "rows=base", "seconds=0.03")) == 0  # other steps are another run
    assert value(trained[-1], "max_steps") == "3" and of(place, "base")["steps"] == [3]


def test_a_stage_goes_on_from_the_one_before_at_its_own_side(place, trained):
    assert main(words(place, "rows=grown")) == 0
    first, second = trained
    assert value(first, "max_steps") == value(second, "max_steps") == "2" and not any(
        o.startswith("init=") for o in first
    )
    start = load_network(value(second, "init"))
    assert (
        start.config.image_size == 96
        and load_network(f"{value(first, 'out')}/model.safetensors").config.image_size == 64
    )
    assert load_network(f"{value(second, 'out')}/model.safetensors").config.image_size == 96
    run = of(place, "grown")
    assert run["steps"] == [2, 2] and run["ms"] == 15.0 and run["cpu_seconds"] == 2 * SPENT
    # what is trained is not trained again when only its result is lost
    (place / "results" / "t.json").unlink()
    assert (
        main(words(place, "rows=grown")) == 0 and len(trained) == 2 and of(place, "grown")["numbers"] == run["numbers"]
    )


def test_a_row_has_renders_of_its_own(place, trained):
    assert main(words(place, "rows=base,plain")) == 0
    assert [value(o, "data") for o in trained] == [str(place / "renders"), str(place / "renders-plain")]
    own, table = (read_manifest(place / name).config for name in ("renders-plain", "renders"))
    assert own["scene"]["arm"]["on"] is False and own["num_samples"] == 8
    own["scene"]["arm"]["on"], own["num_samples"] = table["scene"]["arm"]["on"], table["num_samples"]
    assert own == table


def test_results_on_other_renders_are_not_mixed(place, trained, capsys):
    assert main(words(place, "rows=base")) == 0
    shutil.copytree(place / "renders", place / "elsewhere")
    elsewhere = [w if not w.startswith("data=") else f"data={place / 'elsewhere'}" for w in words(place)]
    assert main([*elsewhere, "rows=base", "stage=train"]) == 0  # where renders lie does not count
    manifest = place / "elsewhere" / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"noise": 0.0', '"noise": 0.1'))
    assert main([*elsewhere, "rows=base", "stage=train"]) == 1
    told = capsys.readouterr().err
    assert told.startswith("compare: renders of data=") and "as in t.json" in told and told.count("\n") == 1


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (["u"], "TABLE=u is not legal: it must be one of t"),
        (["rows=base,bose"], "rows=bose is not legal: it must be one of base, slow, grown, plain"),
        (["data=nowhere"], "data=nowhere does not exist; give a folder"),
        (["validation=nowhere"], "validation=nowhere does not exist; give a folder"),
        (["stage=train"], "t.times.json does not exist"),
        (["stage=tabel"], "stage=tabel is not legal: it must be times, train or table"),
        (["sedes=1"], "option=sedes=1 is not legal: it must be one of seconds, seeds, rows"),
        (["seeds=one"], "seeds=one is not legal: it must be whole numbers"),
        (["seconds=ten"], "seconds=ten is not legal: it must be a number"),
        (["jobs=0"], "jobs=0 is not legal: it must be above 0"),
    ],
)
def test_bad_input_is_one_line_before_work_starts(place, trained, capsys, given, told):
    command = words(place)
    command = [*given, *command[1:]] if given == ["u"] else [*command, *given]
    assert main(command) == 1
    line = capsys.readouterr().err
    assert line.startswith("compare: ") and told in line and line.count("\n") == 1
    assert trained == [] and not (place / "results").exists()


def test_without_a_table_it_says_what_to_give(capsys):
    assert main([]) == 1 and main(["rows=a"]) == 1
    assert capsys.readouterr().err.count("it must be given first: compare TABLE KEY=VALUE") == 2


def test_a_page_without_markers_is_left_as_it_is(place, trained, capsys):
    (place / "page.md").write_text("nothing\n")
    assert main(words(place, "rows=base")) == 1
    assert "page.md lacks <!-- t:start --> or <!-- t:end -->" in capsys.readouterr().err
    assert (place / "page.md").read_text() == "nothing\n" and of(place, "base")["steps"] == [6]
