"""`fec export`: files to hand out, of trained weights."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from fec_jax.weights.format import Weights

_Named = Annotated[
    Path | None,
    typer.Argument(
        help="A .safetensors file, a workdir, or the name of shipped weights. Default: portraits128.",
        show_default=False,
    ),
]
_Force = Annotated[bool, typer.Option("--force", help="Overwrite OUT.")]

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Make files to hand out from trained weights.")


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
    force: _Force = False,
) -> None:
    """Write a run's newest weights (averaged generator, discriminator) to one file, and print its SHA-256."""
    import dataclasses

    from fec_jax.types import UserError
    from fec_jax.weights.format import save_weights
    from fec_jax.weights.load import weights_from

    _check_name(out, ".safetensors", "weights are", force)
    if not os.path.isdir(workdir):
        raise UserError(f"{workdir} is not a folder: give the workdir of a training run")
    weights = weights_from(workdir)
    if no_discriminator:
        weights = dataclasses.replace(weights, d_params=None)
    if license:
        data = {**weights.meta.data, "license": license}
        weights = dataclasses.replace(weights, meta=dataclasses.replace(weights.meta, data=data))
    typer.echo(f"{save_weights(out, weights, 'float16' if half else 'float32')}  {out}")


@app.command("onnx")
def export_onnx(
    weights: _Named = None,
    *,
    out: Annotated[Path, typer.Option(readable=False, help="The .onnx file to write.")],
    force: _Force = False,
) -> None:
    """Write completion as an ONNX model, for programs without this package (docs/export.md), and print its SHA-256.

    Needs the extra `onnx`: pip install -e '.[onnx]'.
    """
    _check_name(out, ".onnx", "an ONNX model is", force)
    from fec_jax.portable import onnx

    _write(weights, out, onnx.to_bytes)


@app.command("stablehlo")
def export_stablehlo(
    weights: _Named = None,
    *,
    out: Annotated[Path, typer.Option(readable=False, help="The .zip file to write: program and about.json.")],
    force: _Force = False,
) -> None:
    """Write completion as StableHLO, for JAX alone on CPU, GPU or TPU (docs/export.md), and print its SHA-256."""
    _check_name(out, ".zip", "the program and what is known about it are", force)
    from fec_jax.portable import stablehlo

    _write(weights, out, stablehlo.to_bytes)


def _check_name(out: Path, suffix: str, what: str, force: bool) -> None:
    from fec_jax.io import output
    from fec_jax.types import UserError

    output.check_free(out, force)
    if out.suffix != suffix:
        raise UserError(f"cannot write {out}: {what} a {suffix} file; use {out.with_suffix(suffix).name}")


def _write(named: Path | None, out: Path, to_bytes: "Callable[[Weights], bytes]") -> None:
    import hashlib

    from fec_jax.io import output
    from fec_jax.weights.load import weights_from

    data = to_bytes(weights_from(named))
    output.write_aside(out, data)
    typer.echo(f"{hashlib.sha256(data).hexdigest()}  {out}")
