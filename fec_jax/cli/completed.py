"""Output of `fec complete`: the photo or a sheet of edits, facts, messages."""

import io
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

import fec_jax

if TYPE_CHECKING:
    import numpy as np

    from fec_jax.complete.completer import Completer, Result
    from fec_jax.complete.photos import Photo

    Variations = list[tuple[str, dict[str, float]]]


@dataclass(frozen=True)
class Hole:
    """What marks the hole: a mask's file, what is transparent in it or in the photo, a region or a box."""

    mask: Path | None = None
    source: str = "white"
    invert: bool = False
    resize: bool = False
    region: str | None = None
    box: Sequence[int] | None = None

    def read(self, photo: Path) -> "tuple[Photo, np.ndarray | str]":
        """The photo and its hole, bool [h, w] or a region's name. UserError: one of the files cannot be used."""
        from fec_jax.complete import photos, regions

        picture = photos.read_photo(photo)
        if self.box is not None:
            return picture, regions.box(*self.box, *picture.rgb.shape[:2])
        if self.region is not None:
            return picture, self.region
        if self.mask is None:
            hole = photos.erased_hole(picture, self.invert)
            return picture.opaque(hole), hole
        options = {"source": self.source, "resize": self.resize, "photo": picture}
        return picture, photos.read_mask(self.mask, picture.size_px, self.invert, **options)


def write_photo(out: Path, picture: "Photo", result: "Result", raw: bool, keep_metadata: bool) -> None:
    """The completed photo, with its provenance mark; `raw`: the network's whole square."""
    import numpy as np

    from fec_jax.complete import photos
    from fec_jax.complete.metadata import mark

    where, filled = result.hole, result.completed
    if raw:
        rows, columns = result.square.bounds(*where.shape)
        where, filled = np.zeros_like(where), result.fake
        where[rows, columns] = result.square.covers(rows, columns)
    photos.write_photo(out, picture.replaced(filled, where), mark(result.attrs, result.score), keep_metadata)


def write_sheet(out: Path, completer: "Completer", picture: "Photo", result: "Result", wanted: "Variations") -> None:
    """The contact sheet of `--vary`."""
    import numpy as np

    from fec_jax.complete import photos
    from fec_jax.complete.variations import sheet, shown, tile

    found = [completer.fill(picture.rgb, result.hole, values, result.place).completed for _, values in wanted]
    pictures = [picture.rgb, shown(picture.rgb, result.hole), *found]
    titles = ["photo", "hole", *(title for title, _ in wanted)]
    rgb = sheet([tile(x, result.square) for x in pictures], titles)
    mark = f"fec_jax {fec_jax.__version__}; face completion, these pictures are synthetic in part"
    photos.write_photo(out, photos.Photo(np.asarray(rgb), np.asarray(rgb)), mark)


def tell(result: "Result") -> None:
    """Assumptions and warnings, on stderr."""
    if result.place and result.place.choice:
        typer.echo(result.place.choice, err=True)
    for warning in result.warnings:
        typer.echo(f"warning: {warning}", err=True)
    for name, probability in result.read_from_photo.items():
        typer.echo(f"{name}={result.attrs[name]} read from the photo (probability of 1: {probability:.2f})", err=True)


def facts(photo: Path, out: Path, result: "Result") -> dict[str, Any]:
    """What `--json` writes."""
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


def check_more(files: list[tuple[Path | None, tuple[str, ...]]], taken: tuple[Path, ...], force: bool) -> None:
    """Further output files. UserError: another kind of file, an input, OUT itself, or what `check_free` refuses."""
    from fec_jax.io import output
    from fec_jax.types import UserError

    for path, kinds in files:
        if path is None:
            continue
        if path.suffix.lower() not in kinds:
            raise UserError(f"cannot write {path}: give a name that ends in {kinds[0]}")
        if any(path.absolute() == other.absolute() or same(path, other) for other in taken):
            raise UserError(f"cannot write {path}: it is an input or the output; choose another name")
        output.check_free(path, force)


def same(path: Path, other: Path) -> bool:
    """Whether both are there and one file or folder."""
    return os.path.exists(path) and os.path.exists(other) and os.path.samefile(path, other)


def png(hole: "np.ndarray") -> bytes:
    """A bool [h, w] as a mask's file, white where it is true."""
    import numpy as np
    from PIL import Image

    data = io.BytesIO()
    Image.fromarray(hole * np.uint8(255)).save(data, format="PNG")
    return data.getvalue()
