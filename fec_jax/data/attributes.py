"""Attribute tables: the 40 CelebA names, the two file formats that labels come in, and the side files of CelebA-HQ.

Labels are `uint8` 0/1 in memory, whatever the file writes (0/1 or -1/1). An image is known by its id: its file name
without the extension, so that `000001.jpg` in a table and `000001.png` on disk are the same photo; in the composed form
of Unicode (NFC), so that an accent written in another way is the same name.

Another format of tables is a branch of `read_table`; a data set with labels of its own is a file in `builders/`, and
named in `prepare.py` and `cli/prepare.py`.
"""

import csv
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from fec_jax.io.formats import SUFFIXES
from fec_jax.types import UserError

# fmt: off
CELEBA: tuple[str, ...] = (
    "5_o_Clock_Shadow", "Arched_Eyebrows", "Attractive", "Bags_Under_Eyes", "Bald", "Bangs", "Big_Lips", "Big_Nose",
    "Black_Hair", "Blond_Hair", "Blurry", "Brown_Hair", "Bushy_Eyebrows", "Chubby", "Double_Chin", "Eyeglasses",
    "Goatee", "Gray_Hair", "Heavy_Makeup", "High_Cheekbones", "Male", "Mouth_Slightly_Open", "Mustache",
    "Narrow_Eyes", "No_Beard", "Oval_Face", "Pale_Skin", "Pointy_Nose", "Receding_Hairline", "Rosy_Cheeks",
    "Sideburns", "Smiling", "Straight_Hair", "Wavy_Hair", "Wearing_Earrings", "Wearing_Hat", "Wearing_Lipstick",
    "Wearing_Necklace", "Wearing_Necktie", "Young",
)
# fmt: on

SPLITS: tuple[str, ...] = ("train", "validation", "test")
_SPLIT_ALIASES = {
    "train": "train",
    "training": "train",
    "0": "train",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "1": "validation",
    "test": "test",
    "testing": "test",
    "2": "test",
}
_MANY_DIGITS = 20  # no number of photos; Python refuses to read numbers of some thousand digits
_ID_COLUMNS = ("image_id", "image", "id", "file", "filename", "file_name")

# CelebA-HQ images whose `Male` label is known to be wrong, counted from 0 as in `CelebAMask-HQ-attribute-anno.txt`.
CELEBA_HQ_WRONG_MALE: tuple[str, ...] = ("23", "29", "129", "323", "400")


@dataclass(frozen=True)
class AttributeTable:
    """Labels of many images; row i of all but `names` belongs to the image `ids[i]`.

    names    the attributes
    ids      see `image_id`
    values   0/1
    splits   each one of `SPLITS`; None: the table does not say
    people   who is in the photo, any text, "" if not known; None: the table does not say
    """

    names: tuple[str, ...]
    ids: tuple[str, ...]
    values: UInt8[np.ndarray, "n a"]
    splits: tuple[str, ...] | None = None
    people: tuple[str, ...] | None = None

    def keep(self, names: Sequence[str]) -> "AttributeTable":
        """The same table with these columns only, in this order. `UserError` names columns that do not exist."""
        columns = select(names, self.names, "the attribute table")
        return replace(self, names=tuple(names), values=self.values[:, columns])


def select(names: Sequence[str], available: Sequence[str], where: str) -> list[int]:
    """Positions of `names` within `available`; raises `UserError` for unknown or repeated ones, naming `where`."""
    missing = [name for name in names if name not in available]
    if missing:
        known = ", ".join(available) or "none at all"
        raise UserError(f"{where} has no attribute {', '.join(missing)}; it has: {known}")
    if len(set(names)) != len(names):
        raise UserError(f"an attribute is named twice: {', '.join(names)}")
    return [list(available).index(name) for name in names]


def image_id(name: str) -> str:
    """The id of an image: its name without a picture's extension ("0.jpg" -> "0", "000001" -> "000001")."""
    path = Path(unicodedata.normalize("NFC", name.strip()))
    return path.stem if path.suffix.lower() in SUFFIXES else path.name


def read_table(path: Path | str) -> AttributeTable:
    """Reads an attribute table of either format, told apart by its first line: a bare number means CelebA's format.

    Raises `UserError` naming the file and the line for anything that is not a clean table.
    """
    lines = _lines(path)
    if not lines:
        raise UserError(f"{path} is empty: expected a CSV with a header line, or a table in CelebA's format")
    if lines[0].strip().isdecimal() and len(lines[0].strip()) < _MANY_DIGITS:
        return _parse_celeba(lines, path)
    if "," in lines[0]:
        return _parse_csv(lines, path)
    raise UserError(
        f"{path} line 1: {lines[0][:60]!r} starts neither a CSV (image_id,Male,...) nor a CelebA table (a number)"
    )


def _lines(path: Path | str) -> list[str]:
    try:
        return Path(path).read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise UserError(f"{path} is not a text file (UTF-8)") from None


def _parse_celeba(lines: Sequence[str], path: Path | str) -> AttributeTable:
    """CelebA's `list_attr_celeba.txt`: the count, the names, then `id value value ...` between one space or more."""
    count = int(lines[0])
    if len(lines) < 2 or not lines[1].split():
        raise UserError(f"{path} line 2: expected the attribute names")
    rows = ((number, line.split()) for number, line in enumerate(lines[2:], start=3) if line.strip())
    table = _table(tuple(lines[1].split()), rows, path)
    if len(table.ids) != count:
        raise UserError(f"{path}: line 1 promises {count} images, but {len(table.ids)} follow: is the file complete?")
    return table


