"""The page on a port of this machine: no analytics, nothing loaded from elsewhere, and no photograph kept."""

import os
import signal
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from handbridge.demo.inference import Networks
from handbridge.demo.page import TITLE, build_page, part, style

MAX_FILE_SIZE = "60mb"
POLICY = "; ".join(
    (
        "default-src 'self'",
        "script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "media-src 'self' data: blob:",
        "font-src 'self' data:",
        "connect-src 'self' data: blob:",
        "worker-src 'self' blob:",
    )
)
"""With this header a browser refuses to load anything from another host."""


def take_port(host: str, port: int) -> socket.socket:
    """A listening socket.

    Raises:
        ValueError: when the port is taken or the host is not this machine.
    """
    try:
        return socket.create_server((host, port))
    except OSError as error:
        raise ValueError(
            f"port={port} on host={host} cannot be listened on ({error.strerror or error}); "
            f"choose another: port={port + 1 if 0 < port < 65535 else 7860}, or port=0 for any that is free"
        ) from error


@contextmanager
def until_stopped() -> Iterator[None]:
    """Ctrl+C and SIGTERM end the block alike, so that what surrounds it can clean up."""

    def stop(number: int, _: Any) -> None:
        raise KeyboardInterrupt

    kept = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    except KeyboardInterrupt:  # uvicorn raises the signal that stopped it once more when it is done
        return
    finally:
        signal.signal(signal.SIGTERM, kept)


@contextmanager
def quiet_gradio() -> Iterator[Path]:
    """gradio without analytics and network, with uploads in a folder of its own that is deleted at the end."""
    names = ("GRADIO_ANALYTICS_ENABLED", "HF_HUB_OFFLINE", "GRADIO_TEMP_DIR")
    kept = {name: os.environ.get(name) for name in names}
    with tempfile.TemporaryDirectory(prefix="handbridge-demo-") as folder:
        os.environ.update(zip(names, ("False", "1", folder), strict=True))
        try:
            yield Path(folder)
        finally:
            for name, value in kept.items():
                os.environ.pop(name) if value is None else os.environ.update({name: value})


def make_server(networks: Networks, examples: list[Path]) -> Any:
    """A ``uvicorn.Server`` with the page; call it within ``quiet_gradio``.

    Raises:
        MissingPartError: when the extra ``demo`` is not installed.
    """
    gradio, fastapi, uvicorn = part("gradio"), part("fastapi"), part("uvicorn")
    app = fastapi.FastAPI(title=TITLE, docs_url=None, redoc_url=None, openapi_url=None)

    @app.middleware("http")
    async def nothing_from_elsewhere(request: Any, call_next: Any) -> Any:
        response = await call_next(request)
        response.headers["Content-Security-Policy"] = POLICY
        response.headers["Referrer-Policy"] = "no-referrer"
        return response

    app = gradio.mount_gradio_app(
        app, build_page(networks, examples), path="/", footer_links=[], max_file_size=MAX_FILE_SIZE, ssr_mode=False,
        mcp_server=False, enable_monitoring=False, pwa=False, run_history=False, **style(),
    )  # fmt: skip
    return uvicorn.Server(uvicorn.Config(app, log_level="warning"))
