"""Where a result is written to, and what may stand there already."""

from pathlib import Path

from fec_jax.io.atomic import write_whole
from fec_jax.types import UserError


def write_aside(path: Path, data: bytes) -> None:
    """`atomic.write_whole`, with a UserError if the file system refuses."""
    try:
        write_whole(path, data)
    except OSError as e:
        raise UserError(f"cannot write {path}: {e.strerror or e}; choose another place with --out") from e


def check_free(path: Path, force: bool) -> None:
    """Refuses, before any work is done, an output path that is a folder, has no folder, or exists (unless `force`).

    Raises UserError.
    """
    if path.is_dir():
        raise UserError(f"cannot write {path}: it is a folder; give a file name")
    if not path.parent.is_dir():
        raise UserError(f"cannot write {path}: the folder {path.parent} does not exist; make it first")
    if path.exists() and not force:
        raise UserError(f"{path} exists: choose another name, or overwrite it with --force")
