"""Shards on a Ray cluster: two nodes on this machine, one of which is killed. Without Ray, what needs none of it."""

import os
import socket
import sys
import threading
import time
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from synth.dataset.manifest import MANIFEST_FILE
from synth.dataset.verify import verify
from synth.generate import GenerateConfig, generate, main, maker_settings
from synth.generation.ray_executor import library_versions, make_on_node, shard_result
from synth.generation.shard_task import ShardTask

SMALL = dict(num_samples=360, shard_size=30, image_size=48, seed=6)
STORE_BYTES = 80 * 2**20


def contents(folder: Path) -> dict[str, bytes]:
    return {f.name: f.read_bytes() for f in sorted(folder.iterdir()) if f.suffix == ".tar" or f.name == MANIFEST_FILE}


@pytest.fixture(scope="module")
def ray():
    os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_worker_niceness": "0"}
    return pytest.importorskip("ray", reason="executor=ray needs the extra cluster")


@pytest.fixture
def cluster(ray):
    from ray.cluster_utils import Cluster

    head = dict(num_cpus=1, object_store_memory=STORE_BYTES, include_dashboard=False)
    cluster = Cluster(initialize_head=True, head_node_args=head)
    yield cluster
    cluster.shutdown()


@pytest.mark.slow
def test_a_node_that_is_killed_in_mid_run_costs_nothing_that_was_finished(cluster, tmp_path, monkeypatch):
    second_node = cluster.add_node(num_cpus=1, object_store_memory=STORE_BYTES)
    out, seen = tmp_path / "on_ray", {}

    def kill() -> None:
        while not (list(out.glob("shard-*.tar")) and len(list(out.glob(".*.partial.tar"))) == 2):
            time.sleep(0.001)
        cluster.remove_node(second_node, allow_graceful=False)
        seen["finished"] = {f.name: f.stat().st_ino for f in out.glob("shard-*.tar")}
        seen["half"] = [f.name for f in out.glob(".*.partial.tar")]

    killer = threading.Thread(target=kill, daemon=True)
    killer.start()
    monkeypatch.chdir(tmp_path)
    generate(GenerateConfig(out="on_ray", executor="ray", ray_address=cluster.address, **SMALL))
    killer.join(1)
    assert 0 < len(seen["finished"]) < 12 and seen["half"]
    assert seen["finished"].items() <= {f.name: f.stat().st_ino for f in out.glob("shard-*.tar")}.items()
    assert verify(out).faults == []
    generate(GenerateConfig(out="local", workers=1, **SMALL))
    assert contents(out) == contents(tmp_path / "local")
    assert not list(out.glob(".*"))


@pytest.mark.parametrize(
    ("name", "kind", "message"),
    [
        ("RayTaskError", ValueError, "^skins: a.png cannot be read$"),
        ("WorkerCrashedError", OSError, "^shard-000003.tar was tried 11 times and lost its worker each time"),
    ],
)
def test_what_a_node_fails_of_is_told_in_one_line(ray, name, kind, message):
    cause = ValueError("skins: a.png cannot be read")
    kept = {"RayTaskError": ("make_on_node", "Traceback\n  ...", cause), "WorkerCrashedError": ()}

    def get(_):
        raise getattr(ray.exceptions, name)(*kept[name])

    with pytest.raises(kind, match=message) as caught:
        shard_result(SimpleNamespace(get=get, exceptions=ray.exceptions), None, "shard-000003.tar")
    assert "\n" not in str(caught.value)


def test_a_missing_ray_says_what_to_install(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    assert main([f"out={tmp_path / 'd'}", "executor=ray"]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "pip install 'handbridge[cluster]'" in error
    assert not (tmp_path / "d").exists()


@pytest.mark.parametrize("address", ["head", "http://head:6379", "head:0", "head:66000", "ray://head:10001"])
def test_an_address_of_another_form_is_refused(tmp_path, capsys, monkeypatch, address):
    refused(tmp_path, capsys, monkeypatch, address, "must be auto or HOST:PORT")


def test_an_address_that_nobody_answers_is_refused_at_once(tmp_path, capsys, monkeypatch):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{closed.getsockname()[1]}"
    start = time.monotonic()
    refused(tmp_path, capsys, monkeypatch, address, "nobody answers there")
    monkeypatch.setenv("RAY_ADDRESS", address)
    refused(tmp_path, capsys, monkeypatch, "auto", f"ray_address={address}: nobody answers there")
    assert time.monotonic() - start < 10


def refused(tmp_path, capsys, monkeypatch, address, message):
    stand_in = ModuleType("ray")
    stand_in.is_initialized = lambda: False  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "ray", stand_in)
    assert main([f"out={tmp_path / 'd'}", "executor=ray", f"ray_address={address}"]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and message in error
    assert not (tmp_path / "d").exists()


def test_who_answers_without_being_a_cluster_is_refused(ray, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("synth.generation.ray_executor.CONNECT_SECONDS", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        assert main([f"out={tmp_path / 'd'}", "executor=ray", f"ray_address={address}"]) == 1
    assert "answers, but not as the head of a Ray cluster" in capsys.readouterr().err


@pytest.fixture
def task(tmp_path) -> ShardTask:
    settings = maker_settings(GenerateConfig(out="", image_size=48))
    return ShardTask(tmp_path / "shard-000000.tar", 0, 2, 5, settings)


def test_an_attempt_whose_answer_was_lost_is_not_repeated(task, monkeypatch):
    (task.path.parent / "config.yaml").touch()
    entry = make_on_node(task, library_versions("lbs"), "/no/such/folder")
    monkeypatch.setattr("synth.generation.ray_executor.make_shard", None)
    assert make_on_node(task, library_versions("lbs"), "/no/such/folder") == entry


def test_a_node_with_other_versions_or_without_the_folder_makes_nothing(task):
    with pytest.raises(ValueError, match=r"numpy .*the dataset needs 0\.1"):
        make_on_node(task, library_versions("lbs") | {"numpy": "0.1"}, ".")
    with pytest.raises(ValueError, match="give a folder that all nodes share"):
        make_on_node(task, library_versions("lbs"), ".")
    assert not task.path.exists()
