"""Writing that others can rely on: a finished file is put in place whole or not at all."""

import os
from pathlib import Path


def write_whole(path: Path, data: bytes) -> None:
    """Writes `data` to a new file beside `path`, syncs and renames it: `path` is either the old or the whole new file.

    Raises OSError if the file system refuses (full, read only ...); nothing is left behind then.
    """
    aside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with open(aside, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(aside, path)
    finally:
        aside.unlink(missing_ok=True)
