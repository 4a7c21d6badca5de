"""`fec complete` of a folder: finds each photo's mask, shows how far it is, says how it went."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from fec_jax.cli import completed, progress
from fec_jax.cli.completed import Hole

if TYPE_CHECKING:
    from fec_jax.complete.batch import Write
    from fec_jax.complete.photos import Photo


def complete(
    photos: Path,
    out: Path,
    hole: Hole,
    masks: Path | None,
    weights: Path | None,
    write: "Write",
    force: bool,
    options: Mapping[str, Any],
) -> None:
    """Completes the photos in a folder to the folder `out`, `hole` in each or by the mask of its name in `masks`.

    Exits with 1 if one of them failed. UserError: folders that cannot be used, or what `batch.complete_folder` says.
    """
    from fec_jax.complete import batch
    from fec_jax.complete.completer import Completer
    from fec_jax.io import output
    from fec_jax.io.names import shown
    from fec_jax.types import UserError
    from fec_jax.weights.load import weights_from

    paths = batch.listed(photos)
    if not paths:
        raise UserError(f"no photos in {shown(photos)}: give the folder in which they lie; subfolders are not searched")
    output.check_folder(out)
    for other in (photos, masks):
        if other is not None and completed.same(out, other):
            raise UserError(f"--out {shown(out)} is the folder of the photos or masks: give another one")
    found: dict[str, list[Path]] = {}
    if masks is not None:
        if completed.same(masks, photos):
            raise UserError(f"--masks {shown(masks)} is the folder of the photos: put the masks into one of their own")
        found = batch.by_stem(batch.listed(masks))

    def read(path: Path) -> "tuple[Photo, Any]":
        if masks is None:
            return hole.read(path)
        fitting = found.get(batch.stem(path), [])
        if len(fitting) != 1:
            several = (
                f"{', '.join(shown(x.name) for x in fitting)} are all masks of" if fitting else "there is no mask of"
            )
            raise UserError(f"{several} this name in {shown(masks)}: give one, {shown(path.stem)}.png")
        return dataclasses.replace(hole, mask=fitting[0]).read(path)

    completer = Completer(weights_from(weights))
    completer.check_wanted(options["attrs"], options["unset"])
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot make {shown(out)}: {error.strerror or error}; choose another --out") from error
    with progress.shown("completing", len(paths), "photos") as tick:
        counts = batch.complete_folder(completer, paths, out, read, write, force=force, tick=tick, **options)
    before = f", {counts.before} were done before (--force does them again)" if counts.before else ""
    typer.echo(f"wrote {counts.done} photos to {shown(out)}{before}; see report.csv there", err=True)
    if counts.failed:
        typer.echo(f"{counts.failed} of {len(paths)} photos failed: the reasons are in {out / 'report.csv'}", err=True)
        raise typer.Exit(1)
