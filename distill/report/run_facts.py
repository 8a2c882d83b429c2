"""How the network of a stage came about: the rule that chose its state, the alarm that stopped it, and what it cost.

All of it is what the training noted in the checkpoint and in ``config.yaml`` beside it; the evaluation adds nothing.
"""

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from distill.report.runs import Evaluated, Stage
from dualmod.checkpoints.checkpoint import read_notes
from synth.common.files import CONFIG_FILE

FIXED = "fixed number of steps"
AFTER_ALARM = "best label-free state after an alarm"
GONE = "not known: its checkpoint is no longer there"
SAVED = "not known: predictions of another program"
CONTROL = "control"


@dataclass(frozen=True)
class Facts:
    """One network; None, and no entry in ``batch``, where nobody noted it.

    Attributes:
        chosen_by: The rule by which this state of the network was taken: ``FIXED``, ``AFTER_ALARM``, or why it is not
            known.
        alarm: The line of the collapse alarm that stopped the training; None without one.
        stage: The stage that trained it.
        steps: Steps that this state has seen, those of ``start`` not among them.
        seconds: Wall-clock time of the training.
        renders: Renders that the training drew from.
        photos: Photographs that it drew from; 0 where it learned from none.
        batch: Renders and photographs in a step.
        threads: Threads of the training; 0 for one on each core.
        target: The photographs.
        hand_model: The hand of the renders.
        start: The network that the training began with; None for the backbone's own weights.
    """

    chosen_by: str
    alarm: str | None = None
    stage: str | None = None
    steps: int | None = None
    seconds: float | None = None
    renders: int | None = None
    photos: int | None = None
    batch: dict[str, int] | None = None
    threads: int | None = None
    target: str | None = None
    hand_model: str | None = None
    start: "Facts | None" = None


@dataclass(frozen=True)
class FactsRow:
    """Networks of a stage that came about alike, as the page shows them.

    Attributes:
        seeds: Their seeds.
        chosen_by: The rule, with the step after an alarm.
        alarm: The alarm's line, or nothing.
        steps: Steps, with those of the start.
        images: What the training drew from.
        compute: Images in a step, and time as a range over the seeds.
        further: Stage, target and hand model.
    """

    seeds: list[int]
    chosen_by: str
    alarm: str
    steps: str
    images: str
    compute: str
    further: str


def stage_facts(stage: Stage) -> dict[int, Facts]:
    """The facts of each seed, by its first evaluation."""
    return {seed: network_facts(next(iter(sets.values()))) for seed, sets in stage.seeds.items()}


def network_facts(evaluated: Evaluated) -> Facts:
    """The facts of the network that was evaluated."""
    if evaluated.config.get("predictions"):
        return Facts(SAVED)
    if evaluated.checkpoint is None:
        return Facts(GONE)
    facts = noted_facts(read_notes(evaluated.checkpoint))
    config = _training_config(evaluated.checkpoint)
    if not config:
        return facts
    steps = config["max_steps"] if facts.steps is None else facts.steps
    batch, threads = _batch(config), config.get("threads")
    found = replace(facts, steps=steps, batch=batch, threads=threads)
    return found if batch["photos"] else replace(found, photos=0, target=None)


def noted_facts(notes: dict[str, Any]) -> Facts:
    """What a checkpoint's notes say alone."""
    alarm = notes.get("alarm")
    return Facts(
        chosen_by=AFTER_ALARM if alarm else FIXED,
        alarm=alarm,
        renders=notes.get("num_samples"),
        target=notes.get("target", notes.get("dataset")),
        start=noted_facts(notes["start"]) if notes.get("start") else None,
        **{name: notes.get(name) for name in ("stage", "steps", "seconds", "photos", "hand_model")},
    )


def facts_rows(facts: dict[int, Facts]) -> list[FactsRow]:
    """The facts of a stage's seeds; seeds that differ in nothing but their time share a row."""
    alike: dict[str, list[int]] = {}
    for seed, found in sorted(facts.items()):
        alike.setdefault(repr(replace(found, seconds=None)), []).append(seed)
    return [_row(seeds, [facts[seed] for seed in seeds]) for seeds in alike.values()]


def facts_numbers(stages: list[Stage]) -> dict[str, dict[str, dict[str, Any]]]:
    """``Facts`` by stage and seed, for ``transfer.json``."""
    return {s.label: {str(seed): asdict(found) for seed, found in stage_facts(s).items()} for s in stages}


def _row(seeds: list[int], alike: list[Facts]) -> FactsRow:
    facts = alike[0]
    rule = facts.chosen_by + (f" (step {facts.steps})" if facts.alarm else "")
    further = (facts.stage, facts.target and f"on {facts.target}", facts.hand_model and f"{facts.hand_model} hand")
    return FactsRow(
        seeds=seeds,
        chosen_by=rule,
        alarm=facts.alarm or "",
        steps=_steps(facts),
        images=_counted({"renders": facts.renders, "photographs": facts.photos}),
        compute=_compute(facts, [f.seconds for f in alike if f.seconds is not None]),
        further=", ".join(filter(None, further)),
    )


def _steps(facts: Facts) -> str:
    if facts.steps is None:
        return ""
    before = _steps(facts.start) if facts.start is not None else ""
    return f"{facts.steps}, after {before}" if before else str(facts.steps)


def _compute(facts: Facts, seconds: list[float]) -> str:
    batch = facts.batch or {}
    images = _counted({"renders": batch.get("renders"), "photographs": batch.get("photos")})
    parts = [f"{images} a step"] if images else []
    if seconds:
        low, high = (f"{of(seconds):.0f}" for of in (min, max))
        parts.append(f"{low} s" if low == high else f"{low} to {high} s")
    if facts.threads is not None and seconds:
        parts[-1] += f" on {facts.threads} thread{'s' * (facts.threads > 1)}" if facts.threads else " on all cores"
    return ", ".join(parts)


def _counted(counts: dict[str, int | None]) -> str:
    return " and ".join(f"{count} {name}" for name, count in counts.items() if count)


def _training_config(checkpoint: Path) -> dict[str, Any]:
    """The options of the training that left the checkpoint; empty where they are not beside it."""
    is_fold = checkpoint.parent.name.startswith("fold-")
    file = (checkpoint.parent.parent if is_fold else checkpoint.parent) / CONFIG_FILE
    found = yaml.safe_load(file.read_text(encoding="utf-8")) if file.is_file() else None
    return found if isinstance(found, dict) and "max_steps" in found else {}


def _batch(config: dict[str, Any]) -> dict[str, int]:
    """Renders and photographs in a step; the control takes more renders for its photographs."""
    method = config.get("method") or {}
    if "source_batch_size" not in config:
        return {"renders": int(config.get("batch_size", 0)), "photos": 0}
    renders, photos = int(config["source_batch_size"]), int(config["target_batch_size"])
    is_control = method.get("name") == CONTROL
    return {"renders": renders + photos // 2, "photos": 0} if is_control else {"renders": renders, "photos": photos}
