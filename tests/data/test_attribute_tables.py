"""Attribute tables: both formats, the CelebA side files, and an error with file and line for everything else."""

import csv

import numpy as np
import pytest

from fec_jax.data import attributes
from fec_jax.types import UserError


def test_celeba_has_its_40_names_in_order():
    """Breaks if a name is lost or moved: labels of prepared sets would be read under wrong names."""
    assert len(attributes.CELEBA) == len(set(attributes.CELEBA)) == 40
    assert list(attributes.CELEBA) == sorted(attributes.CELEBA)
    assert [attributes.CELEBA.index(n) for n in ("Bald", "Eyeglasses", "Male", "Smiling", "Young")] == [
        4,
        15,
        20,
        31,
        39,
    ]


@pytest.mark.parametrize("gap", [" ", "  "])
def test_celeba_format_with_one_or_two_spaces(tmp_path, gap):
    """Breaks if CelebA's (one space) or CelebAMask-HQ's (two spaces) rows are cut wrongly or -1 is not read as 0."""
    path = tmp_path / "list.txt"
    path.write_text(f"2\nMale Smiling Young \n0.jpg{gap}-1  1 -1\n1.jpg{gap} 1 -1  1\n")
    table = attributes.read_table(path)
    assert table.names == ("Male", "Smiling", "Young")
    assert table.ids == ("0", "1")
    assert table.splits is None
    np.testing.assert_array_equal(table.values, [[0, 1, 0], [1, 0, 1]])
    assert table.values.dtype == np.uint8


def test_csv_with_split_quotes_and_byte_order_mark(tmp_path):
    """Breaks if a table saved by a spreadsheet (BOM, quotes, extensions, blank last line) is refused or misread."""
    path = tmp_path / "a.csv"
    path.write_text('\ufeffimage_id,split,Male,Bald\n"a.jpg",train,1,0\nb.b,val,0,0\nc.PNG,test,0,1\n\n', "utf-8")
    table = attributes.read_table(path)
    assert table.ids == ("a", "b.b", "c")
    assert table.splits == ("train", "validation", "test")
    np.testing.assert_array_equal(table.values, [[1, 0], [0, 0], [0, 1]])


def test_csv_with_minus_one(tmp_path):
    """Breaks if the CSV edition of CelebA (-1/1) is refused."""
    path = tmp_path / "a.csv"
    path.write_text("image_id,Male\n000001.jpg,-1\n000002.jpg,1\n")
    np.testing.assert_array_equal(attributes.read_table(path).values, [[0], [1]])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("hello\n", "line 1: 'hello' starts neither"),
        ("9" * 5000 + "\nMale\na 1\n", "9' starts neither a CSV"),
        ("face,Male\na,1\n", "line 1: the first column is 'face'"),
        ("image_id,Male\n", "no rows"),
        ("image_id,Male\na,1\nb,1,1\n", "line 3: 3 columns where 2 are expected"),
        ("image_id,Male\na,1\nb,yes\n", "line 3: Male is 'yes'"),
        ("image_id,Male\na,1\nb,\n", "line 3: Male is ''"),
        ("image_id,Male\na,0\nb,-1\n", "line 3: Male is -1, but line 2 writes 0"),
        ("image_id,Male\na,0\nb,1\na.jpg,1\n", "line 4: a.jpg was already labelled on line 2"),
        ("image_id,split,Male\na,dev,0\n", "line 2: split is 'dev'"),
        ("image_id,Male,Male\na,0,0\n", "unique"),
        ("3\nMale\na 1\nb 1\n", "line 1 promises 3 images, but 2 follow"),
        ("1\n", "line 2: expected the attribute names"),
        ("1\nMale Young\na 1\n", "line 3: 2 columns where 3 are expected"),
    ],
)
def test_bad_tables_name_file_and_line(tmp_path, text, message):
    """Breaks if a wrong table is accepted, or refused without saying where it is wrong."""
    path = tmp_path / "table.txt"
    path.write_text(text)
    with pytest.raises(UserError) as error:
        attributes.read_table(path)
    assert message in str(error.value)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_absent_and_binary_tables(tmp_path):
    """Breaks if a wrong path or a picture given as a table ends in a traceback."""
    with pytest.raises(UserError, match=r"cannot read .*nowhere"):
        attributes.read_table(tmp_path / "nowhere.csv")
    (tmp_path / "x.csv").write_bytes(b"\xff\xd8\xff\xe0")
    with pytest.raises(UserError, match="not a text file"):
        attributes.read_table(tmp_path / "x.csv")


