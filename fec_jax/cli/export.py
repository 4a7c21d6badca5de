"""`fec export`: files to hand out, from a training run."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Make files to hand out from a training run.")


@app.command("weights")
def export_weights(
    workdir: Annotated[Path, typer.Argument(help="The workdir of a training run.")],
    out: Annotated[Path, typer.Option(readable=False, help="The .safetensors file to write.")],
    no_discriminator: Annotated[
        bool, typer.Option("--no-discriminator", help="Smaller, but attributes cannot be read from photos.")
    ] = False,
    half: Annotated[bool, typer.Option("--half", help="float16: half the size.")] = False,
    license: Annotated[
        str | None, typer.Option(help="The training photos' licence, instead of the one given to `fec prepare`.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite OUT.")] = False,
) -> None:
    """Write a run's newest weights (averaged generator, discriminator) to one file, and print its SHA-256."""
    import dataclasses

    from fec_jax.io import output
    from fec_jax.types import UserError
    from fec_jax.weights.format import save_weights
    from fec_jax.weights.load import weights_from

    output.check_free(out, force)
    if out.suffix != ".safetensors":
        raise UserError(
            f"cannot write {out}: weights are a .safetensors file; use {out.with_suffix('.safetensors').name}"
        )
    if not workdir.is_dir():
        raise UserError(f"{workdir} is not a folder: give the workdir of a training run")
    weights = weights_from(workdir)
    if no_discriminator:
        weights = dataclasses.replace(weights, d_params=None)
    if license:
        data = {**weights.meta.data, "license": license}
        weights = dataclasses.replace(weights, meta=dataclasses.replace(weights.meta, data=data))
    typer.echo(f"{save_weights(out, weights, 'float16' if half else 'float32')}  {out}")
