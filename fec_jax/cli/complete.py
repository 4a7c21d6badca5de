"""`fec complete`: a photo or a folder of them, a hole, attributes; completed photos."""

import functools
import json
import os
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from fec_jax.cli import completed, folder


class Unset(StrEnum):
    """What to do with attributes that are not set."""

    photo = "photo"
    ask = "ask"


class MaskFrom(StrEnum):
    """What marks the hole."""

    white = "white"
    alpha = "alpha"


class Align(StrEnum):
    """Whether to search for the face."""

    face = "face"
    off = "off"


class Region(StrEnum):
    """Parts of a face."""

    mouth = "mouth"
    eyes = "eyes"
    nose = "nose"
    face = "face"
    lower_face = "lower-face"


def complete(
    photo: Annotated[
        Path,
        typer.Argument(help="With a face in it: PNG, JPEG, WEBP, HEIC, AVIF, TIFF, BMP or GIF. Or a folder of such."),
    ],
    out: Annotated[
        Path,
        typer.Option(
            readable=False,
            help="Where to write: .png or .webp (lossless), or .jpg (not exact). For a folder: a folder.",
        ),
    ],
    mask: Annotated[Path | None, typer.Option(help="Picture of the photo's size, white in the hole.")] = None,
    masks: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="For a folder: masks with the names of the photos.")
    ] = None,
    mask_from: Annotated[
        MaskFrom, typer.Option(help="alpha: the hole is what is transparent, in MASK or else in the photo.")
    ] = MaskFrom.white,
    mask_resize: Annotated[bool, typer.Option("--mask-resize", help="Scale a mask of another size.")] = False,
    region: Annotated[Region | None, typer.Option(help="Instead of a mask: this part of the face.")] = None,
    box: Annotated[
        str | None, typer.Option(metavar="X,Y,W,H", help="Instead of a mask: this box, in pixels of the photo.")
    ] = None,
    weights: Annotated[
        Path | None,
        typer.Option(help="A .safetensors file, a workdir, or the name of shipped weights. Default: portraits128."),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="NAME=VALUE", help="Wanted attribute, 0 to 1 (at most -0.5 to 1.5); repeat for more."
        ),
    ] = None,
    unset: Annotated[
        Unset, typer.Option(help="Attributes not set: read them from the photo (with the face still there), or ask.")
    ] = Unset.photo,
    align: Annotated[
        Align,
        typer.Option(help="face: find it and turn it upright. off: it fills the photo's centred square already."),
    ] = Align.face,
    eyes: Annotated[
        str | None,
        typer.Option(metavar="X,Y,X,Y", help="The pupils, in pixels of the photo: no search, e.g. if they are hidden."),
    ] = None,
    face: Annotated[
        int | None,
        typer.Option(metavar="N", help="Which face, from the left. Default: the one that the hole touches most."),
    ] = None,
    vary: Annotated[
        str | None,
        typer.Option(metavar="all|NAME", help="OUT is a sheet: every attribute flipped, or one in five steps."),
    ] = None,
    show_mask: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Also write the hole, as a mask: .png.")
    ] = None,
    report: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Also write score, face, attributes and warnings.")
    ] = None,
    raw: Annotated[bool, typer.Option("--raw", help="Write the network's whole square, context included.")] = False,
    invert_mask: Annotated[bool, typer.Option("--invert-mask", help="Black marks the hole.")] = False,
    keep_metadata: Annotated[
        bool, typer.Option("--keep-metadata", help="Keep the photo's EXIF and XMP: camera, time, place.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Overwrite OUT and the other files; do done ones again.")
    ] = False,
) -> None:
    """Complete the hole in a photo of a face, with the attributes you set. Other pixels stay exact, except in a JPEG.

    The hole is a --mask, a --region or a --box, or with --mask-from alpha what is transparent. Attributes that you do
    not set are read from the photo by the discriminator and reported on stderr. If the hole covers damage, so that
    there is nothing to read, set them all; --unset ask lists those left open.

    A folder becomes PNG files in the folder OUT, with a report.csv. Photos that fail are listed there; the exit code is
    then 1. The same command resumes where it stopped.
    """
    from fec_jax.types import UserError

    attrs = parse_settings(settings or [])
    if sum(x is not None for x in (mask, masks, region, box)) != 1 and (
        mask_from is MaskFrom.white or region or box or masks
    ):
        raise UserError(
            "no hole is given, or more than one: give one of --mask FILE, --region NAME and "
            "--box X,Y,W,H, or --mask-from alpha for what is transparent"
        )
    for one, other, both in (
        ("--raw", "--vary", raw and vary),
        ("--keep-metadata", "--vary", keep_metadata and vary),
        ("--face", "--eyes", face is not None and eyes is not None),
    ):
        if both:
            raise UserError(f"{one} and {other} exclude each other: drop one")
    unused = {
        "--invert-mask": invert_mask and (region or box),
        "--mask-resize": mask_resize and not (mask or masks),
        "--mask-from": mask_from != MaskFrom.white and (region or box),
    }
    if any(unused.values()):
        raise UserError(f"{', '.join(n for n, given in unused.items() if given)} without a --mask: drop it")
    pupils = None if eyes is None else _numbers(eyes, "--eyes", "X,Y,X,Y")
    corners = None if box is None else [int(x) for x in _numbers(box, "--box", "X,Y,W,H", whole=True)]
    where = completed.Hole(mask, mask_from.value, invert_mask, mask_resize, region and region.value, corners)
    options = {"attrs": attrs, "unset": unset.value, "align": align.value, "face": face}
    if os.path.isdir(photo):
        unused = {"--eyes": eyes, "--vary": vary, "--show-mask": show_mask, "--json": report}
        if any(x is not None for x in unused.values()):
            given = ", ".join(name for name, x in unused.items() if x is not None)
            raise UserError(f"{given} with a folder of photos: drop it, or complete the photos one by one")
        write = functools.partial(completed.write_photo, raw=raw, keep_metadata=keep_metadata)
        folder.complete(photo, out, where, masks, weights, write, force, options)
        return
    if masks is not None:
        raise UserError(f"--masks with {photo}, which is not a folder: give the one mask with --mask FILE")

    from fec_jax.complete import photos
    from fec_jax.complete.completer import Completer
    from fec_jax.complete.variations import variations
    from fec_jax.io import output
    from fec_jax.weights.load import weights_from

    inputs = (photo,) if mask is None else (photo, mask)
    photos.check_output(out, force, inputs)
    completed.check_more([(show_mask, (".png",)), (report, (".json",))], (*inputs, out), force)
    picture, hole = where.read(photo)
    completer = Completer(weights_from(weights))
    result = completer.complete(picture.rgb, hole, eyes=pupils, **options)
    wanted = None if vary is None else variations(vary, result.attrs)

    if wanted is not None:
        completed.write_sheet(out, completer, picture, result, wanted)
    else:
        completed.write_photo(out, picture, result, raw, keep_metadata)
    if show_mask is not None:
        output.write_aside(show_mask, completed.png(result.hole))
    if report is not None:
        output.write_aside(report, (json.dumps(completed.facts(photo, out, result), indent=2) + "\n").encode())
    completed.tell(result)  # not before all is written: an error is one line
    exact = vary is not None or out.suffix.lower() in photos.LOSSLESS
    note = "" if exact else ": as JPEG, pixels outside the hole are close, not exact"
    typer.echo(f"wrote {out} (score {result.score:.2f}){note}", err=True)


def _numbers(text: str, option: str, form: str, whole: bool = False) -> tuple[float, float, float, float]:
    """Four numbers from the command line. UserError: fewer, more or others."""
    from fec_jax.types import UserError

    try:
        a, b, c, d = (int(part) if whole else float(part) for part in text.split(","))
    except ValueError:
        raise UserError(f"{option} {text}: write {form}, four {'whole ' if whole else ''}numbers in pixels") from None
    return a, b, c, d


def parse_settings(settings: Sequence[str]) -> dict[str, float]:
    """`["Smiling=1", ...]` to `{"Smiling": 1, ...}`. UserError: not NAME=NUMBER, or a name set twice."""
    from fec_jax.types import UserError

    attrs: dict[str, float] = {}
    for setting in settings:
        name, equals, value = (part.strip() for part in setting.partition("="))
        try:
            number = float(value)
        except ValueError:
            number = None
        if not name or not equals or number is None:
            raise UserError(f"--set {setting}: write NAME=0 (absent), NAME=1 (present) or a number between")
        if name in attrs:
            raise UserError(f"--set {name} is given twice: give each attribute once")
        attrs[name] = number
    return attrs
