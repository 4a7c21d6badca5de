"""`fec doctor`: what is wrong, and what to do."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from fec_jax.doctor.findings import Finding


def doctor(
    target: Annotated[
        Path | None,
        typer.Argument(
            readable=False,  # our own line says so
            help="A folder of photos, what `fec prepare` wrote, a photo, a workdir, or weights. Default: this machine.",
        ),
    ] = None,
    attributes: Annotated[
        Path | None, typer.Option(help="Of a folder of photos: its table. Default: TARGET/attributes.csv if there.")
    ] = None,
    resolution: Annotated[int, typer.Option(min=4, help="Of a folder: photos smaller than so many px are named.")] = 64,
    faces: Annotated[bool, typer.Option("--faces/--no-faces", help="Look for faces in photos; takes time.")] = True,
) -> None:
    """Say what is wrong with photos, data, a workdir, weights or this machine, and what to do about it.

    Nothing is changed. Exit code 0: nothing is wrong; 1: there are problems; 2: the command itself is wrong.
    """
    from fec_jax.io.names import shown

    found = _examine(target, attributes, resolution, faces)
    for finding in found:
        typer.echo(str(finding).replace("\n", " "))
    problems = sum(bool(finding.advice) for finding in found)
    what = "this machine" if target is None else shown(target)
    typer.echo(
        f"{what}: " + (f"{problems} problems" if problems > 1 else "1 problem" if problems else "nothing is wrong")
    )
    if problems:
        raise typer.Exit(1)


def _examine(target: Path | None, attributes: Path | None, resolution: int, faces: bool) -> "list[Finding]":
    from fec_jax.io.names import shown
    from fec_jax.types import UserError

    if target is None:
        from fec_jax.doctor.machine import examine_machine

        return examine_machine()
    if not os.path.lexists(target):
        raise UserError(f"{shown(target)} does not exist: give a folder, a photo, a workdir or weights")
    if attributes is not None and not os.path.isfile(attributes):
        raise UserError(f"--attributes {shown(attributes)} is not a file: give a table of attributes")
    if not os.path.isdir(target):
        if target.suffix == ".safetensors":
            from fec_jax.doctor.runs import examine_weights

            return examine_weights(target)
        from fec_jax.doctor.folders import examine_photo

        return examine_photo(target, faces)
    if not os.access(target, os.R_OK | os.X_OK):
        raise UserError(f"{shown(target)} cannot be read: change its permissions")
    if os.path.exists(target / "config.json") or os.path.isdir(target / "checkpoints"):
        from fec_jax.doctor.runs import examine_workdir

        return examine_workdir(target)
    from fec_jax.data.builders import records

    if records.resolutions_in(target) or (target / ".partial").is_dir():
        from fec_jax.doctor.prepared import examine_prepared

        return examine_prepared(target)
    from fec_jax.doctor.folders import examine_folder

    return examine_folder(target, resolution, faces, attributes)