def test_keep_selects_in_the_order_asked_for():
    """Breaks if `--keep` mixes up columns or accepts unknown and repeated names."""
    table = attributes.AttributeTable(("A", "B", "C"), ("x",), np.array([[1, 0, 1]], np.uint8))
    kept = table.keep(["C", "B"])
    assert kept.names == ("C", "B")
    np.testing.assert_array_equal(kept.values, [[1, 0]])
    with pytest.raises(UserError, match="no attribute D; it has: A, B, C"):
        table.keep(["D"])
    with pytest.raises(UserError, match="twice"):
        table.keep(["A", "A"])


def test_partition_and_mapping(tmp_path):
    """Breaks if CelebA's split or CelebA-HQ's way back to CelebA is misread: people would be in train and test."""
    (tmp_path / "p.txt").write_text("000001.jpg 0\n000002.jpg 1\n000003.jpg 2\n")
    assert attributes.read_partition(tmp_path / "p.txt") == {
        "000001": "train",
        "000002": "validation",
        "000003": "test",
    }
    (tmp_path / "p.csv").write_text("image_id,partition\n000001.jpg,2\n")
    assert attributes.read_partition(tmp_path / "p.csv") == {"000001": "test"}
    (tmp_path / "m.txt").write_text(
        "idx        orig_idx   orig_file\n0          119613     119614.jpg\n1    99094 099095.jpg\n"
    )
    assert attributes.read_mapping(tmp_path / "m.txt") == {"0": "119614", "1": "099095"}
    (tmp_path / "bad.txt").write_text("000001.jpg 0\n000002.jpg 3\n")
    with pytest.raises(UserError, match=r"bad\.txt line 2"):
        attributes.read_partition(tmp_path / "bad.txt")
    with pytest.raises(UserError, match=r"bad\.txt line 1"):
        attributes.read_mapping(tmp_path / "bad.txt")


def test_known_wrong_labels_are_flipped_and_no_others():
    """Breaks if a correction hits another image or attribute (the numbers count from 0)."""
    ids = ("22", "23", "29", "129", "323", "400", "401")
    table = attributes.AttributeTable(("Male", "Young"), ids, np.zeros((7, 2), np.uint8))
    np.testing.assert_array_equal(attributes.correct_celeba_hq(table).values[:, 0], [0, 1, 1, 1, 1, 1, 0])
    assert not attributes.correct_celeba_hq(table).values[:, 1].any()
    assert not table.values.any()


def test_odd_digits_and_cells_are_errors_with_a_line(tmp_path):
    """Breaks if a superscript taken for a count, or a cell that the CSV reader refuses, ends in a traceback."""
    table = tmp_path / "t.csv"
    table.write_text("\u00b2\nMale\na 1\n")
    with pytest.raises(UserError, match=r"t\.csv line 1"):
        attributes.read_table(table)
    table.write_text("idx orig_idx orig_file\n\u00b2 1 000001.jpg\n")
    with pytest.raises(UserError, match=r"t\.csv line 2"):
        attributes.read_mapping(table)
    long = "x" * (csv.field_size_limit() + 1)
    table.write_text(f"image_id,Male\na,1\n{long},1\n")
    with pytest.raises(UserError, match=r"t\.csv line 3: not a line of a CSV"):
        attributes.read_table(table)
    table.write_text(f"image_id,{long}\na,1\n")
    with pytest.raises(UserError, match=r"t\.csv line 1: not a line of a CSV"):
        attributes.read_table(table)
