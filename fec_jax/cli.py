"""`fec`: one subcommand per thing that a user does. Thin: the work is in the modules, which are imported when needed.

An error of the user's is one line on stderr, `fec: ...`, exit code 2, and no output file.
"""

import sys
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import absl.logging
import typer

import fec_jax
from fec_jax.cli_estimate import estimate
from fec_jax.cli_evaluate import evaluate

if TYPE_CHECKING:
    from fec_jax.data.prepare import PrepareReport

# Plain text everywhere: one-line errors, no boxes, and tracebacks as Python prints them.
app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="Face completion with controllable attributes.",
)
export_app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Make files for others from a training run.")
app.add_typer(export_app, name="export")
app.command()(evaluate)
app.command()(estimate)
prepare_app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Make training data sets from photos.")
app.add_typer(prepare_app, name="prepare")

Source = Annotated[Path, typer.Argument(help="The folder with the photos.")]
Out = Annotated[Path, typer.Option(help="Where to put the data sets; the same command goes on after an interruption.")]
Resolution = Annotated[
    int, typer.Option(help="Largest resolution in px, a power of two; the smaller ones come with it.")
]
Keep = Annotated[str | None, typer.Option(metavar="NAME,NAME", help="Attributes to keep, in this order. Default: all.")]


class Unset(StrEnum):
    """What to do with attributes that are not set."""

    photo = "photo"
    ask = "ask"


def main(argv: Sequence[str] | None = None) -> None:
    """The entry point: runs `argv` (default: the process's arguments) and exits. 0 done, 2 an error of the user's."""
    # Libraries warn of their own affairs here (how a checkpoint was sharded), which no user of `fec` can act on.
    absl.logging.set_verbosity(absl.logging.ERROR)
    try:
        app(args=None if argv is None else list(argv), prog_name="fec")
    except Exception as e:
        # Imported here because it brings jax, which `fec --help` should not wait for.
        from fec_jax.types import UserError

        if not isinstance(e, UserError):
            raise
        typer.echo(f"fec: {e}", err=True)
        sys.exit(2)


def _version(wanted: bool) -> bool:
    if wanted:
        typer.echo(f"fec_jax {fec_jax.__version__}")
        raise typer.Exit
    return wanted


@app.callback()
def _fec(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


@app.command()
def complete(
    photo: Annotated[Path, typer.Argument(help="PNG, JPEG or WEBP; the face fills the centred square.")],
    mask: Annotated[Path, typer.Option(help="Picture of the photo's size, white where to fill.")],
    out: Annotated[Path, typer.Option(help="Where to write: .png, or .webp (lossless).")],
    weights: Annotated[
        Path | None,
        typer.Option(
            help="A .safetensors file, or the workdir of a training run. Default: the package's own, of 64 px."
        ),
    ] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=0|1", help="Wanted attribute; repeat for more.")
    ] = None,
    unset: Annotated[
        Unset, typer.Option(help="Attributes not set: read them from the photo (with the face still there), or ask.")
    ] = Unset.photo,
    raw: Annotated[bool, typer.Option("--raw", help="Write the network's whole square, context included.")] = False,
    invert_mask: Annotated[bool, typer.Option("--invert-mask", help="Black marks the hole.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Overwrite OUT.")] = False,
) -> None:
    """Fill the hole in a photo of a face, the way you say. Pixels outside the hole stay exactly as they are.

    Attributes that you do not set are read from the photo by the discriminator and reported on stderr. If the hole
    covers damage, so that there is nothing to read, set them all; --unset ask lists those left open.
    """
    attrs = parse_settings(settings or [])
    import numpy as np

    from fec_jax.complete import photos
    from fec_jax.complete.completer import Completer, centred_square
    from fec_jax.opening import weights_from

    photos.check_output(out, force, inputs=(photo, mask))
    picture = photos.read_photo(photo)
    hole = photos.read_mask(mask, picture.size_px, invert_mask)
    result = Completer(weights_from(weights)).complete(picture.rgb, hole, attrs, unset.value)
    for name, probability in result.read_from_photo.items():
        typer.echo(f"{name}={result.attrs[name]} read from the photo (probability of 1: {probability:.2f})", err=True)

    where = hole
    if raw:
        where = np.zeros_like(hole)
        where[centred_square(hole)] = True
    values = " ".join(f"{name}={value}" for name, value in result.attrs.items())
    mark = f"fec_jax {fec_jax.__version__}; face completion, part of this picture is synthetic; {values}".rstrip("; ")
    photos.write_photo(out, picture.replaced(result.fake, where), mark)
    typer.echo(f"wrote {out}", err=True)


