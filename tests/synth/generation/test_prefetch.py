"""Items made ahead: in order, bounded, resumable, and no process is left however it ends."""

import functools
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from synth.generation.prefetch import MadeAhead

ROOT = Path(__file__).parents[3]


def square(number: int) -> int:
    time.sleep(0.02 * (number % 3))  # the later one of two is often ready first
    return number * number


def noted(folder: str, number: int) -> int:
    (Path(folder) / str(number)).touch()
    return number


def process_id(number: int) -> int:
    return os.getpid()


def fails_at_three(number: int) -> int:
    if number == 3:
        raise ValueError("item 3 cannot be made")
    return os.getpid()


def dies_at_three(number: int) -> int:
    if number == 3:
        os._exit(9)
    return os.getpid()


def lives(pid: int) -> bool:
    """Whether a process runs; one that has ended and waits to be collected does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_until(condition, seconds: float = 20.0) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.02)
    return False


def test_items_come_in_order_and_end():
    with MadeAhead(square, first=2, last=9, workers=2, ahead=4) as items:
        assert list(items) == [4, 9, 16, 25, 36, 49, 64]
        assert items.position == 9 and list(items) == []


def test_no_more_than_ahead_are_made_before_they_are_wanted(tmp_path):
    with MadeAhead(functools.partial(noted, str(tmp_path)), workers=2, ahead=3) as items:
        for taken in range(1, 5):
            assert next(items) == taken - 1
            assert wait_until(lambda made=taken + 3: len(list(tmp_path.iterdir())) == made)
        time.sleep(0.3)
        assert sorted(int(f.name) for f in tmp_path.iterdir()) == list(range(4 + 3))


def test_a_new_one_goes_on_where_the_old_one_stood():
    with MadeAhead(square, workers=1, ahead=3) as items:
        before = [next(items) for _ in range(4)]
        position = items.position
    with MadeAhead(square, first=position, workers=2, ahead=2) as items:
        assert before + [next(items) for _ in range(4)] == [k * k for k in range(8)]


def test_closing_ends_the_processes():
    items = MadeAhead(process_id, workers=2, ahead=4)
    pids = {next(items) for _ in range(6)}
    assert all(lives(pid) for pid in pids)
    items.close()
    assert not any(lives(pid) for pid in pids)
    items.close()
    with pytest.raises(StopIteration):
        next(items)


def test_an_error_in_the_readers_block_ends_the_processes():
    pids = set()
    with pytest.raises(RuntimeError), MadeAhead(process_id, workers=1, ahead=2) as items:
        pids.add(next(items))
        raise RuntimeError
    assert not any(lives(pid) for pid in pids)


def test_what_making_raises_reaches_the_reader_at_its_place():
    items = MadeAhead(fails_at_three, workers=1, ahead=5)
    pids = {next(items) for _ in range(3)}
    with pytest.raises(ValueError, match="item 3 cannot be made"):
        next(items)
    assert items.position == 3 and not any(lives(pid) for pid in pids)


def test_a_worker_that_dies_is_named_with_the_item_to_go_on_with():
    items = MadeAhead(dies_at_three, workers=1, ahead=1)
    assert len({next(items) for _ in range(2)}) == 1
    with pytest.raises(OSError, match=r"one of workers=1 processes died.*first=[23],"):
        next(items), next(items)
    assert next(items, None) is None


READER = """
import os, signal, sys, time
sys.path.insert(0, sys.argv[1])
from synth.generation.prefetch import MadeAhead
from tests.synth.generation.test_prefetch import process_id

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)
    items = MadeAhead(process_id, workers=1, ahead=2)
    print(next(items), flush=True)
    time.sleep(60)
"""


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGINT])
def test_workers_end_when_the_reader_is_killed_or_stopped(end, tmp_path):
    script = tmp_path / "reader.py"
    script.write_text(READER)
    reader = subprocess.Popen(
        [sys.executable, str(script), str(ROOT)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert reader.stdout is not None
    with reader.stdout:
        pid = int(reader.stdout.readline())
        assert lives(pid)
        os.kill(reader.pid, end)
        reader.wait()
    assert wait_until(lambda: not lives(pid))


@pytest.mark.parametrize("numbers", [{"workers": 0}, {"ahead": 0}, {"first": -1}])
def test_illegal_numbers_are_refused(numbers):
    with pytest.raises(ValueError, match="are not legal"):
        MadeAhead(square, **numbers)
