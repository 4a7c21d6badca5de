"""What a builder finds in the user's folder: the photos, their labels and splits, before any picture is opened."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from fec_jax.data.attributes import AttributeTable, select
from fec_jax.types import UserError

_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")
TEST_SHARE = 0.12


@dataclass(frozen=True)
class Photo:
    """One photo: its id, its split, its labels (0/1), and its file: a path, or a call that gives the bytes."""

    id: str
    split: str
    attrs: tuple[int, ...]
    content: Path | Callable[[], bytes]


@dataclass(frozen=True)
class Listing:
    """All photos of a data set, with what belongs into its description.

    `unlabelled`: names of photos without a row in the table; `absent_photos`: rows of the table without a photo. Both
    are left out of `photos`.
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

    def keep(self, names: Sequence[str]) -> "Listing":
        """The same photos with these attributes only, in this order. `UserError` names attributes that do not exist."""
        columns = select(names, self.attribute_names, "the data set")
        photos = tuple(replace(photo, attrs=tuple(photo.attrs[c] for c in columns)) for photo in self.photos)
        return replace(self, photos=photos, attribute_names=tuple(names))

    def fingerprint(self) -> str:
        """SHA-256 over ids, splits, labels and file sizes: two listings with the same one give the same records."""
        digest = hashlib.sha256("\t".join(("records 1", *self.attribute_names)).encode())
        for photo in sorted(self.photos, key=lambda p: p.id):
            size = (
                photo.content.stat().st_size if isinstance(photo.content, Path) else -1
            )  # a record of TFDS: its id says all
            digest.update(f"\n{photo.id}\t{photo.split}\t{photo.attrs}\t{size}".encode())
        return digest.hexdigest()


def hash_split(name: str) -> str:
    """The split of a photo whose table gives none: "test" for 12 % of all ids, "train" for the others.

    A function of the id alone (the first 8 hex digits of its SHA-1, over 2^32, below 0.12), so that adding or removing
    photos never moves another one across.
    """
    fraction = int(hashlib.sha1(name.encode()).hexdigest()[:8], 16) / 2**32
    return "test" if fraction < TEST_SHARE else "train"


def photos_in(folder: Path) -> dict[str, Path]:
    """The picture files directly in `folder`, by id. `UserError` for two with one id, or an unreadable folder."""
    found: dict[str, Path] = {}
    try:
        paths = sorted(p for p in folder.iterdir() if p.suffix.lower() in _SUFFIXES and not p.name.startswith("."))
    except OSError as error:
        raise UserError(f"cannot read the folder {folder}: {error.strerror or error}") from None
    for path in paths:
        if path.stem in found:
            raise UserError(f"{folder}: {found[path.stem].name} and {path.name} have the same id; remove one of them")
        found[path.stem] = path
    return found


def join(
    found: dict[str, Path], table: AttributeTable, splits: Sequence[str]
) -> tuple[tuple[Photo, ...], tuple[str, ...], tuple[str, ...]]:
    """Matches photos with the rows of their table: (photos, names of photos without a row, ids without a photo)."""
    photos = tuple(
        Photo(name, split, tuple(int(v) for v in row), found[name])
        for name, split, row in zip(table.ids, splits, table.values, strict=True)
        if name in found
    )
    labelled = set(table.ids)
    unlabelled = tuple(path.name for name, path in found.items() if name not in labelled)
    absent = tuple(name for name in table.ids if name not in found)
    return photos, unlabelled, absent


def existing_folder(path: Path | str, what: str) -> Path:
    """`path` as a Path; `UserError` when it is not an existing folder."""
    folder = Path(path)
    if not folder.is_dir():
        reason = "is a file, not a folder" if folder.exists() else "does not exist"
        raise UserError(f"{what} {folder} {reason}")
    return folder
