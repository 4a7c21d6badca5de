"""`fec prepare`: what comes out, what happens to bad photos, and what an interruption costs."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow_datasets as tfds
from photo_folders import celeba_table, photo_folder, picture, truncate, write_photos

from fec_jax.data.builders import records
from fec_jax.data.builders.listing import hash_split
from fec_jax.data.prepare import prepare_folder
from fec_jax.data.source import open_source
from fec_jax.types import UserError

CONGRESS = Path(__file__).parents[2].parent / "shared" / "data" / "congress_faces"


def test_every_power_of_two_with_the_same_photos_and_labels(tmp_path):
    """Breaks if a phase has no data, record i is another photo at another resolution, or labels lose their photo."""
    report = prepare_folder(photo_folder(tmp_path / "src"), tmp_path / "out", 16, progress=False)
    assert report.resolutions == (4, 8, 16)
    assert report.counts == {"train": 15, "test": 5}
    assert report.attribute_names == ("Male", "Bald")
    assert report.unreadable == ()
    orders = []
    for px in report.resolutions:
        source = open_source(tmp_path / "out", px)
        images, attrs = source.load(range(len(source)))
        ids = source.ids(range(len(source)))
        orders.append(ids)
        for name, image, labels in zip(ids, images, attrs, strict=True):
            number = int(name[1:])
            k = 32 // px
            pooled = np.asarray(picture(number), np.float64).reshape(px, k, px, k, 3).mean(axis=(1, 3))
            np.testing.assert_allclose(image, pooled, atol=0.51)
            assert tuple(labels) == (number & 1, number >> 1 & 1)
    assert orders[0] == orders[1] == orders[2]
    assert orders[0] != sorted(orders[0])
    assert not (tmp_path / "out" / ".partial").exists()


def test_tfds_opens_the_result_by_name(tmp_path):
    """Breaks if the folder is not a data set in TFDS's layout, with licence, counts and names in its description."""
    prepare_folder(photo_folder(tmp_path / "src"), tmp_path / "My faces", 8, license="CC0", progress=False)
    builder = tfds.builder_from_directory(tmp_path / "My faces" / "8px" / "1.0.0")
    assert builder.info.full_name == "my_faces/8px/1.0.0"
    assert builder.info.splits["train"].num_examples == 15
    assert builder.info.metadata["attribute_names"] == ["Male", "Bald"]
    assert builder.info.metadata["counts"] == {"train": 15, "test": 5}
    assert "CC0" in str(builder.info.redistribution_info)
    assert builder.as_data_source("test")[0]["image"].shape == (8, 8, 3)
    prepare_folder(photo_folder(tmp_path / "again"), tmp_path / "My faces", 8, license="CC BY 4.0", progress=False)
    builder = tfds.builder_from_directory(tmp_path / "My faces" / "8px" / "1.0.0")
    assert "CC BY 4.0" in str(builder.info.redistribution_info)
    assert open_source(tmp_path / "My faces", 8).license == "CC BY 4.0", "a licence given later is lost"
    (tmp_path / "My faces").rename(tmp_path / "my_faces")
    assert tfds.builder("my_faces/8px", data_dir=tmp_path).info.splits["test"].num_examples == 5


def test_bad_photos_are_left_out_and_reported(tmp_path):
    """Breaks if a damaged photo is trained on, stops the run, or disappears without a word."""
    src = photo_folder(tmp_path / "src", count=40)
    truncate(src / "images" / "p05.png")
    (src / "images" / "stranger.png").write_bytes((src / "images" / "p01.png").read_bytes())
    (src / "images" / "p06.png").unlink()
    report = prepare_folder(src, tmp_path / "out", 8, progress=False)
    assert [name for name, _ in report.unreadable] == ["p05.png"]
    assert "damaged" in report.unreadable[0][1]
    assert report.unlabelled == ("stranger.png",)
    assert report.absent_photos == ("p06",)
    assert sum(report.counts.values()) == 38
    assert json.loads((tmp_path / "out" / "report.json").read_text())["unreadable"][0][0] == "p05.png"
    source = open_source(tmp_path / "out", 8)
    assert not {"p05", "p06", "stranger"} & set(source.ids(range(len(source))))
    assert any("p05.png" in line for line in report.lines())


