"""Locks: one writer per folder."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import filelock

from fec_jax.types import UserError, one_line


@contextlib.contextmanager
def locked(folder: Path, what: str, option: str) -> Iterator[None]:
    """Keeps a second `what` out of `folder`. The lock ends with the process, however that ends.

    Raises UserError, naming the command line's `option` for another folder, while the first one is running; or if
    there can be no lock.
    """
    lock = filelock.FileLock(folder / ".lock")
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout as error:
        raise UserError(f"another {what} is running in {folder}: stop it, or use another {option}") from error
    except (OSError, NotImplementedError) as error:  # somebody else's file; a file system without locks
        reason = getattr(error, "strerror", None) or one_line(error)
        raise UserError(f"cannot lock {folder / '.lock'}: {reason}; use another {option}") from error
    try:
        yield
    finally:
        lock.release()
