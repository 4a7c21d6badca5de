"""CelebAMask-HQ and CelebA in miniature: splits, corrections, and errors that say which file is wrong."""

import io
from pathlib import Path

import numpy as np
import pytest
import tensorflow_datasets as tfds
from array_record.python.array_record_module import ArrayRecordWriter
from photo_folders import celeba_table, picture, write_photos
from tensorflow_datasets.core.dataset_info import DatasetIdentity
from tensorflow_datasets.core.splits import SplitDict

from fec_jax.data.attributes import CELEBA
from fec_jax.data.builders import celebamask_hq
from fec_jax.data.prepare import prepare_celeb_a, prepare_celebamask_hq
from fec_jax.data.source import open_source
from fec_jax.types import UserError


def celebamask_hq_folder(root: Path, count: int = 30) -> Path:
    """Image i is CelebA's image 100 + 7 i; CelebA's partition goes by blocks of that number."""
    names = [f"{i}.jpg" for i in range(count)]
    write_photos(root / "CelebA-HQ-img", names, 64)
    (root / "CelebAMask-HQ-attribute-anno.txt").write_text(celeba_table(names, gap="  "))
    rows = [f"{i:<11}{99 + 7 * i:<11}{100 + 7 * i:06d}.jpg" for i in range(count)]
    (root / "CelebA-HQ-to-CelebA-mapping.txt").write_text("\n".join(["idx orig_idx orig_file", *rows]) + "\n")
    partition = [f"{n:06d}.jpg {0 if n < 200 else 1 if n < 250 else 2}" for n in range(1, 400)]
    (root / "list_eval_partition.txt").write_text("\n".join(partition) + "\n")
    return root


def test_celebamask_hq_takes_the_split_of_the_original(tmp_path):
    """Breaks if the mapping is off by one or ignored: the same person could be in train and in test."""
    report = prepare_celebamask_hq(celebamask_hq_folder(tmp_path / "hq"), tmp_path / "out", 8, progress=False)
    assert report.attribute_names == CELEBA
    assert report.counts == {"train": 15, "validation": 7, "test": 8}
    for split, expected in (("train", range(15)), ("validation", range(15, 22)), ("test", range(22, 30))):
        source = open_source(tmp_path / "out", 8, split)
        assert sorted(map(int, source.ids(range(len(source))))) == list(expected)
        images, attrs = source.load(range(len(source)))
        for name, image, row in zip(source.ids(range(len(source))), images, attrs, strict=True):
            number, male = int(name), CELEBA.index("Male")
            labels = [(number + a) % 3 == 0 for a in range(40)]
            labels[male] ^= number in (23, 29)
            np.testing.assert_array_equal(row, labels)
            np.testing.assert_allclose(image, np.asarray(picture(number, 64).reduce(8)), atol=12)  # JPEG
    assert "non-commercial" in open_source(tmp_path / "out", 8).license


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda p: (p / "CelebA-HQ-to-CelebA-mapping.txt").unlink(), "has no CelebA-HQ-to-CelebA-mapping.txt"),
        (lambda p: (p / "list_eval_partition.txt").unlink(), "does not exist: copy list_eval_partition.txt there"),
        (lambda p: (p / "list_eval_partition.txt").write_text("000100.jpg 0\n"), "has no row for 000107.jpg"),
        (lambda p: (p / "CelebA-HQ-to-CelebA-mapping.txt").write_text("0 99 000100.jpg\n"), "no row for image 1"),
        (lambda p: [f.unlink() for f in (p / "CelebA-HQ-img").iterdir()], "has none of the images"),
    ],
)
def test_celebamask_hq_with_a_wrong_file(tmp_path, spoil, message):
    """Breaks if an incomplete download ends in a traceback or in a set split at random."""
    root = celebamask_hq_folder(tmp_path / "hq", 5)
    spoil(root)
    with pytest.raises(UserError, match=message):
        prepare_celebamask_hq(root, tmp_path / "out", 4, progress=False)


def test_whole_celeba_hq_must_have_the_known_counts(tmp_path, monkeypatch):
    """Breaks if a partition file that is not CelebA's is used for the real 30,000."""
    monkeypatch.setattr(celebamask_hq, "WHOLE", 30)
    with pytest.raises(UserError, match=r"instead of .*24183"):
        celebamask_hq.list_celebamask_hq(celebamask_hq_folder(tmp_path / "hq"))
    monkeypatch.setattr(celebamask_hq, "COUNTS", {"train": 15, "validation": 7, "test": 8})
    assert len(celebamask_hq.list_celebamask_hq(tmp_path / "hq").photos) == 30
    assert sum([24_183, 2_993, 2_824]) == 30_000


def test_celeb_a_folder(tmp_path):
    """Breaks if CelebA's own folder is not read, not cropped to its centre, or not split as CelebA says."""
    names = [f"{i:06d}.jpg" for i in range(1, 13)]
    write_photos(tmp_path / "img_align_celeba", names, 178, 218)
    (tmp_path / "list_attr_celeba.txt").write_text(celeba_table(names))
    with pytest.raises(UserError, match=r"no list_eval_partition\.txt"):
        prepare_celeb_a(tmp_path, tmp_path / "out", 16, progress=False)
    (tmp_path / "list_eval_partition.txt").write_text("".join(f"{n} {i % 3}\n" for i, n in enumerate(names)))
    report = prepare_celeb_a(tmp_path, tmp_path / "out", 16, progress=False)
    assert report.counts == {"train": 4, "validation": 4, "test": 4}
    source = open_source(tmp_path / "out", 16, "train")
    assert sorted(source.ids(range(4))) == ["000001", "000004", "000007", "000010"]
    at = source.ids(range(4)).index("000004")
    expected = picture(3, 178, 218).crop((0, 20, 178, 198)).resize((16, 16))
    np.testing.assert_allclose(source.load([at])[0][0], np.asarray(expected), atol=16)


