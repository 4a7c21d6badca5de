"""Looking through the user's folder: which files are photos, and why the others are not."""

import os
import unicodedata
from collections.abc import Container
from dataclasses import dataclass
from pathlib import Path

from fec_jax.io.formats import SUFFIXES
from fec_jax.io.names import is_utf8, shown
from fec_jax.types import UserError


@dataclass(frozen=True)
class Found:
    """The photos of a folder by id, in the order of their names, and (name, reason) of everything else in it.

    A link that leads nowhere is among the photos if its name says so: opening it fails, and counts as a damaged photo.
    """

    photos: dict[str, Path]
    skipped: tuple[tuple[str, str], ...] = ()


def photos_in(folder: Path, known: Container[str] = ()) -> Found:
    """What lies directly in `folder`, told apart by the names' endings (`formats.SUFFIXES`).

    known   names of files that the caller reads itself, as the table of attributes: not listed as skipped

    Raises UserError: two photos with one id (`a.png` and `a.jpg`; `é` written in two ways), an unreadable folder.
    """
    photos: dict[str, Path] = {}
    skipped = []
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        raise UserError(f"cannot read the folder {folder}: {error.strerror or error}") from None
    for entry in entries:
        if entry.name in known:
            continue
        reason = _not_a_photo(entry)
        if reason:
            skipped.append((shown(entry.name), reason))
            continue
        path = folder / entry.name
        name = unicodedata.normalize("NFC", path.stem)
        if name in photos:
            raise UserError(
                f"{folder}: {shown(photos[name].name)} and {shown(entry.name)} have the same id; remove one of them"
            )
        photos[name] = path
    return Found(photos, tuple(skipped))


def _not_a_photo(entry: os.DirEntry) -> str | None:
    if _is_folder(entry):
        return "a folder: photos in it are not read; move them up, or prepare it by itself"
    if entry.name.startswith("."):
        return "hidden: its name begins with a dot"
    suffix = Path(entry.name).suffix.lower()
    if suffix not in SUFFIXES:
        return f"not a photo by its name: none of {', '.join(SUFFIXES)}"
    return None if is_utf8(entry.name) else "its name is not text in UTF-8: rename it"


def _is_folder(entry: os.DirEntry) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link in a circle
        return False


def existing_folder(path: Path | str, what: str) -> Path:
    """`path` as a Path; `UserError` when it is not an existing folder."""
    folder = Path(path)
    if not os.path.isdir(folder):
        reason = "is a file, not a folder" if os.path.exists(folder) else "does not exist"
        raise UserError(f"{what} {folder} {reason}")
    return folder
