"""Tables of the comparisons: those of the project are legal, and a file that is not says so in one line."""

import re
import shlex

import pytest
import yaml

from benchmarks.pretraining.options import Options, read_options
from benchmarks.pretraining.runs import Run
from benchmarks.pretraining.tables import TABLES, Stage, merged, read_table
from dualmod.pretrain import PretrainConfig
from synth.common.config import compose_config
from synth.generate import GenerateConfig

NAMES = sorted(path.stem for path in TABLES.glob("*.yaml"))
PLAIN = {"question": "Which?", "baseline": "base", "rows": {"base": []}}


def test_the_tables_of_the_project_are_those_that_are_described():
    assert NAMES == ["factors", "recipe"]


@pytest.mark.parametrize("name", NAMES)
def test_every_row_of_the_project_composes_and_changes_something(name):
    table = read_table(name)
    seen = []
    for row in table.rows.values():
        if len(row.stages) > 1:
            Run(row, 0, tuple(100 for _ in row.stages), 1.0).check_options()
        if row.generate:
            compose_config("generate", GenerateConfig, ["out=o", *row.generate])
        if not row.commit:
            configs = [
                compose_config("pretrain", PretrainConfig, [*s.options(100), "data=d", "out=o"]) for s in row.stages
            ]
            assert all((c.device, c.threads, c.loader_workers, c.cache_gb) == ("cpu", 1, 1, 1.0) for c in configs)
            seen.append((configs, row.generate))
    assert all(seen.count(one) == 1 for one in seen)  # a row that is another one again would waste its compute
    for options in table.sets.values():
        compose_config("generate", GenerateConfig, ["out=o", *options])


def test_commands_of_the_documents_are_legal_and_every_table_has_its_place():
    page = Options(table="recipe").page.read_text()
    commands = re.findall(r"python -m benchmarks\.pretraining\.compare ([^`\n]+)", page)
    assert {read_options(shlex.split(command)).table for command in commands} == set(NAMES)
    for name in (shown for table in NAMES for shown in read_table(table).shown):
        assert page.index(f"<!-- {name}:start -->") < page.index(f"<!-- {name}:end -->")


def test_the_older_preset_takes_its_own_steps():
    row = read_table("recipe").rows["preset_668d95c"]
    assert row.steps == 800 and row.commit.startswith("668d95c") and row.change == "commit 668d95c; `method=rgb_twice`"


def test_rows_of_a_part_are_shown_beside_the_baseline_and_nowhere_else(tmp_path):
    rows = {"base": [], "one": ["batch_size=4"], "two": ["batch_size=8"]}
    (tmp_path / "t.yaml").write_text(yaml.safe_dump({**PLAIN, "rows": rows, "parts": {"p": ["two"]}}))
    assert read_table("t", tmp_path).shown == {"t": ("base", "one"), "p": ("base", "two")}


def test_a_later_option_takes_the_place_of_an_earlier_one():
    assert merged(["a=1", "b=2"], ["a=3"], ["c.d=4", "b=5"]) == ("a=3", "b=5", "c.d=4")


def test_steps_stand_in_the_options_of_a_stage():
    stage = Stage(("optimizer.decay_steps=STEPS/5", "optimizer.warmup_steps=STEPS/1000"))
    assert stage.options(203) == ["optimizer.decay_steps=40", "optimizer.warmup_steps=1", "max_steps=203"]


def test_stages_and_changes_are_told(tmp_path):
    stages = [{"share": 0.25, "pretrain": []}, {"share": 0.75, "pretrain": ["method=dual", "batch_size=8"]}]
    rows = {"base": [], "late": {"stages": stages, "generate": ["poses.contact=0"]}}
    (tmp_path / "t.yaml").write_text(yaml.safe_dump({**PLAIN, "rows": rows, "pretrain": ["batch_size=4", "threads=2"]}))
    table = read_table("t", tmp_path)
    assert table.rows["base"].stages[0].pretrain == (
        "device=cpu", "threads=2", "loader_workers=1", "cache_gb=1", "batch_size=4"
    )  # fmt: skip
    late = table.rows["late"]
    assert [stage.share for stage in late.stages] == [0.25, 0.75] and "batch_size=8" in late.stages[1].pretrain
    assert late.change == "`poses.contact=0`; nothing for 25 %, then `method=dual` `batch_size=8` for 75 %"


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"baseline": "bose"}, "baseline=bose is not legal: it must be one of base"),
        ({"rows": {"base": {"pretrian": []}}}, "rows.base=pretrian is not legal"),
        ({"rows": {"base": ["max_steps=3"]}}, "rows.base=max_steps is not legal"),
        ({"rows": {"base": ["engine.accumulate=2"]}}, "rows.base=engine.accumulate is not legal"),
        ({"rows": {"base": {"commit": "abc"}}}, "rows.base.steps=0 is not legal"),
        ({"rows": {"base": {"stages": [{"share": 0.5, "pretrain": []}]}}}, r"rows.base.stages=\[0.5\] is not legal"),
        ({"rows": {"a/b": []}, "baseline": "a/b"}, "rows=a/b is not legal"),
        ({"seconds": 0}, "seconds=0 is not legal"),
        ({"parts": {"p": ["bose"]}}, r"parts.p=\['bose'\] is not legal: it must be rows beside the baseline"),
        ({"questoin": "?"}, "t.yaml does not hold a table"),
        ({"rows": None}, "t.yaml does not hold a table"),
    ],
)
def test_what_is_no_table_is_one_line(tmp_path, changed, told):
    (tmp_path / "t.yaml").write_text(yaml.safe_dump({**PLAIN, **changed}))
    with pytest.raises(ValueError, match=told) as error:
        read_table("t", tmp_path)
    assert "\n" not in str(error.value)
