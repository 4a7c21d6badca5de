"""A folder of photos before it is prepared, and one photo."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from rich.console import Console
from rich.progress import track

from fec_jax.complete import photos as photo_files
from fec_jax.data.builders import celeb_a, celebamask_hq
from fec_jax.data.builders.folder import list_folder
from fec_jax.data.builders.listing import Listing, Photo
from fec_jax.data.builders.photo import open_photo, square
from fec_jax.doctor import alignment, sets
from fec_jax.doctor.findings import Finding, several
from fec_jax.io.names import shown
from fec_jax.io.pictures import PictureError
from fec_jax.types import UserError

_HARMLESS = ("hidden", "not a photo by its name", "a folder")


def examine_folder(folder: Path, resolution_px: int, faces: bool, attributes: Path | None = None) -> list[Finding]:
    """What `fec prepare` would make of the folder, and what it would not say.

    resolution_px   photos whose square is smaller are a problem
    faces           look for faces, and whether they lie as the networks expect; slow (see `alignment`)
    attributes      the table, where it is not the folder's own
    """
    try:
        listing = _list(folder, attributes)
    except UserError as error:
        return [Finding(f"{shown(folder)} cannot be prepared", str(error))]
    with ThreadPoolExecutor(min(16, os.cpu_count() or 1)) as pool:
        looks = pool.map(lambda photo: _open(photo, faces), listing.photos)
        total = len(listing.photos)
        opened = list(track(looks, "examining", total, console=Console(stderr=True), transient=True))
    found = [*_left_out(listing)]
    bad = [(name, what) for name, what in opened if isinstance(what, str)]
    for reason in dict.fromkeys(reason for _, reason in bad):
        names = [name for name, of_this in bad if of_this == reason]
        found += several(f"photos cannot be used ({reason})", names, "repair, replace or remove them")
    good = [what for _, what in opened if not isinstance(what, str)]
    small = [one.name for one, _ in good if one.side_px < resolution_px]
    found += several(
        f"photos are smaller than {resolution_px} px", small, "leave them out, or prepare a smaller --resolution"
    )
    if good:
        found.append(Finding(f"the smallest square has {min(one.side_px for one, _ in good)} px"))
    if faces:
        found += alignment.findings({one.name: one.place for one, _ in good})
    return found + sets.examine([one for _, one in good], listing.attribute_names)


class _Opened:
    """Of one photo: its name, its square's side, and where its face is."""

    def __init__(self, name: str, pixels: UInt8[np.ndarray, "s s 3"], faces: bool):
        self.name, self.side_px = name, len(pixels)
        self.place = alignment.place_of(pixels) if faces else None


def _open(photo: Photo, faces: bool) -> tuple[str, "str | tuple[_Opened, sets.Seen]"]:
    name = shown(photo.content.name) if isinstance(photo.content, Path) else photo.id
    try:
        pixels = np.asarray(square(open_photo(photo.content if isinstance(photo.content, Path) else photo.content())))
    except PictureError as error:
        return name, str(error)
    return name, (_Opened(name, pixels, faces), sets.seen(name, photo.split, photo.attrs, pixels, photo.person))


def _list(folder: Path, attributes: Path | None) -> Listing:
    if (folder / celebamask_hq.TABLE).is_file():
        return celebamask_hq.list_celebamask_hq(folder)
    if any((folder / place).is_dir() for place in celeb_a.IMAGE_PLACES):
        return celeb_a.list_celeb_a(folder)
    return list_folder(folder, attributes)


def _left_out(listing: Listing) -> Iterator[Finding]:
    for reason in dict.fromkeys(reason for _, reason in listing.skipped):
        names = [name for name, of_this in listing.skipped if of_this == reason]
        if reason.startswith(_HARMLESS):
            yield Finding(f"{len(names)} not read, {reason}: {', '.join(names[:5])}")
        else:
            yield from several(f"not read, {reason}", names, "rename or move them")
    yield from several("photos without a row in the table", listing.unlabelled, "label them; they are left out")
    yield from several("rows without a photo", listing.absent_photos, "add the photos, or remove the rows")


def examine_photo(path: Path, faces: bool) -> list[Finding]:
    """Whether `fec complete` can use a photo."""
    try:
        photo = photo_files.read_photo(path)
    except UserError as error:
        return [Finding(f"{shown(path)} cannot be completed", str(error))]
    kind = {1: "grey", 2: "grey with transparency", 3: "RGB", 4: "RGB with transparency"}[photo.pixels.shape[2]]
    profile = "with a colour profile" if photo.icc else "without a colour profile"
    bits = 8 * photo.pixels.dtype.itemsize
    found = [Finding(f"{photo.size_px[0]} x {photo.size_px[1]} px, {kind}, {bits} bits, {profile}")]
    if photo.pixels.shape[2] in (2, 4) and photo.pixels[..., -1].min() < 255:
        found.append(Finding("parts are transparent: `fec complete --mask-from alpha` completes them"))
    return found + (alignment.of_photo(photo.rgb) if faces else [])
