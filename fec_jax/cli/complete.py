"""`fec complete`: a photo, a hole, attributes; a completed photo."""

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

import fec_jax


class Unset(StrEnum):
    """What to do with attributes that are not set."""

    photo = "photo"
    ask = "ask"


class MaskFrom(StrEnum):
    """What marks the hole."""

    white = "white"
    alpha = "alpha"


def complete(
    photo: Annotated[
        Path, typer.Argument(help="PNG, JPEG, WEBP, HEIC, AVIF, TIFF, BMP or GIF; the face fills the centred square.")
    ],
    out: Annotated[Path, typer.Option(help="Where to write: .png or .webp (lossless), or .jpg (not exact).")],
    mask: Annotated[Path | None, typer.Option(help="Picture of the photo's size, white where to fill.")] = None,
    mask_from: Annotated[
        MaskFrom, typer.Option(help="alpha: fill what is transparent, in MASK or else in the photo itself.")
    ] = MaskFrom.white,
    mask_resize: Annotated[bool, typer.Option("--mask-resize", help="Scale a mask of another size.")] = False,
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
    keep_metadata: Annotated[
        bool, typer.Option("--keep-metadata", help="Keep the photo's EXIF and XMP: camera, time, place.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Overwrite OUT.")] = False,
) -> None:
    """Fill the hole in a photo of a face, the way you say. Other pixels stay exactly as they are, except in a JPEG.

    Attributes that you do not set are read from the photo by the discriminator and reported on stderr. If the hole
    covers damage, so that there is nothing to read, set them all; --unset ask lists those left open.
    """
    attrs = parse_settings(settings or [])
    import numpy as np

    from fec_jax.complete import photos
    from fec_jax.complete.completer import Completer, centred_square
    from fec_jax.types import UserError
    from fec_jax.weights.load import weights_from

    if mask is None and mask_from is MaskFrom.white:
        raise UserError("nothing says where to fill: give --mask FILE, or --mask-from alpha for what is transparent")
    photos.check_output(out, force, inputs=(photo, mask) if mask else (photo,))
    picture = photos.read_photo(photo)
    if mask is not None:
        hole = photos.read_mask(
            mask, picture.size_px, invert_mask, source=mask_from.value, resize=mask_resize, photo=picture
        )
    else:
        hole = photos.erased_hole(picture, invert_mask)
        picture = picture.opaque(hole)
    result = Completer(weights_from(weights)).complete(picture.rgb, hole, attrs, unset.value)
    for name, probability in result.read_from_photo.items():
        typer.echo(f"{name}={result.attrs[name]} read from the photo (probability of 1: {probability:.2f})", err=True)

    where = hole
    if raw:
        where = np.zeros_like(hole)
        where[centred_square(hole)] = True
    values = " ".join(f"{name}={value}" for name, value in result.attrs.items())
    mark = f"fec_jax {fec_jax.__version__}; face completion, part of this picture is synthetic; {values}".rstrip("; ")
    photos.write_photo(out, picture.replaced(result.fake, where), mark, keep_metadata)
    exact = out.suffix.lower() in photos.LOSSLESS
    typer.echo(f"wrote {out}" + ("" if exact else ": as JPEG, pixels outside the hole are close, not exact"), err=True)


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
