"""`report.csv` of a completed folder: one row per photo, added as it is done; and what an earlier run left of it."""

import csv
import io
import os
from dataclasses import astuple, dataclass, fields
from pathlib import Path

from fec_jax.io.output import write_aside
from fec_jax.types import UserError

DONE, FAILED, STARTED = "done", "failed", "started"


@dataclass(frozen=True)
class Row:
    """file      name of the photo
    status    done; failed; started: its output is being written, or the program was killed while it was
    score     of the completion (`score`), empty if it failed
    seconds   of work on this photo, its share of a pass of the networks included
    message   why it failed; or which of several faces was completed, and warnings
    """

    file: str
    status: str
    score: str = ""
    seconds: str = ""
    message: str = ""


HEADER = tuple(field.name for field in fields(Row))


class Report:
    """Open for writing from when it is made; closed by `close`."""

    def __init__(self, path: Path) -> None:
        """Reads the report at `path`. UserError: not such a report, or it cannot be read or written."""
        self.path, self._rows = path, read(path)
        self._write()
        try:
            self._file = open(path, "a", newline="", encoding="utf-8")  # noqa: SIM115
        except OSError as error:
            raise _refused(path, error) from error

    def status(self, file: str) -> str | None:
        """What is known of a photo."""
        return self._rows[file].status if file in self._rows else None

    def add(self, row: Row) -> None:
        """Takes the place of an earlier row for the photo. On the disk at once, whatever becomes of this process."""
        self._rows[row.file] = row
        try:
            csv.writer(self._file).writerow(astuple(row))
            self._file.flush()
        except OSError as error:
            raise _refused(self.path, error) from error

    def close(self) -> None:
        """Leaves one row per photo, in the order of their names."""
        self._file.close()
        self._write()

    def _write(self) -> None:
        text = io.StringIO(newline="")
        csv.writer(text).writerows([HEADER, *(astuple(self._rows[name]) for name in sorted(self._rows))])
        write_aside(self.path, text.getvalue().encode())


def read(path: Path) -> dict[str, Row]:
    """The rows of the report at `path` by photo; of none, none. UserError: not such a report, or it cannot be read."""
    if not os.path.lexists(path):
        return {}
    try:
        lines = list(csv.reader(path.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True)))
    except OSError as error:
        raise _refused(path, error) from error
    except csv.Error:
        lines = []
    if not lines or tuple(lines[0]) != HEADER:
        raise UserError(f"{path} is not a report of fec complete: move it away, or give another folder with --out")
    # Of a process that was killed, the last row may be short.
    return {line[0]: Row(*line) for line in lines[1:] if len(line) == len(HEADER)}


def _refused(path: Path, error: OSError) -> UserError:
    return UserError(f"cannot read or write {path}: {error.strerror or error}; make room or choose another --out")
