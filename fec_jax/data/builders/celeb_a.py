"""CelebA, aligned and cropped (178 x 218): from its own folder, or from the TFDS data set `celeb_a` in array_record.

Both give the centre square, 178 x 178, averaged down to the resolution; 178 px is not a multiple of 64 or 128, so the
average is a box filter (`photo.shrink`).
"""

from functools import partial
from pathlib import Path
from typing import Any

import tensorflow_datasets as tfds

from fec_jax.data.attributes import CELEBA, SPLITS, read_partition, read_table
from fec_jax.data.builders.listing import Listing, Photo, join
from fec_jax.data.builders.scan import existing_folder, photos_in
from fec_jax.types import UserError

IMAGES = "img_align_celeba"
TABLE = "list_attr_celeba"
PARTITION = "list_eval_partition"
IMAGE_PLACES = tuple(f"{a}{b}" for a in ("", "Img/") for b in (f"{IMAGES}/{IMAGES}", IMAGES, f"{IMAGES}_png"))
_TABLE_PLACES = ("", "Anno/", "Eval/")
_ABOUT: dict[str, Any] = {
    "kind": "celeb_a",
    "description": "CelebA, aligned and cropped, centre square of 178 px, with its 40 attributes and its own split.",
    "license": "CelebA: non-commercial research only",
    "homepage": "https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html",
    "citation": "Liu, Luo, Wang, Tang. Deep Learning Face Attributes in the Wild. ICCV 2015.",
}


def list_celeb_a(src: Path | str) -> Listing:
    """Lists CelebA from one of three places.

    - its download: `Img/img_align_celeba/` (the zip there unpacked; or `img_align_celeba_png/`),
      `Anno/list_attr_celeba.txt`, `Eval/list_eval_partition.txt`; the folder above these, or that of the images;
    - the same three beside each other (the tables also as `.csv`, as some mirrors have them);
    - a TFDS folder (`.../celeb_a/2.1.0`, the one with `dataset_info.json`) written with `file_format="array_record"`.

    Raises `UserError` when `src` is neither, or when a file is missing or does not fit.
    """
    given = existing_folder(src, "the CelebA folder")
    if (given / "dataset_info.json").is_file():
        return _from_tfds(given)
    root, images = _images(given)
    table_path, partition_path = _table_file(root, TABLE), _table_file(root, PARTITION)
    table, partition = read_table(table_path), read_partition(partition_path)
    unsplit = next((name for name in table.ids if name not in partition), None)
    if unsplit is not None:
        raise UserError(f"{partition_path} has no row for {unsplit}.jpg, which {table_path.name} labels")
    listing = join(photos_in(images), table, [partition[name] for name in table.ids], **_ABOUT)
    if not listing.photos:
        raise UserError(f"{images} has none of the images that {table_path.name} labels (000001.jpg, ...)")
    return listing


def _images(given: Path) -> tuple[Path, Path]:
    """CelebA's own folder, and the one with its images in it; `given` may be either."""
    for place in IMAGE_PLACES:
        if (given / place).is_dir():
            return given, given / place
    names = (IMAGES, f"{IMAGES}_png", "Img")
    above = given.resolve()
    if above.name in names[:2]:
        while above.name in names:
            above = above.parent
        return above, given
    packed = next((p for p in (given / f"{IMAGES}.zip", given / "Img" / f"{IMAGES}.zip") if p.is_file()), None)
    if packed is not None:
        raise UserError(f"the images are still packed: unpack {packed} in its folder ({packed.parent})")
    raise UserError(
        f"{given} has neither {IMAGES}/ nor Img/{IMAGES}/ (CelebA's download) nor dataset_info.json (TFDS celeb_a in "
        "array_record)"
    )


def _table_file(root: Path, stem: str) -> Path:
    for suffix in (".txt", ".csv"):
        for place in _TABLE_PLACES:
            if (root / f"{place}{stem}{suffix}").is_file():
                return root / f"{place}{stem}{suffix}"
    raise UserError(f"{root} has no {stem}.txt, nor in Anno/ or Eval/: it is part of CelebA's download")


def _from_tfds(root: Path) -> Listing:
    builder: Any = tfds.builder_from_directory(root)
    features = builder.info.features
    if features is None or "image" not in features or "attributes" not in features:
        raise UserError(f"{root} holds the TFDS data set {builder.name}, not celeb_a")
    if builder.info.file_format != tfds.core.FileFormat.ARRAY_RECORD:
        raise UserError(
            f"{root} is not in array_record: convert it with "
            "`python -m tensorflow_datasets.scripts.convert_format`, or prepare it with file_format='array_record'"
        )
    photos: list[Photo] = []
    names: tuple[str, ...] = CELEBA
    for split in (split for split in SPLITS if split in builder.info.splits):
        records = builder.as_data_source(split, decoders={"image": tfds.decode.SkipDecoding()})
        for index in range(len(records)):
            labels = records[index]["attributes"]
            names = tuple(sorted(labels))
            photos.append(
                Photo(
                    f"{split}-{index:06d}", split, tuple(int(labels[n]) for n in names), partial(_bytes, records, index)
                )
            )
    if not photos:
        raise UserError(f"{root} has none of the splits {', '.join(SPLITS)}")
    return Listing(photos=tuple(photos), attribute_names=names, **_ABOUT)


def _bytes(records: Any, index: int) -> bytes:
    return records[index]["image"]
