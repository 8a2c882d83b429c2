"""Stages run one after another in one folder: each a step that is skipped when its product is there."""

import json
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from rich.console import Console

from synth.config import compose_config
from synth.files import CONFIG_FILE, open_run_folder, written_atomically

TIMES_FILE = "times.json"
C = TypeVar("C")


@dataclass(frozen=True)
class Step:
    """One stage to run.

    Attributes:
        name: Its folder below that of all steps.
        config: What it is run with.
        run: The stage's function.
        out: Its folder.
        product: The file that is there when it is done.
        free_keys: Options that may differ from those of a finished run.
    """

    name: str
    config: Any
    run: Callable[[Any], Any]
    out: Path
    product: Path
    free_keys: tuple[str, ...] = ()

    def is_done(self) -> bool:
        """Whether the product is there.

        Raises:
            ValueError: when the folder holds another run's config.
        """
        if not (self.out / CONFIG_FILE).is_file():
            return False
        open_run_folder(self.out, self.config, overwrite=False, free_keys=self.free_keys)
        return self.product.is_file()


def run_steps(steps: Sequence[Step], out: Path, console: Console, after: Callable[[Step], None] | None = None) -> None:
    """Run what is not done, and note the seconds of each step in ``out``.

    Args:
        steps: The steps in order.
        out: The folder of all of them.
        console: Where progress is said.
        after: Called when a step is done, those that were done before included.

    Raises:
        ValueError: when a step's folder holds another run's config; no step has run by then.
    """
    done = [step.is_done() for step in steps]
    for place, (step, is_done) in enumerate(zip(steps, done, strict=True), start=1):
        _run(step, is_done, f"[{place}/{len(steps)}]", out, console)
        if after is not None:
            after(step)


def read_times(out: Path) -> dict[str, float]:
    """Seconds spent on each step, over all calls."""
    file = out / TIMES_FILE
    return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}


def note_time(out: Path, name: str, seconds: float) -> None:
    """Add to the seconds of a step."""
    times = read_times(out)
    times[name] = round(times.get(name, 0.0) + seconds, 1)
    with written_atomically(out / TIMES_FILE) as partial:
        partial.write_text(json.dumps(times, indent=2), encoding="utf-8")


def split_forwarded(arguments: Sequence[str], stages: Collection[str]) -> tuple[list[str], dict[str, list[str]]]:
    """The command's own arguments, and those for its stages without the stage's name in front."""
    own: list[str] = []
    forwarded: dict[str, list[str]] = {stage: [] for stage in stages}
    for argument in arguments:
        stage, dot, rest = argument.partition(".")
        if dot and stage in forwarded:
            forwarded[stage].append(rest)
        else:
            own.append(argument)
    return own, forwarded


def compose_forwarded(
    stage: str, schema: type[C], own: Sequence[str], forwarded: Sequence[str], *, verb: str, reserved: Collection[str]
) -> C:
    """The config of a stage from what the verb sets and what the user forwards.

    Args:
        stage: Name of the stage.
        schema: Its options.
        own: Options that the verb sets, the preset among them.
        forwarded: Options of the user's, ``KEY=VALUE``.
        verb: Who runs the stage.
        reserved: Options that the verb alone may set.

    Raises:
        ValueError: for a forwarded option that is unknown, illegal, or reserved; it names the stage.
    """
    for option in forwarded:
        key = option.partition("=")[0]
        if key in reserved:
            raise ValueError(f"{stage}.{key} is set by {verb}; run handbridge {stage} to set it yourself")
    try:
        return compose_config(stage, schema, [*own, *forwarded])
    except ValueError as error:
        raise ValueError(f"{stage}: {error}") from error


def _run(step: Step, is_done: bool, place: str, out: Path, console: Console) -> None:
    if is_done:
        spent = read_times(out).get(step.name)
        console.print(f"{place} {step.name}: done before" + (f" in {spent:.0f} s" if spent else ""), markup=False)
        return
    console.print(f"{place} {step.name} ...", markup=False)
    started = time.perf_counter()
    step.run(step.config)
    seconds = time.perf_counter() - started
    note_time(out, step.name, seconds)
    console.print(f"{place} {step.name}: {seconds:.0f} s", markup=False)
