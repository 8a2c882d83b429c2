"""Shards as tasks of an existing Ray cluster: each takes one CPU of any node.

The nodes share the dataset's folder and have this package installed in the same versions. A shard is written by the
node that makes it; only its manifest entry travels. Ray is imported inside functions: it is an extra (``cluster``).
"""

import contextlib
import os
import platform
import re
import socket
import threading
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Any

from synth.common.files import CONFIG_FILE
from synth.common.optional import import_optional, install_extra
from synth.dataset.manifest import GENERATOR_VERSION, ShardEntry
from synth.generation.progress import finished_shard
from synth.generation.shard_task import ShardTask, make_shard

AUTO = "auto"
RETRIES = 10
"""How often a shard whose worker or node was lost is tried again."""
ANSWER_SECONDS = 10
CONNECT_SECONDS = 60
START_HEAD = "start one with: ray start --head --port=6379"
PACKAGES = ("torch", "numpy", "numba", "scipy", "opencv-python-headless", "simplejpeg")
"""What the bytes of a sample depend on besides this package."""


@contextlib.contextmanager
def run_on_ray(address: str) -> Iterator[Callable[[list[ShardTask]], Iterator[ShardEntry]]]:
    """Connect to a cluster, for the time of the ``with`` block; a connection that is already there is used and kept.

    Args:
        address: ``auto`` for the cluster that this machine belongs to (or that ``RAY_ADDRESS`` names), or HOST:PORT.

    Raises:
        ValueError: when Ray is not installed, nobody answers, or the cluster has no CPU.
    """
    ray = import_optional("ray", wanted_by="executor=ray", mend=install_extra("cluster"))
    is_own = not ray.is_initialized()
    if is_own:
        _connect(ray, address)
    try:
        if ray.cluster_resources().get("CPU", 0) < 1:
            raise ValueError(
                f"ray_address={address}: the cluster has no CPU; join a node: ray start --address=HOST:PORT"
            )
        yield lambda tasks: _make_all(ray, tasks)
    finally:
        if is_own:
            ray.shutdown()


def make_on_node(task: ShardTask, versions: dict[str, str], folder: str) -> ShardEntry:
    """What a node does: make the shard, unless an attempt whose answer was lost has made it.

    Args:
        task: The shard.
        versions: The versions of the machine that gave the order.
        folder: Its working folder, which relative paths start from.

    Raises:
        ValueError: when this node has other versions, or does not see the dataset's folder.
    """
    node = platform.node()
    for package, here in library_versions(task.settings.skinning).items():
        if versions[package] != here:
            raise ValueError(
                f"node {node} has {package} {here}, and the dataset needs {versions[package]} as this machine has it; "
                f"install the same versions on all nodes"
            )
    if Path(folder).is_dir():
        os.chdir(folder)
    if not (task.path.parent / CONFIG_FILE).is_file():
        raise ValueError(f"out={task.path.parent} is not on node {node}; give a folder that all nodes share")
    return finished_shard(task.path) or make_shard(task)


def library_versions(skinning: str) -> dict[str, str]:
    """What has to be the same on all nodes, for the same bytes."""
    packages = (*PACKAGES, "smplx") if skinning == "smplx" else PACKAGES
    return {"generator": str(GENERATOR_VERSION)} | {name: version(name) for name in packages}


def shard_result(ray: ModuleType, finished: Any, name: str) -> ShardEntry:
    """The entry of a finished task.

    Raises:
        ValueError, OSError: what ended the task, in the node's words.
        OSError: when its worker was lost too often.
    """
    try:
        return ray.get(finished)
    except ray.exceptions.RayTaskError as error:
        cause = getattr(error, "cause", None)
        raise (cause if isinstance(cause, ValueError | OSError) else error) from error
    except ray.exceptions.RayError as error:
        raise OSError(
            f"{name} was tried {RETRIES + 1} times and lost its worker each time ({_line(error)}); "
            f"look at the nodes with: ray status; the same command resumes"
        ) from error


def _make_all(ray: ModuleType, tasks: list[ShardTask]) -> Iterator[ShardEntry]:
    make = ray.remote(num_cpus=1, max_retries=RETRIES)(make_on_node)
    common = library_versions(tasks[0].settings.skinning) if tasks else {}, str(Path.cwd())
    shards = {make.remote(task, *common): task.path for task in tasks}
    waiting = list(shards)
    try:
        while waiting:
            [finished], waiting = ray.wait(waiting)
            entry = shard_result(ray, finished, shards[finished].name)
            if not shards[finished].is_file():
                folder = shards[finished].parent
                raise OSError(f"out={folder}: a node wrote {entry.name} where this machine does not see it; "
                              f"give a folder that all nodes share")  # fmt: skip
            yield entry
    finally:
        for shard in waiting:
            ray.cancel(shard)


def _connect(ray: ModuleType, address: str) -> None:
    """Connect within ``CONNECT_SECONDS``; by itself Ray tries for minutes, and then ends the process."""
    wanted = os.environ.get("RAY_ADDRESS", AUTO) if address == AUTO else address
    if wanted != AUTO:
        _require_answer(wanted)
    failed: list[Exception] = []

    def connect() -> None:
        try:
            ray.init(address=wanted, logging_level="ERROR", log_to_driver=False)
        except Exception as error:  # whatever the connection fails of, the user has to hear it
            failed.append(error)

    thread = threading.Thread(target=connect, daemon=True)
    thread.start()
    thread.join(CONNECT_SECONDS)
    if thread.is_alive():
        raise ValueError(f"ray_address={wanted} answers, but not as the head of a Ray cluster; {START_HEAD}")
    if failed:
        raise ValueError(f"ray_address={wanted}: no connection to a Ray cluster ({_line(failed[0])}); {START_HEAD}")


def _require_answer(address: str) -> None:
    found = re.fullmatch(r"\[?([^\[\]/\s]+?)\]?:(\d{1,5})", address)
    if found is None or not 0 < int(found[2]) < 2**16:
        raise ValueError(f"ray_address={address} is not legal: it must be auto or HOST:PORT of the cluster's head")
    try:
        socket.create_connection((found[1], int(found[2])), timeout=ANSWER_SECONDS).close()
    except OSError as error:
        raise ValueError(f"ray_address={address}: nobody answers there ({error}); {START_HEAD}") from error


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