def test_too_many_bad_photos_refuse(tmp_path):
    """Breaks if a half-downloaded folder is taken for a data set."""
    src = photo_folder(tmp_path / "src")
    for number in (1, 2):
        truncate(src / "images" / f"p{number:02d}.png")
    with pytest.raises(UserError, match=r"2 of 20 photos cannot be used, more than 5% \(first: p0"):
        prepare_folder(src, tmp_path / "out", 8, progress=False)
    assert len(json.loads((tmp_path / "out" / "report.json").read_text())["unreadable"]) == 2
    assert records.resolutions_in(tmp_path / "out") == []
    report = prepare_folder(src, tmp_path / "out", 8, max_unreadable=0.2, progress=False)
    assert sum(report.counts.values()) == 18


def test_resolution_above_the_photos(tmp_path):
    """Breaks if photos are enlarged silently."""
    with pytest.raises(UserError, match=r"its square has 32 px, fewer than the 64 px.*smaller --resolution"):
        prepare_folder(photo_folder(tmp_path / "src"), tmp_path / "out", 64, progress=False)


@pytest.mark.parametrize("resolutions", [48, 2, 2048, []])
def test_wrong_resolutions(tmp_path, resolutions):
    """Breaks if a resolution that no phase can use is prepared."""
    with pytest.raises(UserError, match="resolution"):
        prepare_folder(photo_folder(tmp_path / "src"), tmp_path / "out", resolutions, progress=False)


def test_finished_resolutions_are_left_alone_and_larger_ones_added(tmp_path):
    """Breaks if a second run makes everything again, or forgets what the first one reported."""
    src = photo_folder(tmp_path / "src", count=40)
    truncate(src / "images" / "p05.png")
    prepare_folder(src, tmp_path / "out", 8, progress=False)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out" / "8px").rglob("*.array_record*")}
    again = prepare_folder(src, tmp_path / "out", 8, progress=False)
    assert again.already_done == (4, 8)
    assert [name for name, _ in again.unreadable] == ["p05.png"]
    more = prepare_folder(src, tmp_path / "out", [16, 4], progress=False)
    assert (more.already_done, more.resolutions) == ((4, 8), (4, 8, 16))
    assert before == {path: path.stat().st_mtime_ns for path in before}
    assert open_source(tmp_path / "out", 4).ids(range(29)) == open_source(tmp_path / "out", 16).ids(range(29))


def test_larger_resolution_that_would_hold_other_photos(tmp_path):
    """Breaks if record i may be one photo at 16 px and another at 32 px, because some photos are too small for 32."""
    src = photo_folder(tmp_path / "src", count=40)
    picture(3, 24).save(src / "images" / "p03.png")
    prepare_folder(src, tmp_path / "out", 16, progress=False)
    with pytest.raises(UserError, match=r"holds other photos than 32 px would.*another --out"):
        prepare_folder(src, tmp_path / "out", 32, progress=False)


def test_out_with_another_data_set(tmp_path):
    """Breaks if changed photos or labels are mixed with earlier ones, or a file is overwritten."""
    src = photo_folder(tmp_path / "src")
    prepare_folder(src, tmp_path / "out", 8, progress=False)
    with pytest.raises(UserError, match="made from other photos or labels"):
        prepare_folder(src, tmp_path / "out", 8, keep=["Bald"], progress=False)
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="is a file"):
        prepare_folder(src, tmp_path / "file", 8, progress=False)


def test_out_that_cannot_be_written(tmp_path):
    """Breaks if a path below a file ends in a traceback."""
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="cannot write to"):
        prepare_folder(photo_folder(tmp_path / "src"), tmp_path / "file" / "out", 8, progress=False)


