"""`fec prepare`: training data sets from photos."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from fec_jax.data.prepare import PrepareReport

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Make training data sets from photos.")

PhotoFolder = Annotated[Path, typer.Argument(help="The folder with the photos.")]
Out = Annotated[
    Path,
    typer.Option(readable=False, help="Where to put the data sets; the same command resumes after an interruption."),
]
Resolution = Annotated[
    int, typer.Option(help="Largest resolution in px, a power of two; the smaller ones come with it.")
]
Keep = Annotated[str | None, typer.Option(metavar="NAME,NAME", help="Attributes to keep, in this order. Default: all.")]


@app.command("folder")
def prepare_folder(
    src: PhotoFolder,
    out: Out,
    resolution: Resolution,
    attributes: Annotated[
        Path | None,
        typer.Option(help="CSV or CelebA-format table of 0/1 labels. Default: SRC/attributes.csv if there."),
    ] = None,
    license: Annotated[str | None, typer.Option(help="The photos' licence, to be kept with data and weights.")] = None,
    keep: Keep = None,
    align: Annotated[
        bool, typer.Option("--align", help="Photos are snapshots: find the face, and cut out the square around it.")
    ] = False,
) -> None:
    """Prepare a folder of face photos."""
    from fec_jax.data import prepare

    crop = None
    if align:
        from fec_jax.complete.crops import aligned as crop
    license = license or prepare.UNSTATED_LICENSE
    _say(prepare.prepare_folder(src, out, resolution, attributes, keep=_names(keep), license=license, crop=crop))


@app.command("celebamask-hq")
def prepare_celebamask_hq(
    src: PhotoFolder,
    out: Out,
    resolution: Resolution,
    partition: Annotated[
        Path | None, typer.Option(help="CelebA's list_eval_partition.txt. Default: the one in SRC.")
    ] = None,
    keep: Keep = None,
) -> None:
    """Prepare the CelebAMask-HQ folder."""
    from fec_jax.data import prepare

    _say(prepare.prepare_celebamask_hq(src, out, resolution, partition, keep=_names(keep)))


@app.command("celeb_a")
def prepare_celeb_a(src: PhotoFolder, out: Out, resolution: Resolution, keep: Keep = None) -> None:
    """Prepare CelebA, from its own folder or from TFDS's."""
    from fec_jax.data import prepare

    _say(prepare.prepare_celeb_a(src, out, resolution, keep=_names(keep)))


def _names(keep: str | None) -> list[str] | None:
    return None if keep is None else [name.strip() for name in keep.split(",") if name.strip()]


def _say(report: "PrepareReport") -> None:
    for line in report.lines():
        typer.echo(line)
