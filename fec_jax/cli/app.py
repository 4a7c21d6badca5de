"""`fec app`: a page in the browser, on this machine alone."""

import signal
import threading
from pathlib import Path
from typing import Annotated

import typer


def app(
    weights: Annotated[
        Path | None,
        typer.Option(help="A .safetensors file, a workdir, or the name of shipped weights. Default: portraits128."),
    ] = None,
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 lets the whole network in.")] = "127.0.0.1",
    port: Annotated[int | None, typer.Option(min=1, max=65535, help="Default: the first free from 7860 on.")] = None,
    max_megapixels: Annotated[float, typer.Option(min=0.01, max=80, help="Refuse larger photos.")] = 40,
    max_mib: Annotated[float, typer.Option(min=0.01, max=256, help="Refuse larger files.")] = 64,
    browser: Annotated[bool, typer.Option("--browser", help="Open the page in your browser.")] = False,
) -> None:
    """Complete and edit photos in the browser. Photos stay on this machine, and their copies go when the page closes.

    Needs the extra `app`: pip install -e '.[app]'.
    """
    from fec_jax.app.gate import is_local
    from fec_jax.app.serve import running
    from fec_jax.weights.load import weights_from

    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with running(weights_from(weights), host, port, round(max_megapixels * 1e6), round(max_mib * 2**20)) as url:
            typer.echo(f"the page is at {url} ; Ctrl-C ends it", err=True)
            if not is_local(host):
                typer.echo(f"warning: everybody who can reach {host} can use it; it asks for no password", err=True)
            if browser:
                typer.launch(url)
            threading.Event().wait()
    except KeyboardInterrupt:
        typer.echo("ended", err=True)
