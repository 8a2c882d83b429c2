"""How a worker process ends: with its parent, and not with Ctrl-C. Imports nothing heavy, as each worker imports it."""

import multiprocessing
import os
import signal
import threading


def end_with_parent() -> None:
    """End this worker when its parent is killed (it would wait for tasks for ever), and leave Ctrl-C to the parent,
    which lets the shards in hand be finished."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
