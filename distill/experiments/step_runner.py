"""Stages run in one folder, each a step that is skipped when its product is there.

Several processes may run the same steps, on one machine or on many that share the folder: each takes a step that no
other has taken and whose ``needs`` are there. A step is taken with a lock that its process holds, so that of a process
that was killed is free at once.
"""

import gc
import json
import sys
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from filelock import FileLock, Timeout
from rich.console import Console

from synth.common.config import compose_config, stage_main
from synth.common.files import CONFIG_FILE, open_run_folder, written_atomically

TIMES_FILE = "times.json"
LOCKS = ".locks"
POLL_SECONDS = 0.5
"""Between looks at what other processes have finished."""
LONG_SECONDS = 2.0
"""A step that takes less leaves too little behind to look for."""
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
        needs: Products of other steps that this one starts from; None for those of all steps before it.
    """

    name: str
    config: Any
    run: Callable[[Any], Any]
    out: Path
    product: Path
    free_keys: tuple[str, ...] = ()
    needs: tuple[Path, ...] | None = None

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
    for step in steps:
        step.is_done()
    waiting = list(enumerate(steps, start=1))
    while waiting:
        ready = [(place, step) for place, step in waiting if _is_ready(step, steps[: place - 1])]
        taken = next((n for n in ready if _take(n[1], f"[{n[0]}/{len(steps)}]", out, console)), None)
        if taken is None:
            time.sleep(POLL_SECONDS)
            continue
        waiting.remove(taken)
        if after is not None:
            after(taken[1])


def read_times(out: Path) -> dict[str, float]:
    """Seconds spent on each step, over all calls."""
    file = out / TIMES_FILE
    return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}


def note_time(out: Path, name: str, seconds: float) -> None:
    """Add to the seconds of a step."""
    with _lock(out, TIMES_FILE):
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


def list_of_stage(stage: str) -> str:
    """Name of the field that holds a stage's forwarded options."""
    return stage.replace("-", "_")


def forwarding_main(verb: str, schema: type[C], run: Callable[[C], Any], stages: Collection[str]) -> Callable[..., int]:
    """The ``main`` of a verb that runs stages: options ``STAGE.KEY=VALUE`` of the command line go into the list that
    its config keeps for the stage (``list_of_stage``), the others are the verb's own."""

    def main(argv: Sequence[str] | None = None) -> int:
        own, forwarded = split_forwarded(sys.argv[1:] if argv is None else argv, stages)

        def run_forwarded(cfg: Any) -> Any:
            lists = {list_of_stage(stage): forwarded[stage] for stage in stages}
            return run(replace(cfg, **{key: [*getattr(cfg, key), *given] for key, given in lists.items()}))

        return stage_main(verb, schema, run_forwarded)(own)

    return main


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


def _is_ready(step: Step, before: Sequence[Step]) -> bool:
    needs = [other.product for other in before] if step.needs is None else step.needs
    return all(product.is_file() for product in needs)


def _take(step: Step, place: str, out: Path, console: Console) -> bool:
    """Run the step, or find it done; False when another process is at it."""
    lock = _lock(out, step.name)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        return False
    try:
        _run(step, place, out, console)
    finally:
        lock.release()
    return True


def _run(step: Step, place: str, out: Path, console: Console) -> None:
    if step.is_done():
        spent = read_times(out).get(step.name)
        console.print(f"{place} {step.name}: done before" + (f" in {spent:.0f} s" if spent else ""), markup=False)
        return
    console.print(f"{place} {step.name} ...", markup=False)
    started = time.perf_counter()
    step.run(step.config)
    seconds = time.perf_counter() - started
    if seconds > LONG_SECONDS:
        gc.collect()  # Lightning's trainer and its parts hold each other, and with them the dataset in memory
    note_time(out, step.name, seconds)
    console.print(f"{place} {step.name}: {seconds:.0f} s", markup=False)


def _lock(out: Path, name: str) -> FileLock:
    folder = out / LOCKS
    folder.mkdir(parents=True, exist_ok=True)
    return FileLock(folder / f"{name.replace('/', '-')}.lock")
