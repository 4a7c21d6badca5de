"""`fec complete`: a photo, a hole, attributes; a completed photo."""

import json
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import fec_jax

if TYPE_CHECKING:
    from fec_jax.complete.completer import Completer, Result
    from fec_jax.complete.photos import Photo


class Unset(StrEnum):
    """What to do with attributes that are not set."""

    photo = "photo"
    ask = "ask"


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
    photo: Annotated[Path, typer.Argument(help="PNG, JPEG or WEBP with a face in it.")],
    out: Annotated[Path, typer.Option(help="Where to write: .png, or .webp (lossless).")],
    mask: Annotated[Path | None, typer.Option(help="Picture of the photo's size, white where to fill.")] = None,
    region: Annotated[Region | None, typer.Option(help="In place of a mask: this part of the face.")] = None,
    box: Annotated[
        str | None, typer.Option(metavar="X,Y,W,H", help="In place of a mask: this box, in pixels of the photo.")
    ] = None,
    weights: Annotated[
        Path | None,
        typer.Option(
            help="A .safetensors file, or the workdir of a training run. Default: the package's own, of 64 px."
        ),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="Wanted attribute, 0 to 1; repeat for more."),
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
        typer.Option(metavar="all|NAME", help="OUT is a sheet: every attribute turned round, or one in five steps."),
    ] = None,
    show_mask: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Also write the hole, as a mask: .png.")
    ] = None,
    report: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Also write score, face, attributes and warnings.")
    ] = None,
    raw: Annotated[bool, typer.Option("--raw", help="Write the network's whole square, context included.")] = False,
    invert_mask: Annotated[bool, typer.Option("--invert-mask", help="Black marks the hole.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Overwrite OUT and the other files.")] = False,
) -> None:
    """Fill the hole in a photo of a face, the way you say. Pixels outside the hole stay exactly as they are.

    The hole is a --mask, a --region or a --box. Attributes that you do not set are read from the photo by the
    discriminator and reported on stderr. If the hole covers damage, so that there is nothing to read, set them all;
    --unset ask lists those left open.
    """
    from fec_jax.types import UserError

    attrs = parse_settings(settings or [])
    if sum(x is not None for x in (mask, region, box)) != 1:
        raise UserError("what to fill? give one of --mask FILE, --region NAME and --box X,Y,W,H")
    if raw and vary:
        raise UserError("--raw and --vary exclude each other: drop one")
    if invert_mask and mask is None:
        raise UserError("--invert-mask needs a --mask: drop it")
    pupils = None if eyes is None else _numbers(eyes, "--eyes", "X,Y,X,Y")
    corners = None if box is None else [int(x) for x in _numbers(box, "--box", "X,Y,W,H", whole=True)]

    from fec_jax.complete import photos, regions
    from fec_jax.complete.completer import Completer
    from fec_jax.io import output
    from fec_jax.weights.load import weights_from

    inputs = (photo,) if mask is None else (photo, mask)
    photos.check_output(out, force, inputs)
    _check_more([(show_mask, (".png",)), (report, (".json",))], (*inputs, out), force)
    picture = photos.read_photo(photo)
    if mask is not None:
        hole = photos.read_mask(mask, picture.size_px, invert_mask)
    elif corners is not None:
        hole = regions.box(*corners, *picture.rgb.shape[:2])
    else:
        hole = str(region)
    completer = Completer(weights_from(weights))
    result = completer.complete(picture.rgb, hole, attrs, unset.value, align=align.value, eyes=pupils, face=face)
    _tell(result)

    if vary is not None:
        _write_sheet(out, completer, picture, result, vary)
    else:
        _write_photo(out, picture, result, raw)
    if show_mask is not None:
        output.write_aside(show_mask, _png(result.hole))
    if report is not None:
        output.write_aside(report, (json.dumps(_facts(photo, out, result), indent=2) + "\n").encode())
    typer.echo(f"wrote {out} (score {result.score:.2f})", err=True)


def _write_photo(out: Path, picture: "Photo", result: "Result", raw: bool) -> None:
    import numpy as np

    from fec_jax.complete import photos

    where, filled = result.hole, result.completed
    if raw:
        rows, columns = result.square.bounds(*where.shape)
        where, filled = np.zeros_like(where), result.fake
        where[rows, columns] = result.square.covers(rows, columns)
    values = " ".join(f"{name}={value:g}" for name, value in result.attrs.items())
    mark = (
        f"fec_jax {fec_jax.__version__}; face completion, part of this picture is synthetic; "
        f"score {result.score:.3f}; {values}"
    )
    photos.write_photo(out, picture.replaced(filled, where), mark.rstrip("; "))


def _write_sheet(out: Path, completer: "Completer", picture: "Photo", result: "Result", vary: str) -> None:
    import numpy as np

    from fec_jax.complete import photos
    from fec_jax.complete.variations import sheet, shown, tile, variations

    wanted = variations(vary, result.attrs)
    found = [completer.fill(picture.rgb, result.hole, values, result.place).completed for _, values in wanted]
    pictures = [picture.rgb, shown(picture.rgb, result.hole), *found]
    titles = ["photo", "hole", *(title for title, _ in wanted)]
    rgb = sheet([tile(x, result.square) for x in pictures], titles)
    mark = f"fec_jax {fec_jax.__version__}; face completion, these pictures are synthetic in part"
    photos.write_photo(out, photos.Photo(np.asarray(rgb), np.asarray(rgb)), mark)


def _tell(result: "Result") -> None:
    """What was assumed, on stderr."""
    from fec_jax.complete import place

    if result.place and len(result.place.faces) > 1:
        faces, number = result.place.faces, result.place.number
        typer.echo(f"{len(faces)} faces ({place.listing(faces)}): took {number}; --face N takes another", err=True)
    for warning in result.warnings:
        typer.echo(f"warning: {warning}", err=True)
    for name, probability in result.read_from_photo.items():
        typer.echo(f"{name}={result.attrs[name]} read from the photo (probability of 1: {probability:.2f})", err=True)


def _facts(photo: Path, out: Path, result: "Result") -> dict:
    face = result.place and result.place.face
    return {
        "photo": str(photo),
        "out": str(out),
        "score": round(result.score, 4),
        "attributes": result.attrs,
        "read_from_photo": {name: round(p, 4) for name, p in result.read_from_photo.items()},
        "face": face
        and {
            "eyes": face.eyes.round(1).tolist(),
            "box": face.box.round(1).tolist(),
            "sure": round(face.sure, 3),
            "degrees": round(result.square.degrees, 1),
            "number": result.place and result.place.number,
            "of": result.place and len(result.place.faces),
        },
        "hole_px": int(result.hole.sum()),
        "warnings": list(result.warnings),
    }


def _check_more(files: list[tuple[Path | None, tuple[str, ...]]], taken: tuple[Path, ...], force: bool) -> None:
    """Further output files. UserError: another kind of file, an input, OUT itself, or what `check_free` refuses."""
    from fec_jax.io import output
    from fec_jax.types import UserError

    for path, kinds in files:
        if path is None:
            continue
        if path.suffix.lower() not in kinds:
            raise UserError(f"cannot write {path}: give a name that ends in {kinds[0]}")
        if any(path.absolute() == other.absolute() or (path.exists() and path.samefile(other)) for other in taken):
            raise UserError(f"cannot write {path}: it is an input or the output; choose another name")
        output.check_free(path, force)


def _png(hole) -> bytes:
    import io

    import numpy as np
    from PIL import Image

    data = io.BytesIO()
    Image.fromarray(hole * np.uint8(255)).save(data, format="PNG")
    return data.getvalue()


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