@pytest.mark.parametrize(
    ("images", "given"),
    [
        ("Img/img_align_celeba", "."),
        ("Img/img_align_celeba/img_align_celeba", "."),
        ("Img/img_align_celeba_png", "."),
        ("img_align_celeba", "."),
        ("Img/img_align_celeba", "Img/img_align_celeba"),
        ("Img/img_align_celeba/img_align_celeba", "Img/img_align_celeba/img_align_celeba"),
    ],
)
def test_celeb_a_download(tmp_path, images, given):
    """Broken: CelebA as it is downloaded (Anno, Eval, Img) has to be rearranged by hand."""
    names = [f"{i:06d}.jpg" for i in range(1, 13)]
    suffix = ".png" if images.endswith("png") else ".jpg"
    write_photos(tmp_path / images, [name.replace(".jpg", suffix) for name in names], 178, 218)
    (tmp_path / "Anno").mkdir()
    (tmp_path / "Eval").mkdir()
    (tmp_path / "Anno" / "list_attr_celeba.txt").write_text(celeba_table(names))
    (tmp_path / "Anno" / "identity_CelebA.txt").write_text("000001.jpg 2880\n")
    partition = tmp_path / "Eval" / "list_eval_partition.txt"
    partition.write_text("".join(f"{n} {i % 3}\n" for i, n in enumerate(names)))
    report = prepare_celeb_a(tmp_path / given, tmp_path / "out", 16, progress=False)
    assert report.counts == {"train": 4, "validation": 4, "test": 4}
    assert report.attribute_names == CELEBA


def test_celeb_a_still_packed(tmp_path):
    """Broken: the download with its zip still packed is said to hold nothing."""
    (tmp_path / "Img").mkdir()
    (tmp_path / "Img" / "img_align_celeba.zip").write_bytes(b"PK")
    with pytest.raises(UserError, match=r"unpack .*img_align_celeba\.zip"):
        prepare_celeb_a(tmp_path, tmp_path / "out", 16, progress=False)


def write_tfds_celeb_a(folder: Path, file_format: str = "array_record") -> Path:
    """A data set with TFDS `celeb_a`'s features: JPEG images of 218 x 178, a dict of boolean attributes."""
    folder.mkdir(parents=True)
    features = tfds.features.FeaturesDict(
        {
            "attributes": dict.fromkeys(CELEBA, np.bool_),
            "image": tfds.features.Image(shape=(218, 178, 3), encoding_format="jpeg"),
        }
    )
    infos = []
    for split, count in (("train", 4), ("validation", 2), ("test", 2)):
        writer = ArrayRecordWriter(str(folder / f"celeb_a-{split}.{file_format}-00000-of-00001"), "group_size:1")
        for i in range(count):
            buffer = io.BytesIO()
            picture(i, 178, 218).save(buffer, "JPEG")
            labels = {name: (i + a) % 3 == 0 for a, name in enumerate(CELEBA)}
            example = features.encode_example({"image": buffer.getvalue(), "attributes": labels})
            writer.write(features.serialize_example(example))
        writer.close()
        template = tfds.core.ShardedFileTemplate(
            data_dir=folder, dataset_name="celeb_a", split=split, filetype_suffix=file_format
        )
        infos.append(tfds.core.SplitInfo(name=split, shard_lengths=[count], num_bytes=1, filename_template=template))
    identity = DatasetIdentity(name="celeb_a", version=tfds.core.Version("2.1.0"), data_dir=str(folder), module_name="")
    info = tfds.core.DatasetInfo(builder=identity, features=features)
    info.set_file_format(file_format)
    info.set_splits(SplitDict(infos))
    info.write_to_directory(folder)
    return folder


def test_tfds_celeb_a(tmp_path):
    """Breaks if a TFDS celeb_a in array_record is not read: images, splits, or labels under another name."""
    root = write_tfds_celeb_a(tmp_path / "celeb_a" / "2.1.0")
    report = prepare_celeb_a(root, tmp_path / "out", 16, keep=["Young", "Bald"], progress=False)
    assert report.counts == {"train": 4, "validation": 2, "test": 2}
    source = open_source(tmp_path / "out", 16, "train")
    images, attrs = source.load(range(4))
    for name, image, row in zip(source.ids(range(4)), images, attrs, strict=True):
        number = int(name.removeprefix("train-"))
        assert tuple(row) == ((number + 39) % 3 == 0, (number + 4) % 3 == 0)
        expected = picture(number, 178, 218).crop((0, 20, 178, 198)).resize((16, 16))
        np.testing.assert_allclose(image, np.asarray(expected), atol=16)


def test_tfds_celeb_a_in_another_format(tmp_path):
    """Breaks if TFDS's default format, which needs TensorFlow, ends in an import error instead of advice."""
    root = write_tfds_celeb_a(tmp_path / "celeb_a" / "2.1.0", "tfrecord")
    with pytest.raises(UserError, match="not in array_record: convert it"):
        prepare_celeb_a(root, tmp_path / "out", 16, progress=False)


def test_celeb_a_that_is_neither(tmp_path):
    """Breaks if a wrong folder ends in a traceback."""
    with pytest.raises(UserError, match=r"neither img_align_celeba.* nor dataset_info\.json"):
        prepare_celeb_a(tmp_path, tmp_path / "out", 16, progress=False)
