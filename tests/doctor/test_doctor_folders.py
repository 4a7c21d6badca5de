"""`fec doctor` on a folder of photos, before and after `fec prepare`."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image

from fec_jax.data.prepare import prepare_folder
from fec_jax.doctor.folders import examine_folder
from fec_jax.doctor.prepared import examine_prepared


def picture(seed, side=64):
    small = np.random.default_rng(seed).integers(0, 256, (12, 12, 3), np.uint8)
    return Image.fromarray(small).resize((side, side), Image.Resampling.BICUBIC)


def healthy(root, count=40):
    """Photos 00.png ..., every fifth in test, every fifth in validation; labels Male and Young."""
    root.mkdir()
    rows = ["image_id,split,person,Male,Young"]
    for i in range(count):
        picture(i).save(root / f"{i:02d}.png")
        rows.append(
            f"{i:02d},{('test', 'validation', 'train', 'train', 'train')[i % 5]},p{i},{i // 5 % 2},{i // 10 % 2}"
        )
    (root / "attributes.csv").write_text("\n".join(rows) + "\n")
    return root


def problems(found):
    return [str(finding) for finding in found if finding.advice]


@pytest.fixture
def folder(tmp_path):
    return healthy(tmp_path / "photos")


def test_nothing_is_wrong(folder, tmp_path):
    """Broken: a good folder or data set is said to be bad; counts are not told."""
    found = examine_folder(folder, 64, faces=False)
    assert problems(found) == []
    assert any("40 photos: 24 train, 8 validation, 8 test" in str(f) for f in found)
    assert any("Male 20 (50%), Young 20 (50%)" in str(f) for f in found)
    prepare_folder(folder, tmp_path / "out", 32, license="CC0", progress=False)
    found = examine_prepared(tmp_path / "out")
    assert problems(found) == []
    assert any("40 photos: 24 train, 8 validation, 8 test" in str(f) for f in found)


def spoil_damage(folder):
    (folder / "02.png").write_bytes((folder / "02.png").read_bytes()[:400])
    (folder / "03.png").write_text("no picture")


def spoil_size(folder):
    picture(7, 40).save(folder / "07.png")


def spoil_copy(folder):
    shutil.copy(folder / "02.png", folder / "03.png")


def spoil_leak(folder):
    shutil.copy(folder / "02.png", folder / "05.png")


def spoil_likeness(folder):
    picture(2).save(folder / "05.jpg", quality=60)
    (folder / "05.png").unlink()


def spoil_rows(folder):
    (folder / "04.png").unlink()
    picture(99).save(folder / "extra.png")


def spoil_link(folder):
    (folder / "04.png").unlink()
    (folder / "04.png").symlink_to("gone.png")


def change_table(change):
    def spoil(folder):
        lines = (folder / "attributes.csv").read_text().splitlines()
        (folder / "attributes.csv").write_text("\n".join([lines[0], *map(change, lines[1:])]) + "\n")

    return spoil


SPOILED = {
    "damaged": (spoil_damage, ["1 photos cannot be used (damaged", "1 photos cannot be used (not a PNG"]),
    "too small": (spoil_size, ["1 photos are smaller than 64 px: 07.png"]),
    "copy": (spoil_copy, ["1 times photos with the same pixels: 02.png = 03.png"]),
    "leak": (spoil_leak, ["1 times photos with the same pixels, in different splits: 02.png = 05.png"]),
    "likeness": (spoil_likeness, ["1 times photos that look the same, in different splits: 02.png = 05.jpg"]),
    "rows": (spoil_rows, ["1 photos without a row in the table: extra.png", "1 rows without a photo: 04"]),
    "link": (spoil_link, ["1 photos cannot be used (a link that leads nowhere): 04.png"]),
    "constant": (change_table(lambda row: row[:-1] + "1"), ["Young is 1 in all photos of train"]),
    "person": (change_table(lambda row: row.replace(",p5,", ",p2,")), ["1 people are in more than one split: p2"]),
    "no test": (change_table(lambda row: row.replace(",test,", ",train,")), ["no photo is in the split test"]),
    "table": (change_table(lambda row: row + ",1"), ["cannot be prepared"]),
}


@pytest.mark.parametrize("what", SPOILED)
def test_what_is_wrong_is_found(folder, what):
    """Broken: one of the usual faults of own data is not found, or a single one is reported as several."""
    spoil, expected = SPOILED[what]
    spoil(folder)
    found = problems(examine_folder(folder, 64, faces=False))
    assert len(found) == len(expected), found
    for text, message in zip(expected, found, strict=True):
        assert text in message


def test_other_files_are_facts(folder):
    """Broken: a text file beside the photos makes the exit code 1, or is not mentioned."""
    (folder / "notes.txt").write_text("x")
    found = examine_folder(folder, 64, faces=False)
    assert problems(found) == []
    assert any("1 not read, not a photo by its name" in str(f) and "notes.txt" in str(f) for f in found)


def test_leaks_and_damage_of_a_prepared_set(folder, tmp_path):
    """Broken: a leak between splits, an interrupted preparation or a damaged file of a data set is not found."""
    spoil_leak(folder)
    prepare_folder(folder, tmp_path / "out", 32, progress=False)
    found = examine_prepared(tmp_path / "out")
    assert len(problems(found)) == 1
    assert "in different splits: 02 = 05" in problems(found)[0]
    assert any("no licence" in str(f) for f in found)
    (tmp_path / "out" / ".partial").mkdir()
    shard = next((tmp_path / "out" / "32px" / "1.0.0").glob("*train*"))
    shard.write_bytes(shard.read_bytes()[:1000])
    found = problems(examine_prepared(tmp_path / "out"))
    assert any("interrupted" in problem for problem in found)
    assert any("32 px cannot be read" in problem and "damaged" in problem for problem in found)


def test_a_split_without_photos_is_no_damage(folder, tmp_path):
    """Broken: a data set none of whose validation photos was usable is called damaged, once per resolution."""
    prepare_folder(folder, tmp_path / "out", 16, license="CC0", progress=False)
    for path in (tmp_path / "out").glob("*/1.0.0/metadata.json"):
        content = json.loads(path.read_text())
        content["counts"]["validation"] = 0
        path.write_text(json.dumps(content))
    assert not [problem for problem in problems(examine_prepared(tmp_path / "out")) if "cannot be read" in problem]


def test_resolutions_of_different_photos(folder, tmp_path):
    """Broken: phases of one training see different photos under one number, unnoticed."""
    prepare_folder(folder, tmp_path / "out", 16, license="CC0", progress=False)
    metadata = tmp_path / "out" / "8px" / "1.0.0" / "metadata.json"
    text = metadata.read_text()
    at = text.index("records_sha256") + 20
    metadata.write_text(text[:at] + ("0" if text[at] != "0" else "1") + text[at + 1 :])
    assert any("not all resolutions" in problem for problem in problems(examine_prepared(tmp_path / "out")))
