"""`fec train`: a training on this machine; `python -m fec_jax.main` does the same, also in several processes."""

import os
from typing import Annotated

import typer


def train(
    config: Annotated[str, typer.Argument(help="The run: the name of a shipped config (quickstart), or a file.")],
    workdir: Annotated[str, typer.Option(help="Folder of the run: config, metrics, grids, checkpoints.")],
    changes: Annotated[
        list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="Changes of the config: batch.px4=8.")
    ] = None,
    compilation_cache: Annotated[
        str | None,
        typer.Option(help="Folder that keeps compiled programs; on accelerators by default ~/.cache/fec_jax/programs."),
    ] = None,
) -> None:
    """Train a config; the same command resumes from the newest checkpoint in the workdir."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    from fec_jax import main

    main.log_plainly()
    main.train(config, changes or [], workdir, compilation_cache)
