"""Writing that others can rely on: a finished file is put in place whole or not at all; a folder has one writer."""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from fec_jax.types import UserError


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


@contextlib.contextmanager
def locked(folder: Path, what: str, option: str) -> Iterator[None]:
    """Keeps a second `what` out of `folder`. The lock goes with the process, however that ends.

    Raises UserError, naming the command line's `option` for another folder, while the first one is running.
    """
    with (folder / ".lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UserError(f"another {what} is running in {folder}: stop it, or use another {option}") from error
        yield
