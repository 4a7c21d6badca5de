"""Checks of output paths, and writing to them."""

import os
import stat
from pathlib import Path

from fec_jax.io.atomic import write_whole
from fec_jax.io.names import shown
from fec_jax.types import UserError


def write_aside(path: Path, data: bytes) -> None:
    """`atomic.write_whole`, with a UserError if the file system refuses."""
    try:
        write_whole(path, data)
    except OSError as e:
        raise UserError(f"cannot write {shown(path)}: {e.strerror or e}; choose another place with --out") from e


def check_free(path: Path, force: bool) -> None:
    """Refuses, before any work is done, an output path that is a folder, has no folder, or exists (unless `force`).

    A link that leads nowhere exists, too: what should stand at its end is not known here.

    Raises UserError, also for a path that the system refuses: one may not look there, a name is too long.
    """
    if path.name in ("", "."):
        raise UserError(f"cannot write {shown(path)!r}: it is a folder, or empty; give a file name with --out")
    found = _mode(path)
    if found is not None and stat.S_ISDIR(found):
        raise UserError(f"cannot write {shown(path)}: it is a folder; give a file name")
    above = _mode(path.parent)
    if above is None or not stat.S_ISDIR(above):
        raise UserError(f"cannot write {shown(path)}: the folder {shown(path.parent)} does not exist; make it first")
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise UserError(
            f"cannot write {shown(path)}: no permission to write in {shown(path.parent)}; choose another --out"
        )
    if found is not None and not force:
        raise UserError(f"{shown(path)} exists: choose another name, or overwrite it with --force")
    if found is None and os.path.islink(path) and not force:
        raise UserError(f"{shown(path)} is a link that leads nowhere: choose another name, or replace it with --force")


def check_folder(path: Path) -> None:
    """Refuses, before any work is done, a folder for results that cannot be one; it need not exist yet.

    Refused: the working folder and the root of the file system (an empty `--out` is the former), a file, a link that
    leads nowhere, a folder in which one may not write, a name that the system does not take.

    Raises UserError.
    """
    if path.name in ("", "..") or os.path.realpath(path) == os.sep:
        raise UserError(f"cannot write to {shown(path)!r}: give a folder of its own with --out")
    found = _mode(path)
    if found is not None and not stat.S_ISDIR(found):
        raise UserError(f"cannot write to {shown(path)}: it is a file; give a folder with --out")
    if found is None and os.path.islink(path):
        raise UserError(
            f"cannot write to {shown(path)}: it is a link that leads nowhere; fix it or choose another --out"
        )
    there = path
    while _mode(there) is None and there != there.parent:
        there = there.parent
    if not os.access(there, os.W_OK | os.X_OK):
        raise UserError(
            f"cannot write to {shown(path)}: no permission to write in {shown(there)}; choose another --out"
        )


def _mode(path: Path) -> int | None:
    """What is there, links followed (`st_mode`); None if nothing is."""
    try:
        return os.stat(path).st_mode
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as e:  # no permission, a name too long, links in a circle; a zero byte
        raise UserError(f"cannot write {shown(path)}: {getattr(e, 'strerror', None) or e}; choose another --out") from e