def test_full_disk(tmp_path):
    """Breaks if a full disk ends in a traceback or in a data set that looks finished. The limit stands for the disk."""
    script = f"""
import resource, signal, sys
from fec_jax.data.prepare import prepare_folder
from fec_jax.types import UserError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    prepare_folder({str(photo_folder(tmp_path / "src", count=60))!r}, {str(tmp_path / "out")!r}, 32, progress=False)
except UserError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120)
    assert "cannot write to" in done.stdout, done.stderr
    assert "File too large; run the same command again" in done.stdout
    assert done.stdout.count("\n") == 1
    assert records.resolutions_in(tmp_path / "out") == []
    prepare_folder(tmp_path / "src", tmp_path / "out", 32, progress=False)
    assert len(open_source(tmp_path / "out", 32)) == 45


def test_keep_selects_attributes(tmp_path):
    """Breaks if `--keep` loses the order asked for or accepts an unknown name."""
    src = photo_folder(tmp_path / "src", attributes=("Male", "Bald", "Young"))
    with pytest.raises(UserError, match="no attribute Hat; it has: Male, Bald, Young"):
        prepare_folder(src, tmp_path / "out", 4, keep=["Hat"], progress=False)
    report = prepare_folder(src, tmp_path / "out", 4, keep=["Young", "Male"], progress=False)
    assert report.attribute_names == ("Young", "Male")
    source = open_source(tmp_path / "out", 4)
    labels = source.load(range(len(source)))[1]
    numbers = np.array([int(name[1:]) for name in source.ids(range(len(source)))])
    np.testing.assert_array_equal(labels, np.stack([numbers >> 2 & 1, numbers & 1], 1))


def test_celeba_format_and_hash_split(tmp_path):
    """Breaks if a folder with a table in CelebA's format, photos beside it and no split column cannot be prepared."""
    names = [f"{i}.jpg" for i in range(60)]
    write_photos(tmp_path / "src", names, 40, 50)
    (tmp_path / "labels.txt").write_text(celeba_table(names, gap="  "))
    report = prepare_folder(tmp_path / "src", tmp_path / "out", 4, tmp_path / "labels.txt", progress=False)
    assert len(report.attribute_names) == 40
    test = {str(i) for i in range(60) if hash_split(str(i)) == "test"}
    assert report.counts["test"] == len(test)
    source = open_source(tmp_path / "out", 4, "test")
    assert set(source.ids(range(len(source)))) == test
    for name, row in zip(source.ids(range(len(source))), source.load(range(len(source)))[1], strict=True):
        np.testing.assert_array_equal(row, [(int(name) + a) % 3 == 0 for a in range(40)])


def test_folder_without_labels(tmp_path):
    """Breaks if plain completion (no attributes) needs a table."""
    write_photos(tmp_path / "src", [f"{i}.webp" for i in range(30)])
    prepare_folder(tmp_path / "src", tmp_path / "out", 4, progress=False)
    images, attrs = open_source(tmp_path / "out", 4).load([0, 1])
    assert (images.shape, attrs.shape) == ((2, 4, 4, 3), (2, 0))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda src: None, "does not exist"),
        (lambda src: src.touch(), "is a file, not a folder"),
        (lambda src: src.mkdir(), r"no photos \(\.jpg, .*\.gif\) in"),
        (lambda src: write_photos(src, ["a.png", "a.jpg"]), "same id"),
        (lambda src: _foreign_table(src), r"none of the 1 ids .*first: someone.*first: a\.png"),
    ],
)
def test_folders_that_hold_no_data_set(tmp_path, make, message):
    """Breaks if a wrong folder ends in a traceback or in an empty data set."""
    make(tmp_path / "src")
    with pytest.raises(UserError, match=message):
        prepare_folder(tmp_path / "src", tmp_path / "out", 4, progress=False)


def _foreign_table(src: Path) -> None:
    write_photos(src, ["a.png"])
    (src / "attributes.csv").write_text("image_id,Male\nsomeone,1\n")


def test_congress_faces(tmp_path):
    """Breaks if the real photos at hand cannot be prepared with their own split and names."""
    if not CONGRESS.is_dir():
        pytest.skip("the congress_faces folder is not beside this checkout")
    report = prepare_folder(CONGRESS, tmp_path / "congress", 8, progress=False)
    assert report.counts == {"train": 458, "test": 74}
    assert report.attribute_names == ("Male", "Smiling", "Eyeglasses", "Young", "Gray_Hair", "No_Beard", "Bald")
    assert report.unreadable == report.unlabelled == report.absent_photos == ()
    source = open_source(tmp_path / "congress", 8)
    images, attrs = source.load(range(len(source)))
    assert attrs.sum(axis=0).tolist() == [321, 387, 89, 170, 123, 401, 39]
    assert 90 < images.mean() < 160
    ids = source.ids(range(458))
    assert all(hash_split(name) != "test" for name in ids)
