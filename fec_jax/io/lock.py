"""Locks: one writer per folder."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import filelock

from fec_jax.types import UserError


@contextlib.contextmanager
def locked(folder: Path, what: str, option: str) -> Iterator[None]:
    """Keeps a second `what` out of `folder`. The lock ends with the process, however that ends.

    Raises UserError, naming the command line's `option` for another folder, while the first one is running.
    """
    try:
        with filelock.FileLock(folder / ".lock", timeout=0):
            yield
    except filelock.Timeout as error:
        raise UserError(f"another {what} is running in {folder}: stop it, or use another {option}") from error
