"""Atomic writes: a file is put in place whole or not at all."""

import hashlib
import os
from pathlib import Path


def write_whole(path: Path, data: bytes) -> None:
    """Writes `data` to a new file beside `path`, syncs and renames it: `path` is either the old or the whole new file.

    Raises OSError if the file system refuses (full, read only ...); nothing is left behind then.
    """
    # Its own short name: the final name with anything added may be longer than a file's name can be.
    aside = path.with_name(f".{hashlib.sha1(os.fsencode(path.name)).hexdigest()[:12]}.{os.getpid()}.part")
    try:
        with open(aside, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(aside, path)
    finally:
        aside.unlink(missing_ok=True)
