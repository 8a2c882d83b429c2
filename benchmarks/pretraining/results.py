"""The results of a table: a JSON file with one line for each row and seed, which several sessions add to."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from filelock import FileLock

from benchmarks.pretraining.runs import Run
from synth.common.config import check
from synth.common.files import written_atomically

Result = dict[str, Any]
"""A run's ``identity``, and beside it ``ms``, ``cpu_seconds``, ``commit``, ``hardware``, ``date`` and ``numbers``."""


class Results:
    """The file of a table."""

    def __init__(self, path: Path, table: str):
        self.path, self.table = path, table

    def read(self) -> list[Result]:
        """All results, those of rows that have changed since among them."""
        return self._content()["runs"]

    def renders(self) -> dict[str, Any]:
        """What the results were trained and measured on, by name."""
        return self._content()["renders"]

    def check_renders(self, renders: Mapping[str, Any]) -> None:
        """Check that results on these renders belong beside those that are there.

        Raises:
            ValueError: when those were made on others.
        """
        for name, before in self.renders().items():
            if name in renders:
                legal = f"{before}, as in {self.path.name}; take those renders, or move the file away to start anew"
                check(renders[name] == before, f"renders of {name}", renders[name], legal)

    def add(self, run: Run, result: Mapping[str, Any], renders: Mapping[str, Any]) -> None:
        """Add a run's result in the place of that of the same row and seed; the file is read again, as others add too.

        Raises:
            ValueError: as ``check_renders``.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(self.path.with_name(f".{self.path.stem}.lock")):
            self.check_renders(renders)
            content = self._content()
            others = [r for r in content["runs"] if (r["row"], r["seed"]) != (run.row.name, run.seed)]
            runs = sorted([*others, {**run.identity, **result}], key=lambda r: (r["row"], r["seed"]))
            self._write({**content["renders"], **renders}, runs)

    def done(self, run: Run, sets: Iterable[str]) -> bool:
        """Whether this very run is there, measured on all sets."""
        return any(set(sets) <= r["numbers"].keys() for r in of_runs(self.read(), [run]))

    def _content(self) -> dict[str, Any]:
        """What is in the file.

        Raises:
            ValueError: when it is damaged.
        """
        if not self.path.exists():
            return {"renders": {}, "runs": []}
        try:
            content = json.loads(self.path.read_text(encoding="utf-8"))
            return {"renders": dict(content["renders"]), "runs": list(content["runs"])}
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{self.path} holds no results ({error}); restore it from the repository") from error

    def _write(self, renders: Mapping[str, Any], runs: Iterable[Result]) -> None:
        """One line for each run, so that what two branches have added can be merged."""
        lines = ",\n".join(f"  {json.dumps(run)}" for run in runs)
        head = f'{{\n "table": {json.dumps(self.table)},\n "renders": {json.dumps(renders)},\n "runs": [\n'
        with written_atomically(self.path) as partial:
            partial.write_text(f"{head}{lines}\n ]\n}}\n", encoding="utf-8")


def of_runs(results: Iterable[Result], runs: Iterable[Run]) -> list[Result]:
    """The results that are of these very runs."""
    wanted = [run.identity for run in runs]
    return [result for result in results if {key: result.get(key) for key in wanted[0]} in wanted] if wanted else []
