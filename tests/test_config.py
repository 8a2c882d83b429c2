"""The command line's errors and help, on a small stage of its own."""

import functools
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra

from synth.common import config
from synth.common.config import check, compose_config, help_text, option, required, stage_main

CONFIG_YAML = "defaults:\n  - schema\n  - preset: laptop\n  - _self_\n"


@dataclass
class SensorConfig:
    """A part of the stage."""

    noise_m: float = option(0.1, "noise in metres")

    def __post_init__(self) -> None:
        check(self.noise_m >= 0, "sensor.noise_m", self.noise_m, "0 or more")


@dataclass
class ToyConfig:
    """Make toys."""

    out: str = required("folder of the toys")
    num_samples: int = option(3, "number of toys")
    names: list[str] = option(["a"], "names of the toys")
    sensor: SensorConfig = option(SensorConfig(noise_m=0.2), "the sensor")
    verbose: bool = option(False, "tell more")
    note: str = option("", "a remark")
    parts: dict[str, Any] = option({}, "options of the parts")

    def __post_init__(self) -> None:
        check(self.num_samples > 0, "num_samples", self.num_samples, "positive")


@pytest.fixture(autouse=True)
def toy_stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    presets = tmp_path / "toy" / "preset"
    presets.mkdir(parents=True)
    (tmp_path / "toy" / "config.yaml").write_text(CONFIG_YAML)
    for name, number in (("demo", 2), ("laptop", 5)):
        (presets / f"{name}.yaml").write_text(f"# @package _global_\nnum_samples: {number}\n")
    monkeypatch.setattr(config, "CONFIG_ROOT", tmp_path)


def composed(*overrides: str) -> ToyConfig:
    return compose_config("toy", ToyConfig, overrides)


def test_a_group_of_a_part_is_chosen_by_the_parts_key(tmp_path: Path) -> None:
    kinds = tmp_path / "toy" / "sensor" / "kind"
    kinds.mkdir(parents=True)
    for name, noise_m in (("loud", 0.7), ("soft", 0.05)):
        (kinds / f"{name}.yaml").write_text(f"# @package sensor\nnoise_m: {noise_m}\n")
    (tmp_path / "toy" / "config.yaml").write_text(CONFIG_YAML.replace("_self_", "sensor/kind: soft\n  - _self_"))
    assert composed("out=x").sensor.noise_m == 0.05
    assert composed("out=x", "sensor.kind=loud").sensor.noise_m == 0.7
    assert composed("out=x", "sensor/kind=loud").sensor.noise_m == 0.7
    assert composed("out=x", "sensor.kind=loud", "sensor.noise_m=0.3").sensor.noise_m == 0.3
    with pytest.raises(ValueError, match=r"sensor\.kind=quiet is unknown; legal: loud, soft"):
        composed("out=x", "sensor.kind=quiet")
    assert "sensor.kind=loud|soft\n" in help_text("toy", ToyConfig)


def test_defaults_presets_and_options_apply_in_this_order() -> None:
    assert composed("out=x") == ToyConfig(out="x", num_samples=5, sensor=SensorConfig(0.2))
    assert composed("out=x", "preset=demo").num_samples == 2
    chosen = composed("num_samples=9", "preset=demo", "out=x", "sensor.noise_m=0.5", "names=[b,c]")
    assert chosen == ToyConfig(out="x", num_samples=9, names=["b", "c"], sensor=SensorConfig(0.5))
    assert isinstance(chosen.sensor, SensorConfig)


def test_a_dict_takes_any_key_and_keeps_its_values_as_texts() -> None:
    chosen = composed("out=x", "parts.size=3", "parts.lens.name=it's (1) [a]", "parts.lens.on=true")
    assert chosen.parts == {"size": "3", "lens": {"name": "it's (1) [a]", "on": "true"}}
    with pytest.raises(ValueError, match=r"parts=3 is not legal: it must be set by its parts: parts\.KEY=VALUE"):
        composed("out=x", "parts=3")


