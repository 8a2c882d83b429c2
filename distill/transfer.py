"""``handbridge transfer``: evaluated stages side by side in one HTML file, and the same numbers as JSON.

What belongs here is putting the report together; its parts are in ``distill.report``.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader

from distill.report.calibration import calibration
from distill.report.compare import Comparison, compare
from distill.report.figures import stage_colour
from distill.report.gallery import Networks
from distill.report.gap_closed import GapClosed, gaps_closed
from distill.report.run_facts import facts_numbers, facts_rows, stage_facts
from distill.report.runs import Evaluated, Stage, load_stages
from distill.report.sections import Roles, judged_joints, section
from distill.report.tables import spread_summary
from dualmod.data.image_sets import LabelledImages, entry_name, open_labelled
from synth.common.config import check, option, required, stage_main
from synth.common.files import require_writable, written_atomically

JSON_FILE = "transfer.json"
ROLE_WORDS = {
    "before": ("dual", "pretrain", "source", "start"),
    "control": ("control",),
    "after": ("adapt", "distill"),
    "bound": ("upper", "bound"),
}


@dataclass
class TransferConfig:
    """Compare evaluated stages in one HTML report, with transfer.json beside it."""

    runs: list[str] = required("outputs of evaluate in the order of the stages; several seeds of a stage are averaged")
    out: str = required("the HTML file to write")
    labels: list[str] = option([], "a label for each run; by default its folder's name")
    before: str = option("", "label of the stage before adaptation; by default it is found by name")
    control: str = option("", "label of the control; by default it is found by name")
    after: str = option("", "label of the adapted stage; by default it is found by name")
    bound: str = option("", "label of the upper bound, trained on labels; by default it is found by name")
    root: str = option("", "folder of the labelled images; by default where they were evaluated")
    gallery: int = option(4, "images of each kind for each dataset; 0 for none")
    bootstrap: int = option(2000, "resamples of seeds and blocks of images for the intervals of differences")
    seed: int = option(0, "seed of the resampling")
    note: str = option("", "sentence to put on top of the report")

    def __post_init__(self) -> None:
        check(self.gallery >= 0, "gallery", self.gallery, "0 or more")
        check(self.bootstrap > 0, "bootstrap", self.bootstrap, "above 0")
        check(self.seed >= 0, "seed", self.seed, "0 or more")


def transfer(cfg: TransferConfig) -> Path:
    """Write the report and ``transfer.json``, and return the report's path.

    Raises:
        FileNotFoundError: when a run is missing.
        ValueError: when a run is no evaluation, a label is unknown, or ``out`` cannot be written.
    """
    out = Path(cfg.out).expanduser()
    check(len(cfg.runs) > 0, "runs", cfg.runs, "a list of folders: runs=[DIR,DIR]")
    check(not out.is_dir() and out.suffix == ".html", "out", out, "the name of an HTML file")
    stages = load_stages(cfg.runs, cfg.labels)
    roles = find_roles(stages, cfg)
    require_writable(out.parent)
    by_label = {stage.label: stage for stage in stages}
    datasets = list(dict.fromkeys(name for stage in stages for name in stage.datasets))
    images = {name: _labelled(stages, name, cfg.root) for name in datasets}
    comparisons = _comparisons(by_label, roles, images, cfg)
    gaps = _gaps(by_label, roles)
    networks: Networks = {}
    sections = [section(stages, by_label, name, images[name], roles, cfg.gallery, networks) for name in datasets]
    page = _template().render(
        note=cfg.note,
        headline=headline(roles, comparisons),
        comparisons=comparisons,
        gaps=gaps,
        stages=[(s.label, stage_colour(k), facts_rows(stage_facts(s))) for k, s in enumerate(stages)],
        roles=roles,
        sections=sections,
    )
    with written_atomically(out.with_name(JSON_FILE)) as partial:
        numbers = _numbers(stages, roles, comparisons, gaps, cfg.note, images)
        partial.write_text(json.dumps(numbers, indent=2), encoding="utf-8")
    with written_atomically(out) as partial:
        partial.write_text(page, encoding="utf-8")
    return out


def find_roles(stages: list[Stage], cfg: TransferConfig) -> Roles:
    """Which stage is before adaptation, the control, the adapted one, the upper bound: as given, else by their labels.

    Raises:
        ValueError: when a label is given that no run has.
    """
    labels = [stage.label for stage in stages]
    found: dict[str, str | None] = {}
    for role, words in ROLE_WORDS.items():
        given = getattr(cfg, role)
        check(not given or given in labels, role, given, f"one of {', '.join(labels)}")
        named = [label for word in words for label in labels if word in label.lower()]
        found[role] = given or next((n for n in named if n not in found.values()), None)
    return Roles(**found)


def headline(roles: Roles, comparisons: list[Comparison]) -> str:
    """Whether adaptation beats its control, in one sentence that claims no more than is shown."""
    if roles.after is None or roles.control is None:
        lacking = " and ".join(n for n, v in (("an adapted stage", roles.after), ("a control", roles.control)) if not v)
        return f"Whether adaptation helps is not answered here: {lacking} is not among the runs."
    outcomes = [c.outcome for c in comparisons]
    if not outcomes:
        return "Whether adaptation beats its control is not tested: the labelled images are not at hand."
    better, worse, rest = (outcomes.count(o) for o in ("better", "worse", "not shown"))
    total = len(outcomes)
    counts = f"better in {better}, worse in {worse}, no difference shown in {rest} of {total} comparisons"
    if better and not worse and not rest:
        verdict = f"{roles.after} beats {roles.control} (as many further steps on synthetic images alone) everywhere"
    elif better > worse:
        verdict = f"{roles.after} beats {roles.control} (as many further steps on synthetic images alone) in part"
    else:
        verdict = f"{roles.after} does not beat {roles.control} (as many further steps on synthetic images alone)"
    few = min(c.num_seeds for c in comparisons)
    caution = "" if few >= 3 else f" With {few} seed{'s' * (few > 1)} this is a hint, no result."
    return f"{verdict}: {counts}.{caution}"


def _labelled(stages: list[Stage], dataset: str, root: str) -> LabelledImages | None:
    """The images and labels that ``dataset`` was evaluated on, if they are still there."""
    evaluated = next(iter(next(s for s in stages if dataset in s.datasets).of(dataset).values()))
    folder = Path(root).expanduser() if root else evaluated.path(str(evaluated.config.get("root", "")))
    entries = [entry.strip() for entry in str(evaluated.config.get("dataset", "")).split(",")]
    entry = next((e for e in entries if ":" in e and entry_name(e) == dataset), dataset)
    if entry == dataset and not (folder / dataset).is_dir():
        return None
    try:
        labelled = open_labelled(folder, entry, str(evaluated.config.get("split", "test")))
    except FileNotFoundError:
        return None
    return labelled.thinned(int(evaluated.config.get("max_images", 0)) or len(labelled))


def _comparisons(
    by_label: dict[str, Stage], roles: Roles, images: dict[str, LabelledImages | None], cfg: TransferConfig
) -> list[Comparison]:
    if roles.after is None or roles.control is None:
        return []
    first, second = by_label[roles.after], by_label[roles.control]
    return [
        comparison
        for name, labelled in images.items()
        if labelled is not None
        for comparison in compare(first, second, name, labelled, bootstrap=cfg.bootstrap, seed=cfg.seed)
    ]


def _gaps(by_label: dict[str, Stage], roles: Roles) -> list[GapClosed]:
    """How far the control and the adapted stage come on the way to the upper bound."""
    if roles.before is None or roles.bound is None:
        return []
    start, bound = by_label[roles.before], by_label[roles.bound]
    compared = [by_label[label] for label in (roles.after, roles.control) if label is not None]
    return [gap for stage in compared for gap in gaps_closed(start, stage, bound)]


def _numbers(
    stages: list[Stage],
    roles: Roles,
    comparisons: list[Comparison],
    gaps: list[GapClosed],
    note: str,
    images: dict[str, LabelledImages | None],
) -> dict[str, Any]:
    def plain(evaluated: Evaluated) -> dict[str, Any]:
        return {**evaluated.metrics, "config": evaluated.config}

    return {
        "note": note,
        "headline": headline(roles, comparisons),
        "roles": asdict(roles),
        "summary": {s.label: {d: spread_summary(s, d) for d in s.datasets} for s in stages},
        "comparisons": [asdict(c) for c in comparisons],
        "gaps": [asdict(g) for g in gaps],
        "facts": facts_numbers(stages),
        "confidence": {
            name: {label: calibration(judged) for label, judged in judged_joints(stages, name, labelled).items()}
            for name, labelled in images.items()
        },
        "stages": {
            s.label: {str(seed): {d: plain(e) for d, e in sets.items()} for seed, sets in s.seeds.items()}
            for s in stages
        },
    }


def _template() -> Any:
    return Environment(loader=PackageLoader("distill", "report"), autoescape=True).get_template("page.html.j2")


main = stage_main("transfer", TransferConfig, transfer)

if __name__ == "__main__":
    raise SystemExit(main())
