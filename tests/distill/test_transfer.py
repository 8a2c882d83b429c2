"""The report on small evaluations: numbers, roles, honest words, refusals."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from omegaconf import OmegaConf

from distill.report.compare import Comparison
from distill.report.runs import Stage
from distill.report.sections import Roles
from distill.transfer import TransferConfig, find_roles, headline, main, transfer

Write = Callable[..., Path]


def comparison(outcome: str, *, num_seeds: int = 3) -> Comparison:
    return Comparison(
        dataset="toy", metric="epe_mm", first=1, second=2, difference=1, low=0, high=2, seeds_better=1,
        num_seeds=num_seeds, num_images=9, num_blocks=9, left_out=0, outcome=outcome, sentence="said",
    )  # fmt: skip


def test_report_holds_tables_curves_pictures_and_json(evaluated: Write, tmp_path: Path) -> None:
    runs = [evaluated(name, px, seed=s) for name, px in (("dual", 4), ("control", 3), ("adapted", 1)) for s in (0, 1)]
    out = tmp_path / "page" / "report.html"
    transfer(TransferConfig(runs=[str(r) for r in runs], out=str(out), gallery=2, bootstrap=200, note="Mind <this>."))
    page = out.read_text()
    assert "Mind &lt;this&gt;." in page and page.index("Mind") < page.index("toy")
    assert page.count("data:image/svg+xml;base64,") == 3, "PCK, reliability, joints"
    assert page.count("data:image/jpeg;base64,") == 6
    assert "http" not in page.replace("http://www.w3.org", "")
    numbers = json.loads((out.parent / "transfer.json").read_text())
    assert numbers["roles"] == {"before": "dual", "control": "control", "after": "adapted", "bound": None}
    assert not numbers["gaps"] and "gap is closed" not in page
    confidence = numbers["confidence"]["toy"]["adapted"]
    assert 0 <= confidence["right"] <= 1 and confidence["tenths"]["confidence"] == [1.0] * 10
    assert f"<td>1.00<small>{confidence['tenths']['right'][0]:.2f} right</small>" in page
    summary = numbers["summary"]["adapted"]["toy"]["epe_mm"]
    by_seed = [numbers["stages"]["adapted"][s]["toy"]["epe_mm"] for s in ("0", "1")]
    assert summary["mean"] == pytest.approx(sum(by_seed) / 2)
    assert summary["spread"] == pytest.approx(abs(by_seed[0] - by_seed[1]) / 2**0.5)
    assert f"{summary['mean']:.1f}</span><small>± {summary['spread']:.1f}" in page
    assert {c["outcome"] for c in numbers["comparisons"]} == {"better"}
    assert numbers["headline"].startswith("adapted beats control") and "hint" in numbers["headline"]


def test_the_share_of_the_gap_stands_where_there_is_an_upper_bound(evaluated: Write, tmp_path: Path) -> None:
    noise_px = {"dual": 5, "control": 5, "adapted": 3, "upper_bound": 1}
    runs = [str(evaluated(name, px)) for name, px in noise_px.items()]
    transfer(TransferConfig(runs=runs, out=str(tmp_path / "r.html"), bootstrap=10, gallery=0))
    numbers = json.loads((tmp_path / "transfer.json").read_text())
    assert numbers["roles"]["bound"] == "upper_bound"
    gaps = {(gap["stage"], gap["metric"]): gap["share"] for gap in numbers["gaps"]}
    assert gaps["adapted", "epe_mm"] == pytest.approx(0.5, abs=0.1)
    assert gaps["control", "epe_mm"] == pytest.approx(0.0, abs=0.1)
    page = (tmp_path / "r.html").read_text()
    assert all(gap["sentence"] in page for gap in numbers["gaps"])
    assert "upper_bound apart, never saw a label" in page.replace("\n", " ")


def test_one_seed_shows_intervals_and_given_handedness(evaluated: Write, tmp_path: Path) -> None:
    run = evaluated("dual", 2)
    transfer(TransferConfig(runs=[str(run)], out=str(tmp_path / "r.html"), bootstrap=10))
    page = (tmp_path / "r.html").read_text()
    metrics = json.loads((run / "evaluation" / "metrics.json").read_text())["toy"]
    low, high = metrics["interval_95"]["epe_mm"]
    assert page.count(f"<small>{low:.1f} – {high:.1f}</small>") == 2  # predicted and given
    assert 'class="given"' in page and "not answered here" in page


def test_report_without_the_images_has_no_claims(evaluated: Write, tmp_path: Path) -> None:
    runs = [str(evaluated(name, px)) for name, px in (("control", 3), ("adapted", 1))]
    transfer(TransferConfig(runs=runs, out=str(tmp_path / "r.html"), root=str(tmp_path), bootstrap=10))
    page = (tmp_path / "r.html").read_text()
    assert "not tested: the labelled images are not at hand" in page and "data:image/jpeg" not in page


def test_roles_are_found_by_name_or_given() -> None:
    stages = [Stage(label, {}) for label in ("source_only", "dual", "control", "self_distillation")]
    config = TransferConfig(runs=["x"], out="x.html")
    assert find_roles(stages, config) == Roles("dual", "control", "self_distillation", None)
    variants = [Stage(label, {}) for label in ("start", "control", "self_distillation", "upper_bound")]
    assert find_roles(variants, config) == Roles("start", "control", "self_distillation", "upper_bound")
    config.before = "source_only"
    assert find_roles(stages, config).before == "source_only"
    config.after = "nobody"
    with pytest.raises(ValueError, match="after=nobody is not legal: it must be one of source_only"):
        find_roles(stages, config)


@pytest.mark.parametrize(
    ("outcomes", "seeds", "said"),
    [
        (["better", "better"], 3, "a beats c (as many further steps on synthetic images alone) everywhere"),
        (["better", "not shown"], 3, "in part"),
        (["not shown", "not shown"], 3, "a does not beat c"),
        (["better", "worse"], 3, "a does not beat c"),
        (["better"], 1, "With 1 seed this is a hint, no result."),
    ],
)
def test_headline_claims_no_more_than_is_shown(outcomes: list[str], seeds: int, said: str) -> None:
    found = headline(Roles("b", "c", "a"), [comparison(o, num_seeds=seeds) for o in outcomes])
    assert said in found and (seeds >= 3) == ("hint" not in found)


def test_command_line_refuses_in_one_line(evaluated: Write, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    run = evaluated("dual", 2)
    empty = tmp_path / "empty"
    empty.mkdir()
    cases = {
        f"runs=[{tmp_path}/nowhere] out={tmp_path}/r.html": "nowhere does not exist",
        f"runs=[{empty}] out={tmp_path}/r.html": "is no output of evaluate",
        f"runs=[{run},{run}] out={tmp_path}/r.html": "already has toy with the same seed",
        f"runs=[{run}] labels=[a,b] out={tmp_path}/r.html": "names 2 of 1 runs",
        f"runs=[{run}] out={tmp_path}": "the name of an HTML file",
        f"runs=[] out={tmp_path}/r.html": "runs=[] is not legal",
    }
    for line, said in cases.items():
        assert main(line.split()) == 1
        error = capsys.readouterr().err
        assert said in error and error.count("\n") == 1
    assert not (tmp_path / "r.html").exists()


def test_predictions_of_another_program_stand_beside_the_stages(evaluated: Write, tmp_path: Path) -> None:
    theirs = evaluated("theirs", 2, missed=(3,)) / "evaluation"
    with np.load(theirs / "predictions.npz") as archive:
        arrays = {name: archive[name] for name in archive.files if name != "confidence"}
    np.savez(theirs / "predictions.npz", **arrays)
    config = OmegaConf.load(theirs / "config.yaml")
    OmegaConf.save({**config, "checkpoint": "", "predictions": "theirs.npz"}, theirs / "config.yaml")
    runs = [str(evaluated("dual", 3)), str(theirs)]
    transfer(TransferConfig(runs=runs, out=str(tmp_path / "r.html"), after="theirs", bootstrap=10, gallery=1))
    numbers = json.loads((tmp_path / "transfer.json").read_text())
    assert list(numbers["confidence"]["toy"]) == ["dual"]
    assert numbers["facts"]["theirs"]["0"]["chosen_by"] == "not known: predictions of another program"
    assert "error 0." in (tmp_path / "r.html").read_text()
