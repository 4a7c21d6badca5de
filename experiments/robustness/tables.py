"""Attribute tables as spreadsheets and people spoil them."""

from collections.abc import Callable

import numpy as np

# fmt: off
CELLS = (
    "", " ", "2", "-1", "0", "1", "01", "1.0", "yes", "NaN", "train", "tset", "nobody", "a,b", '"', '"a""b"', "'", "\t",
    "\x00", "é", "e\u0301", "\u202e", "\ufeff", "\uff03", "\u0661", "²", "9" * 5000, "=1+1", "../../x", "." * 300,
    "NUL", "\x1c", "\x85", "\u2028", "\r", "image_id", "p03.png", "P03.PNG", "p03", "-", "⅓", "\ud7ff",
)
# fmt: on
Rows = list[list[str]]


def _pick(rng: np.random.Generator, count: int) -> int:
    return int(rng.integers(count))


def cell(rows: Rows, rng: np.random.Generator) -> Rows:
    """One to three cells hold something else."""
    for _ in range(1 + _pick(rng, 3)):
        row = rows[_pick(rng, len(rows))]
        row[_pick(rng, len(row))] = CELLS[_pick(rng, len(CELLS))]
    return rows


def header(rows: Rows, rng: np.random.Generator) -> Rows:
    """A column has another name."""
    names = ("", "split", "person", "Split ", "Smiling", "image", "id", "Male\n", "a=b", "é", "x" * 3000)
    rows[0][_pick(rng, len(rows[0]))] = (*CELLS, *names)[_pick(rng, len(CELLS) + len(names))]
    return rows


def shuffled_rows(rows: Rows, rng: np.random.Generator) -> Rows:
    """Rows in another order, the header's among them or not."""
    first = _pick(rng, 2)
    return rows[:first] + [rows[first:][i] for i in rng.permutation(len(rows) - first)]


def shuffled_columns(rows: Rows, rng: np.random.Generator) -> Rows:
    """Columns in another order."""
    order = rng.permutation(len(rows[0]))
    return [[row[i] for i in order] for row in rows]


def shuffled_cells(rows: Rows, rng: np.random.Generator) -> Rows:
    """The cells of one row in another order."""
    at = _pick(rng, len(rows))
    rows[at] = [rows[at][i] for i in rng.permutation(len(rows[at]))]
    return rows


def doubled_row(rows: Rows, rng: np.random.Generator) -> Rows:
    """A row is there twice."""
    rows.insert(_pick(rng, len(rows)), list(rows[_pick(rng, len(rows))]))
    return rows


def doubled_column(rows: Rows, rng: np.random.Generator) -> Rows:
    """A column is there twice."""
    at = _pick(rng, len(rows[0]))
    return [[*row, row[at]] for row in rows]


def lost_row(rows: Rows, rng: np.random.Generator) -> Rows:
    """Some rows are missing, up to all."""
    return [row for row in rows if rng.random() < 0.6]


def lost_column(rows: Rows, rng: np.random.Generator) -> Rows:
    """A column is missing."""
    at = _pick(rng, len(rows[0]))
    return [row[:at] + row[at + 1 :] for row in rows]


def lost_cell(rows: Rows, rng: np.random.Generator) -> Rows:
    """A row has a cell less or more."""
    row = rows[_pick(rng, len(rows))]
    if rng.random() < 0.5:
        del row[_pick(rng, len(row))]
    else:
        row.insert(_pick(rng, len(row)), "1")
    return rows


ROWS: dict[str, Callable[[Rows, np.random.Generator], Rows]] = {
    f.__name__.replace("_", " "): f
    for f in (cell, header, shuffled_rows, shuffled_columns, shuffled_cells, doubled_row, doubled_column)
} | {f.__name__.replace("_", " "): f for f in (lost_row, lost_column, lost_cell)}


def written(rows: Rows, rng: np.random.Generator) -> bytes:
    """The table as a file: a CSV, now and then with other separators, line ends or encodings, or in CelebA's format."""
    ends = ("\n", "\r\n", "\r")[_pick(rng, 3)]
    separators = (*",,,,;\t", ", ")
    text = ends.join(separators[_pick(rng, 7)].join(row) for row in rows)
    if rng.random() < 0.7:
        text = ends.join(",".join(row) for row in rows) + ends
    elif rng.random() < 0.5 and rows:
        count = (str(len(rows) - 1), "0", "9" * 5000, "٣", "-1", "1e3")[_pick(rng, 6)]
        text = "\n".join([count, *(" ".join(row) for row in rows)])
    encodings = ("utf-8", "utf-8", "utf-8", "utf-8-sig", "utf-16", "utf-32", "latin-1", "cp1252")
    return text.encode(encodings[_pick(rng, len(encodings))], "replace")
