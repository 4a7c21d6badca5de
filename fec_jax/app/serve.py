"""The page's server: on this machine alone unless asked otherwise, and nothing of it is left when it ends."""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from fec_jax.app.gate import LOOPBACK, Gate
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

    Raises UserError: the extra `app` is not installed, or the port is taken.
    """
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
        try:
            _, url, _ = blocks.launch(
                server_name=host,
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
                app_kwargs={"middleware": [Middleware(Gate, max_bytes=max_bytes + 2**20, loopback=host in LOOPBACK)]},
            )
        except OSError as e:
            where = f"port {port}" if port else "any port from 7860 on"
            raise UserError(
                f"cannot listen on {host}, {where}: taken, or not this machine's; choose others with --host, --port"
            ) from e
        try:
            with desk.swept():
                yield url
        finally:
            blocks.close(verbose=False)


def _prepare_environment(folder: str) -> None:
    """Before Gradio is imported: its files into `folder`, no reports of use, and no setting of other Gradio pages."""
    for name in [name for name in os.environ if name.startswith("GRADIO_")]:
        del os.environ[name]
    os.environ["GRADIO_TEMP_DIR"] = folder
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    os.environ["HF_HUB_OFFLINE"] = "1"
