"""Listings: the photos of a folder with their labels and splits, before any picture is opened."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from fec_jax.data.attributes import AttributeTable, select
from fec_jax.data.builders.scan import Found
from fec_jax.io.names import shown

Crop = Callable[[UInt8[np.ndarray, "h w 3"], int], UInt8[np.ndarray, "s s 3"]]
TEST_SHARE = 0.12
VALIDATION_SHARE = 0.08


@dataclass(frozen=True)
class Photo:
    """One photo.

    id        its file's name without the extension
    split     one of `attributes.SPLITS`
    attrs     its labels, 0/1
    content   its file: a path, or a call that gives the bytes
    person    who is in it, as the table says; "" if that is not known
    """

    id: str
    split: str
    attrs: tuple[int, ...]
    content: Path | Callable[[], bytes]
    person: str = ""


@dataclass(frozen=True)
class Listing:
    """All photos of a data set, with what belongs into its description.

    What is left out of `photos`: `unlabelled`, names of photos without a row in the table; `absent_photos`, rows of the
    table without a photo; `skipped`, (name, reason) of whatever else lies in the folder.

    `crop` makes a square of a photo, of so many px; None: the largest centred one is taken.
    """

    kind: str
    photos: tuple[Photo, ...]
    attribute_names: tuple[str, ...]
    description: str
    license: str
    homepage: str = ""
    citation: str = ""
    unlabelled: tuple[str, ...] = ()
    absent_photos: tuple[str, ...] = ()
    skipped: tuple[tuple[str, str], ...] = ()
    crop: Crop | None = None

    def keep(self, names: Sequence[str]) -> "Listing":
        """The same photos with these attributes only, in this order. `UserError` names attributes that do not exist."""
        columns = select(names, self.attribute_names, "the data set")
        photos = tuple(replace(photo, attrs=tuple(photo.attrs[c] for c in columns)) for photo in self.photos)
        return replace(self, photos=photos, attribute_names=tuple(names))

    def fingerprint(self) -> str:
        """SHA-256 over ids, splits, labels, file sizes and whether cropped.

        With an equal one records are taken to be equal: another picture of the same name and size is not noticed.
        """
        kind = "records 1" if self.crop is None else "records 1 cropped"
        digest = hashlib.sha256("\t".join((kind, *self.attribute_names)).encode())
        for photo in sorted(self.photos, key=lambda p: p.id):
            digest.update(f"\n{photo.id}\t{photo.split}\t{photo.attrs}\t{_size(photo)}".encode())
        return digest.hexdigest()

    def people_in_two_splits(self) -> list[str]:
        """Those whose photos lie in more than one split, sorted: test figures would be of people seen in training."""
        splits: dict[str, set[str]] = {}
        for photo in self.photos:
            if photo.person:
                splits.setdefault(photo.person, set()).add(photo.split)
        return sorted(person for person, found in splits.items() if len(found) > 1)

    def constant(self, split: str) -> list[tuple[str, int]]:
        """The attributes that have one value in all photos of a split, with that value."""
        rows = [photo.attrs for photo in self.photos if photo.split == split]
        columns = zip(*rows, strict=True)
        return [(name, c[0]) for name, c in zip(self.attribute_names, columns, strict=False) if len(set(c)) == 1]


def _size(photo: Photo) -> int:
    if not isinstance(photo.content, Path):
        return -1  # a record of TFDS: its id says all
    try:
        return photo.content.stat().st_size
    except OSError:  # a link that leads nowhere: opening it will say so
        return -2


def hash_split(name: str) -> str:
    """The split of a photo whose table gives none: 12 % of all names "test", 8 % "validation", the others "train".

    name   the person's, where the table knows it, so that nobody is in two splits; else the photo's id

    A function of the name alone (the first 8 hex digits of its SHA-1, over 2^32: below 0.12, below 0.2), so that adding
    or removing photos never moves another one across.
    """
    fraction = int(hashlib.sha1(name.encode()).hexdigest()[:8], 16) / 2**32
    if fraction < TEST_SHARE:
        return "test"
    return "validation" if fraction < TEST_SHARE + VALIDATION_SHARE else "train"


def hash_splits(table: AttributeTable) -> tuple[str, ...]:
    """`hash_split` of every row of a table."""
    people = table.people or ("",) * len(table.ids)
    return tuple(hash_split(person or name) for name, person in zip(table.ids, people, strict=True))


def join(found: Found, table: AttributeTable, splits: Sequence[str], **about: Any) -> Listing:
    """The listing of the photos that have a row in the table; `splits[i]` is that of row i, `about` the description."""
    people = table.people or ("",) * len(table.ids)
    photos = tuple(
        Photo(name, split, tuple(int(v) for v in row), found.photos[name], person)
        for name, split, row, person in zip(table.ids, splits, table.values, people, strict=True)
        if name in found.photos
    )
    labelled = set(table.ids)
    return Listing(
        photos=photos,
        attribute_names=table.names,
        unlabelled=tuple(shown(path.name) for name, path in found.photos.items() if name not in labelled),
        absent_photos=tuple(name for name in table.ids if name not in found.photos),
        skipped=found.skipped,
        **about,
    )