@export_app.command("weights")
def export_weights(
    workdir: Annotated[Path, typer.Argument(help="The workdir of a training run.")],
    out: Annotated[Path, typer.Option(help="The .safetensors file to write.")],
    no_discriminator: Annotated[
        bool, typer.Option("--no-discriminator", help="Smaller, but attributes cannot be read from photos.")
    ] = False,
    half: Annotated[bool, typer.Option("--half", help="float16: half the size.")] = False,
    license: Annotated[
        str | None, typer.Option(help="The training photos' licence, in place of what `fec prepare` was told.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite OUT.")] = False,
) -> None:
    """Write a run's newest weights (averaged generator, discriminator) to one file, and print its SHA-256."""
    import dataclasses

    from fec_jax.complete import files
    from fec_jax.complete.weights import save_weights
    from fec_jax.opening import weights_from
    from fec_jax.types import UserError

    if out.suffix != ".safetensors":
        raise UserError(
            f"cannot write {out}: weights are a .safetensors file; use {out.with_suffix('.safetensors').name}"
        )
    files.check_free(out, force)
    if not workdir.is_dir():
        raise UserError(f"{workdir} is not a folder: give the workdir of a training run")
    weights = weights_from(workdir)
    if no_discriminator:
        weights = dataclasses.replace(weights, d_params=None)
    if license:
        data = {**weights.meta.data, "license": license}
        weights = dataclasses.replace(weights, meta=dataclasses.replace(weights.meta, data=data))
    typer.echo(f"{save_weights(out, weights, 'float16' if half else 'float32')}  {out}")


@prepare_app.command("folder")
def prepare_folder(
    src: Source,
    out: Out,
    resolution: Resolution,
    attributes: Annotated[
        Path | None,
        typer.Option(help="CSV or CelebA-format table of 0/1 labels. Default: SRC/attributes.csv if there."),
    ] = None,
    license: Annotated[str | None, typer.Option(help="The photos' licence, to be kept with data and weights.")] = None,
    keep: Keep = None,
) -> None:
    """Prepare a folder of face photos."""
    from fec_jax.data import prepare

    license = license or prepare.UNSTATED_LICENSE
    _report(prepare.prepare_folder(src, out, resolution, attributes, keep=_names(keep), license=license))


@prepare_app.command("celebamask-hq")
def prepare_celebamask_hq(
    src: Source,
    out: Out,
    resolution: Resolution,
    partition: Annotated[
        Path | None, typer.Option(help="CelebA's list_eval_partition.txt. Default: the one in SRC.")
    ] = None,
    keep: Keep = None,
) -> None:
    """Prepare the CelebAMask-HQ folder."""
    from fec_jax.data import prepare

    _report(prepare.prepare_celebamask_hq(src, out, resolution, partition, keep=_names(keep)))


@prepare_app.command("celeb_a")
def prepare_celeb_a(src: Source, out: Out, resolution: Resolution, keep: Keep = None) -> None:
    """Prepare CelebA, from its own folder or from TFDS's."""
    from fec_jax.data import prepare

    _report(prepare.prepare_celeb_a(src, out, resolution, keep=_names(keep)))


def _names(keep: str | None) -> list[str] | None:
    return None if keep is None else [name.strip() for name in keep.split(",") if name.strip()]


def _report(report: "PrepareReport") -> None:
    for line in report.lines():
        typer.echo(line)


def parse_settings(settings: Sequence[str]) -> dict[str, int]:
    """`["Smiling=1", ...]` to `{"Smiling": 1, ...}`. UserError: not NAME=0 or NAME=1, or a name set twice."""
    from fec_jax.types import UserError

    attrs: dict[str, int] = {}
    for setting in settings:
        name, equals, value = (part.strip() for part in setting.partition("="))
        if not name or not equals or value not in ("0", "1"):
            raise UserError(f"--set {setting}: write NAME=0 (absent) or NAME=1 (present)")
        if name in attrs:
            raise UserError(f"--set {name} is given twice: give each attribute once")
        attrs[name] = int(value)
    return attrs
