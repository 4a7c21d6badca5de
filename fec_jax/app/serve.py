"""The page's server: on this machine alone unless asked otherwise, and nothing of it is left when it ends."""

import contextlib
import os
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

from fec_jax.app.gate import Gate, is_local, unbracketed
from fec_jax.complete.completer import Completer
from fec_jax.types import UserError
from fec_jax.weights.format import Weights

MAX_BYTES = 64 * 2**20
MAX_PIXELS = 40_000_000


@contextlib.contextmanager
def running(
    weights: Weights,
    host: str = "127.0.0.1",
    port: int | None = None,
    max_pixels: int = MAX_PIXELS,
    max_bytes: int = MAX_BYTES,
) -> Iterator[str]:
    """The page of these weights as long as the context lasts; gives its address.

    port         None: the first free one from 7860 on
    max_pixels   of a photo, max_bytes of its file

    Raises UserError: the extra `app` is not installed, or `host` and `port` cannot be listened on.
    """
    _check_address(host, port)
    with tempfile.TemporaryDirectory(prefix="fec-app-", ignore_cleanup_errors=True) as folder:
        _prepare_environment(folder)
        try:
            from gradio import Blocks  # noqa: F401
        except ImportError as e:
            raise UserError(f"the page needs Gradio ({e}): pip install -e '.[app]'") from e
        from starlette.middleware import Middleware

        from fec_jax.app import page
        from fec_jax.app.desk import Desk

        desk = Desk(Completer(weights), Path(folder), max_pixels)
        blocks = page.build(desk)
        bare = unbracketed(host)
        try:
            try:
                _, url, _ = blocks.launch(
                    server_name=f"[{bare}]" if ":" in bare else bare,
                    server_port=port,
                    theme=page.theme(),
                    css=page.css(),
                    prevent_thread_lock=True,
                    quiet=True,
                    share=False,
                    show_error=False,
                    footer_links=[],
                    run_history=False,
                    enable_monitoring=False,
                    mcp_server=False,
                    pwa=False,
                    ssr_mode=False,
                    allowed_paths=[],
                    max_file_size=max_bytes,
                    state_session_capacity=64,
                    app_kwargs={"middleware": [Middleware(Gate, max_bytes=max_bytes + 2**20, loopback=is_local(host))]},
                )
            except OSError as e:
                raise UserError(_cannot_listen(host, port)) from e
            with desk.swept():
                yield url
        finally:
            blocks.close(verbose=False)


def _check_address(host: str, port: int | None) -> None:
    """Before anything starts: Gradio's server would complain about each port that it tries. Raises UserError."""
    try:
        found = socket.getaddrinfo(unbracketed(host), port or 0, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as e:
        raise UserError(f"cannot listen on {host}: no such address; choose another with --host") from e
    failure = None
    for family, kind, protocol, _, address in found:
        try:
            with socket.socket(family, kind, protocol) as tried:
                tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                tried.bind(address)
            return
        except OSError as e:
            failure = e
    raise UserError(_cannot_listen(host, port)) from failure


def _cannot_listen(host: str, port: int | None) -> str:
    where = f"port {port}" if port else "any port from 7860 on"
    return f"cannot listen on {host}, {where}: taken, or not this machine's; choose others with --host, --port"


def _prepare_environment(folder: str) -> None:
    """Before Gradio is imported: its files into `folder`, no reports of use, and no setting of other Gradio pages."""
    for name in [name for name in os.environ if name.startswith("GRADIO_")]:
        del os.environ[name]
    os.environ["GRADIO_TEMP_DIR"] = folder
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    os.environ["HF_HUB_OFFLINE"] = "1"
