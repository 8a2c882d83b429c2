"""Whether the long training was good early enough: PCK@0.1 on the validation renders within its first CPU seconds.

python -m benchmarks.long.target
"""

from collections.abc import Sequence
from pathlib import Path

from benchmarks.long.curve import TRUNK, Row, cpu_seconds_spent, read_rows

CURVE = Path(__file__).with_name("curve.jsonl")
MEASURED = "validation_given_pck_box@0.1"
TARGET, SECONDS = 0.86, 3600.0
"""Share of joints, with the side given, from ImageNet weights within so many CPU seconds of one core."""


def within(rows: Sequence[Row], seconds: float) -> tuple[float, float, int] | None:
    """The trunk's last measurement within ``seconds`` of process time: value, seconds, views; None before the first."""
    trunk = [row for row in rows if row["kind"] == TRUNK]
    spent = zip(cpu_seconds_spent(trunk), trunk, strict=True)
    early = [(row[MEASURED], at, row["views"]) for at, row in spent if at <= seconds]
    return early[-1] if early else None


def main() -> int:
    """Print it; 1 when it is below the target."""
    found = within(read_rows(CURVE), SECONDS)
    if found is None:
        print(f"no measurement within {SECONDS:,.0f} CPU seconds yet; make long-training makes them")
        return 1
    value, at, views = found
    print(
        f"PCK@0.1 {value:.3f} after {at:,.0f} CPU seconds and {views:,} views; the target is {TARGET} by {SECONDS:,.0f}"
    )
    return int(value < TARGET)


if __name__ == "__main__":
    raise SystemExit(main())