@pytest.mark.parametrize(
    "text",
    ["a b/c", "a=b", "~/x", "photos (1)", "héé", "it's", "C:\\x\\", "\\'", "ntu_real,hagrid", "[x", "3", "null", "#1"],
)
def test_a_text_is_taken_as_it_stands(text: str) -> None:
    assert composed(f"out={text}").out == text


def test_quotes_of_hydra_still_work() -> None:
    assert composed("out='a b'", 'note="c"') == ToyConfig(out="a b", num_samples=5, sensor=SensorConfig(0.2), note="c")


@pytest.mark.parametrize(
    ("overrides", "parts"),
    [
        (["num_sampels=3"], ["num_sampels is no option", "did you mean num_samples"]),
        (["sensor.noise=3"], ["sensor.noise is no option", "did you mean sensor.noise_m"]),
        (["noise_m=3"], ["noise_m is no option", "did you mean sensor.noise_m"]),
        (["sensor.noise_m.x=3"], ["sensor.noise_m.x is no option"]),
        (["quux=3"], ["quux is no option", "handbridge toy --help"]),
        (["hydra.run.dir=3"], ["hydra.run.dir is no option"]),
        (["num_samples=many"], ["num_samples=many", "a whole number"]),
        (["num_samples=1.5"], ["num_samples=1.5", "a whole number"]),
        (["num_samples=1,2"], ["num_samples=1,2", "a whole number"]),
        (["sensor.noise_m=much"], ["sensor.noise_m=much", "a number"]),
        (["verbose=maybe"], ["verbose=maybe", "true or false"]),
        (["names=b"], ["names=b", "names=[A,B]"]),
        (["sensor=3"], ["sensor=3", "sensor.noise_m=VALUE"]),
        (["note=${nothing}"], ["note=${nothing}", "name another option"]),
        (["num_samples=0"], ["num_samples=0", "positive"]),
        (["sensor.noise_m=-1"], ["sensor.noise_m=-1.0", "0 or more"]),
        (["preset=huge"], ["preset=huge", "demo, laptop"]),
        (["+quux=3"], ["+quux=3", "KEY=VALUE"]),
        (["~num_samples"], ["~num_samples", "KEY=VALUE"]),
        (["--num_samples=3"], ["--num_samples=3", "KEY=VALUE"]),
        (["verbose"], ["verbose", "KEY=VALUE"]),
    ],
)
def test_a_mistake_is_named_in_one_line(
    overrides: list[str], parts: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    ran: list[ToyConfig] = []
    assert stage_main("toy", ToyConfig, ran.append)(["out=x", *overrides]) == 1
    shown = capsys.readouterr()
    assert shown.out == "" and shown.err.count("\n") == 1 and shown.err.startswith("handbridge toy: ")
    for part in parts:
        assert part in shown.err
    assert ran == []


@pytest.mark.parametrize("overrides", [[], ["out="], ["num_samples=4"]])
def test_a_missing_value_is_named(overrides: list[str]) -> None:
    with pytest.raises(ValueError, match=r"^out is missing; give out=VALUE"):
        composed(*overrides)


def test_an_unknown_key_in_a_preset_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "toy" / "preset" / "odd.yaml").write_text("# @package _global_\nnum_sampels: 3\n")
    with pytest.raises(ValueError, match="num_sampels") as error:
        composed("out=x", "preset=odd")
    assert "\n" not in str(error.value)


def test_what_the_stage_itself_refuses_is_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(cfg: ToyConfig) -> None:
        raise FileNotFoundError(f"out={cfg.out}\n  is not there")

    main = stage_main("toy", ToyConfig, refuse)
    assert main(["out=x"]) == 1
    assert capsys.readouterr().err == "handbridge toy: out=x is not there\n"
    monkeypatch.setenv("HANDBRIDGE_TRACEBACK", "1")
    assert main(["out=x"]) == 1
    assert "Traceback" in capsys.readouterr().err


def test_an_error_in_the_program_is_not_hidden() -> None:
    def fail(cfg: ToyConfig) -> None:
        raise RuntimeError("a fault of ours")

    with pytest.raises(RuntimeError, match="a fault of ours"):
        stage_main("toy", ToyConfig, fail)(["out=x"])