def _parse_csv(lines: Sequence[str], path: Path | str) -> AttributeTable:
    """A CSV with the header `image_id[,split][,person],Name,Name,...` and 0/1 or -1/1 in the attribute columns."""
    header = _cells(lines[0], path, 1)
    if header[0].lower() not in _ID_COLUMNS:
        raise UserError(f"{path} line 1: the first column is {header[0]!r}; it must be image_id (a file name)")
    lowered = [name.lower() for name in header]
    special = {name: lowered.index(name) for name in ("split", "person") if name in lowered}
    names = tuple(name for i, name in enumerate(header) if i and i not in special.values())
    rows = ((number, _cells(line, path, number)) for number, line in enumerate(lines[1:], start=2) if line.strip())
    return _table(names, rows, path, special.get("split"), special.get("person"))


def _cells(line: str, path: Path | str, number: int) -> list[str]:
    try:
        return [cell.strip() for cell in next(csv.reader([line]))]
    except csv.Error as error:
        raise UserError(f"{path} line {number}: not a line of a CSV ({error})") from None


def _table(
    names: tuple[str, ...],
    rows: Iterable[tuple[int, list[str]]],
    path: Path | str,
    split_column: int | None = None,
    person_column: int | None = None,
) -> AttributeTable:
    if len(set(names)) != len(names) or "" in names:
        raise UserError(f"{path}: the attribute names must be unique and not empty, found: {', '.join(names)}")
    special = [column for column in (split_column, person_column) if column is not None]
    width = 1 + len(names) + len(special)
    ids: dict[str, int] = {}
    values: list[list[int]] = []
    splits: list[str] = []
    people: list[str] = []
    signed: int | None = None  # the line that shows which way this table writes "no": -1 (true) or 0
    negatives = ""
    for number, cells in rows:
        if len(cells) != width:
            raise UserError(f"{path} line {number}: {len(cells)} columns where {width} are expected")
        name = image_id(cells[0])
        if name in ids:
            raise UserError(f"{path} line {number}: {cells[0]} was already labelled on line {ids[name]}")
        ids[name] = number
        if split_column is not None:
            splits.append(_split(cells[split_column], path, number))
        if person_column is not None:
            people.append(unicodedata.normalize("NFC", cells[person_column]))
        row = [cell for column, cell in enumerate(cells) if column and column not in special]
        for column, cell in zip(names, row, strict=True):
            if cell not in ("0", "1", "-1"):
                raise UserError(f"{path} line {number}: {column} is {cell!r}; it must be 0 or 1 (or -1 or 1)")
            if cell != "1" and cell != negatives:
                if negatives:
                    raise UserError(
                        f"{path} line {number}: {column} is {cell}, but line {signed} writes {negatives} for 'no': "
                        "use either 0/1 or -1/1 in the whole table"
                    )
                negatives, signed = cell, number
        values.append([int(cell == "1") for cell in row])
    if not ids:
        raise UserError(f"{path} has a header but no rows")
    array = np.asarray(values, np.uint8).reshape(len(ids), len(names))
    return AttributeTable(names, tuple(ids), array, tuple(splits) or None, tuple(people) or None)


def _split(cell: str, path: Path | str, number: int) -> str:
    split = _SPLIT_ALIASES.get(cell.lower())
    if split is None:
        raise UserError(f"{path} line {number}: split is {cell!r}; it must be train, validation or test")
    return split


def read_partition(path: Path | str) -> dict[str, str]:
    """CelebA's `list_eval_partition.txt`: `000001.jpg 0`, 0/1/2 = train/validation/test. It keeps identities apart."""
    partition: dict[str, str] = {}
    for number, line in enumerate(_lines(path), start=1):
        cells = line.replace(",", " ").split()
        if not cells or (number == 1 and cells[0].lower() in _ID_COLUMNS):  # the CSV edition has a header
            continue
        if len(cells) != 2 or cells[1] not in ("0", "1", "2"):
            raise UserError(f"{path} line {number}: expected a file name and 0, 1 or 2, found {line[:60]!r}")
        partition[image_id(cells[0])] = SPLITS[int(cells[1])]
    if not partition:
        raise UserError(f"{path} has no rows")
    return partition


def read_mapping(path: Path | str) -> dict[str, str]:
    """CelebAMask-HQ's `CelebA-HQ-to-CelebA-mapping.txt`: a header, then `idx orig_idx orig_file`. Gives idx -> id."""
    mapping: dict[str, str] = {}
    for number, line in enumerate(_lines(path), start=1):
        cells = line.split()
        if not cells or (number == 1 and cells[0] == "idx"):
            continue
        if len(cells) != 3 or not cells[0].isdecimal():
            raise UserError(f"{path} line {number}: expected 'idx orig_idx orig_file', found {line[:60]!r}")
        mapping[cells[0]] = image_id(cells[2])
    if not mapping:
        raise UserError(f"{path} has no rows")
    return mapping


def correct_celeba_hq(table: AttributeTable) -> AttributeTable:
    """Flips the `Male` labels of CelebA-HQ that are known to be wrong (`CELEBA_HQ_WRONG_MALE`); ids count from 0."""
    if "Male" not in table.names:
        return table
    rows = [row for row, name in enumerate(table.ids) if name in CELEBA_HQ_WRONG_MALE]
    values = table.values.copy()
    values[rows, table.names.index("Male")] ^= 1
    return replace(table, values=values)
