"""The command: refusals in one line before anything is loaded, the port, and what surrounds the server."""

import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from dualmod.checkpoints.checkpoint import save_network
from dualmod.network.model import DualModalityNet
from dualmod.release import largest_shift
from handbridge.demo import stage
from handbridge.demo.server import quiet_gradio, take_port, until_stopped
from handbridge.demo.stage import DemoConfig, load_networks, main
from synth.common.optional import import_optional


@pytest.fixture
def checkpoint(tiny_net: DualModalityNet, tmp_path: Path) -> Path:
    save_network(tmp_path / "model.safetensors", tiny_net, {})
    return tmp_path / "model.safetensors"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["checkpoint=nowhere"], "checkpoint=nowhere does not exist; give a file"),
        (["detector=nowhere"], "detector=nowhere does not exist; give a file"),
        (["checkpoint=CHECKPOINT", "before=nowhere"], "before=nowhere does not exist"),
        (["checkpoint=CHECKPOINT", "port=70000"], "port=70000 is not legal: it must be from 0 to 65535"),
        (["checkpoint=CHECKPOINT", "examples=-1"], "examples=-1 is not legal"),
        (["checkpoint=CHECKPOINT", "least_score=2"], "least_score=2.0 is not legal"),
        (["checkpoint=CHECKPOINT", "share=true"], "share is no option"),
    ],
)
def test_a_mistake_is_one_line(
    options: list[str], said: str, checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([option.replace("CHECKPOINT", str(checkpoint)) for option in options]) == 1
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1


def test_a_missing_package_names_the_extra(
    checkpoint: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def part(module: str) -> object:
        return import_optional("no_such_" + module, wanted_by="handbridge demo", mend="pip install 'handbridge[demo]'")

    monkeypatch.setattr(stage, "part", part)
    assert main([f"checkpoint={checkpoint}"]) == 1
    error = capsys.readouterr().err
    assert "needs no_such_gradio" in error and "pip install 'handbridge[demo]'" in error and error.count("\n") == 1


def test_a_port_that_is_taken_is_named_with_another() -> None:
    with take_port("127.0.0.1", 0) as first:
        port = first.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)):
            pass
        with pytest.raises(ValueError, match=rf"port={port} on host=127\.0\.0\.1 cannot be listened on .*port=0"):
            take_port("127.0.0.1", port)


def test_before_is_a_network_of_its_own_or_none(checkpoint: Path) -> None:
    alone = load_networks(DemoConfig(checkpoint=str(checkpoint), detector="windows", device="cpu", least_score=0.3))
    assert alone.before is None and alone.least_score == 0.3
    both = load_networks(
        DemoConfig(checkpoint=str(checkpoint), detector="windows", before=str(checkpoint), device="cpu")
    )
    assert both.before is not None and both.before is not both.after


def test_the_released_network_stands_beside_its_start_unless_told_otherwise() -> None:
    beside, alone = (load_networks(DemoConfig(detector="windows", device="cpu", before=b)) for b in ("auto", "none"))
    assert alone.before is None and beside.before is not None
    assert largest_shift(beside.after.net, beside.before.net) > 0


def test_uploads_have_a_folder_that_is_deleted_and_the_environment_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRADIO_TEMP_DIR", "mine")
    monkeypatch.delenv("GRADIO_ANALYTICS_ENABLED", raising=False)
    with quiet_gradio() as folder:
        assert os.environ["GRADIO_TEMP_DIR"] == str(folder) and os.environ["GRADIO_ANALYTICS_ENABLED"] == "False"
        (folder / "photo.jpg").touch()
    assert not folder.exists()
    assert os.environ["GRADIO_TEMP_DIR"] == "mine" and "GRADIO_ANALYTICS_ENABLED" not in os.environ


@pytest.fixture
def interruptible() -> Iterator[None]:
    """A shell lets its background jobs ignore Ctrl+C, and with them tests that run in one."""
    kept = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, kept)


@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_page_and_cleans_up(number: signal.Signals) -> None:
    kept, reached = signal.getsignal(signal.SIGTERM), []
    with until_stopped(), quiet_gradio() as folder:
        reached.append(folder)
        signal.raise_signal(number)
        reached.append(folder)
    assert len(reached) == 1 and not reached[0].exists()
    assert signal.getsignal(signal.SIGTERM) is kept
