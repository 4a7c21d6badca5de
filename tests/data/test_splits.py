"""How photos are divided into train, validation and test, and what is refused or warned about."""

import numpy as np
import pytest
from photo_folders import photo_folder, write_photos

from fec_jax.data.attributes import read_table
from fec_jax.data.builders.folder import list_folder
from fec_jax.data.builders.listing import hash_split
from fec_jax.data.prepare import prepare_folder
from fec_jax.types import UserError


def splits_of(listing):
    return {photo.id: photo.split for photo in listing.photos}


def test_hash_split_is_the_documented_one():
    """Broken: the rule has changed: photos would move between the splits of data sets already made."""
    ids = ("A000055", "A000148", "A000369", "A000376", "A000379", "B000574", "7", "30")
    expected = ["train", "train", "train", "test", "test", "test", "train", "validation"]
    assert [hash_split(name) for name in ids] == expected
    found = [hash_split(str(i)) for i in range(20_000)]
    assert abs(np.mean([split == "test" for split in found]) - 0.12) < 0.01
    assert abs(np.mean([split == "validation" for split in found]) - 0.08) < 0.01


def test_photos_without_a_table_get_three_splits(tmp_path):
    """Broken: an own folder has nothing to choose a checkpoint on but the photos that the figures are of."""
    write_photos(tmp_path, [f"{i}.png" for i in range(60)], 8)
    report = prepare_folder(tmp_path, tmp_path / "out", 4, progress=False)
    assert report.counts == {"train": 50, "validation": 2, "test": 8}


def test_a_person_is_in_one_split(tmp_path):
    """Broken: a `person` column is refused, taken for an attribute, or photos of one person end up on both sides."""
    write_photos(tmp_path, [f"{i}.png" for i in range(60)], 8)
    rows = [f"{i},p{i % 22},{i % 2}" for i in range(59)] + ["59,,1"]
    (tmp_path / "attributes.csv").write_text("\n".join(["image_id,Person,Male", *rows]) + "\n")
    listing = list_folder(tmp_path)
    assert listing.attribute_names == ("Male",)
    found = splits_of(listing)
    for i in range(59):
        assert found[str(i)] == hash_split(f"p{i % 22}")
    assert found["59"] == hash_split("59")
    assert set(found.values()) == {"train", "validation", "test"}
    assert listing.people_in_two_splits() == []


def test_a_split_column_is_taken_as_it_is(tmp_path):
    """Broken: the table's own split is changed, or a person in two of its splits is not pointed out."""
    write_photos(tmp_path, ["a.png", "b.png", "c.png", "d.png"], 8)
    rows = ["a,x,1,train", "b,y,0,validation", "c,x,1,test", "d,,0,train"]
    (tmp_path / "attributes.csv").write_text("\n".join(["image_id,person,Male,split", *rows]) + "\n")
    assert splits_of(list_folder(tmp_path)) == {"a": "train", "b": "validation", "c": "test", "d": "train"}
    report = prepare_folder(tmp_path, tmp_path / "out", 4, progress=False)
    assert report.counts == {"train": 2, "validation": 1, "test": 1}
    assert any("1 people are in more than one split (x)" in line for line in report.lines())


@pytest.mark.parametrize(("absent", "use"), [("train", "to train on"), ("test", "to test with")])
def test_a_set_without_train_or_test_is_refused(tmp_path, absent, use):
    """Broken: hours of preparation end in a set that `fec train` or `fec evaluate` cannot use."""
    src = photo_folder(tmp_path / "src")
    other = {"train": "test", "test": "train"}[absent]
    table = src / "attributes.csv"
    table.write_text(table.read_text().replace(f",{absent},", f",{other},"))
    with pytest.raises(UserError, match=rf"none of the 20 photos is in the split {absent}.*{use}.*image_id,split"):
        prepare_folder(src, tmp_path / "out", 8, progress=False)
    assert not (tmp_path / "out").exists()


def test_a_set_whose_test_photos_cannot_be_used_is_refused(tmp_path):
    """Broken: all test photos are damaged, and the set looks finished."""
    src = photo_folder(tmp_path / "src")
    for number in (3, 7, 11, 15, 19):
        (src / "images" / f"p{number:02d}.png").write_bytes(b"broken")
    with pytest.raises(UserError, match="none of the 15 photos is in the split test"):
        prepare_folder(src, tmp_path / "out", 8, max_unreadable=0.5, progress=False)
    assert not (tmp_path / "out" / "8px").exists()


def test_constant_attributes_are_warned_about(tmp_path):
    """Broken: an attribute that no training photo shows is offered to users as if it had been learned."""
    write_photos(tmp_path, [f"{i}.png" for i in range(6)], 8)
    rows = [f"{i},{'test' if i > 3 else 'train'},1,{i % 2},{int(i in (0, 4, 5))}" for i in range(6)]
    (tmp_path / "attributes.csv").write_text("\n".join(["image_id,split,Young,Male,Bald", *rows]) + "\n")
    report = prepare_folder(tmp_path, tmp_path / "out", 4, progress=False)
    warnings = [line for line in report.lines() if line.startswith("warning: ")]
    assert len(warnings) == 2
    assert "Young is 1 in all photos of train: it cannot be learned" in warnings[0]
    assert "Bald is 1 in all photos of test" in warnings[1]


def test_a_row_of_a_table_with_people_that_is_too_short(tmp_path):
    """Broken: the person is read from an attribute's column."""
    (tmp_path / "a.csv").write_text("image_id,Male,person,split\na,1,somebody,train\nb,1,train\n")
    with pytest.raises(UserError, match="line 3: 3 columns where 4 are expected"):
        read_table(tmp_path / "a.csv")