def test_an_interrupt_says_that_the_command_resumes(capsys: pytest.CaptureFixture[str]) -> None:
    def interrupt(cfg: ToyConfig) -> None:
        raise KeyboardInterrupt

    assert stage_main("toy", ToyConfig, interrupt)(["out=x"]) == 130
    assert "resumes" in capsys.readouterr().err


def test_success_runs_the_stage_with_the_typed_config() -> None:
    ran: list[ToyConfig] = []
    assert stage_main("toy", ToyConfig, ran.append)(["out=x", "num_samples=7"]) == 0
    assert [cfg.num_samples for cfg in ran] == [7]


def test_help_names_every_option_with_what_applies(capsys: pytest.CaptureFixture[str]) -> None:
    assert stage_main("toy", ToyConfig, lambda cfg: None)(["--help"]) == 0
    shown = capsys.readouterr().out
    assert shown == help_text("toy", ToyConfig)
    for line in (
        "Make toys.",
        "out=STR (required)",
        "folder of the toys",
        "num_samples=INT (default 5)",
        "names=LIST[STR] (default ['a'])",
        "sensor.noise_m=FLOAT (default 0.2)",
        "noise in metres",
        "verbose=BOOL (default false)",
        "note=STR (default empty)",
        "preset=demo|laptop",
    ):
        assert line in shown


def test_default_values_are_not_shared() -> None:
    first, second = ToyConfig(out="x"), ToyConfig(out="y")
    first.names.append("b")
    first.sensor.noise_m = 9.0
    assert second.names == ["a"] and second.sensor.noise_m == 0.2


def test_check_names_option_value_and_range() -> None:
    check(True, "n", 1, "positive")
    with pytest.raises(ValueError, match=r"^n=-1 is not legal: it must be positive$"):
        check(False, "n", -1, "positive")


def test_keys_of_older_releases_are_accepted(tmp_path: Path) -> None:
    @dataclass
    class DetectingConfig:
        """Detect."""

        detector: str = option("", "a file")
        adapt_detector: SensorConfig = option(SensorConfig(), "a part")

    (tmp_path / "toy" / "config.yaml").write_text("defaults:\n  - schema\n  - _self_\n")
    chosen = compose_config("toy", DetectingConfig, ["localizer=localizer.pt", "adapt_localizer.noise_m=0.4"])
    assert (chosen.detector, chosen.adapt_detector.noise_m) == ("localizer.pt", 0.4)


def test_the_hydra_of_a_program_that_calls_us_stays(tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    (theirs / "app.yaml").write_text("defaults: [schema]\nlearning_rate: 3\n")
    ConfigStore.instance().store(name="schema", node={"learning_rate": 1})
    with initialize_config_dir(version_base="1.3", config_dir=str(theirs)):
        assert composed("out=x").num_samples == 5
        assert compose("app") == {"learning_rate": 3}
        assert ConfigStore.instance().load("schema.yaml").node == {"learning_rate": 1}
    assert not GlobalHydra.instance().is_initialized()


def test_configs_are_those_of_the_installed_package_or_beside_a_checkout(tmp_path: Path) -> None:
    """A wheel carries them in ``handbridge``; an editable install has them beside the packages alone."""
    shown = "from synth.common import config; print(config.CONFIG_ROOT)"
    root = Path(__file__).resolve().parents[1]
    for name in ("configs", "handbridge"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise RuntimeError('it must not be imported')")
    run = functools.partial(subprocess.run, [sys.executable, "-c", shown], capture_output=True, text=True, check=True)
    paths = f"{tmp_path}{os.pathsep}{root}"
    beside = run(env={**os.environ, "PYTHONPATH": paths}, cwd=tmp_path).stdout.strip()
    (tmp_path / "handbridge" / "configs").mkdir()
    packaged = run(env={**os.environ, "PYTHONPATH": paths}, cwd=tmp_path).stdout.strip()
    assert (Path(beside), Path(packaged)) == (root / "configs", tmp_path / "handbridge" / "configs")
