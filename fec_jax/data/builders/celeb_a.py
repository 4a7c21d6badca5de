"""CelebA, aligned and cropped (178 x 218): from its own folder, or from the TFDS data set `celeb_a` in array_record.

Both give the centre square, 178 x 178, averaged down to the resolution; 178 px is not a multiple of 64 or 128, so the
average is a box filter (`photo.shrink`).
"""

from functools import partial
from pathlib import Path
from typing import Any

import tensorflow_datasets as tfds

from fec_jax.data.attributes import CELEBA, SPLITS, read_partition, read_table
from fec_jax.data.builders.listing import Listing, Photo, existing_folder, join, photos_in
from fec_jax.types import UserError

IMAGES = "img_align_celeba"
TABLE = "list_attr_celeba"
PARTITION = "list_eval_partition"
_ABOUT: dict[str, Any] = {
    "description": "CelebA, aligned and cropped, centre square of 178 px, with its 40 attributes and its own split.",
    "license": "CelebA: non-commercial research only",
    "homepage": "https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html",
    "citation": "Liu, Luo, Wang, Tang. Deep Learning Face Attributes in the Wild. ICCV 2015.",
}


def list_celeb_a(src: Path | str) -> Listing:
    """Lists CelebA from either of two places.

    - its own folder: `img_align_celeba/`, `list_attr_celeba.txt`, `list_eval_partition.txt` (or the two tables as
      `.csv`, as some mirrors have them);
    - a TFDS folder (`.../celeb_a/2.1.0`, the one with `dataset_info.json`) written with `file_format="array_record"`.

    Raises `UserError` when `src` is neither, or when a file is missing or does not fit.
    """
    root = existing_folder(src, "the CelebA folder")
    if (root / "dataset_info.json").is_file():
        return _from_tfds(root)
    images = next((p for p in (root / IMAGES / IMAGES, root / IMAGES) if p.is_dir()), None)
    if images is None:
        raise UserError(
            f"{root} has neither {IMAGES}/ (CelebA's own folder) nor dataset_info.json (TFDS celeb_a in array_record)"
        )
    table_path, partition_path = _table_file(root, TABLE), _table_file(root, PARTITION)
    table, partition = read_table(table_path), read_partition(partition_path)
    unsplit = next((name for name in table.ids if name not in partition), None)
    if unsplit is not None:
        raise UserError(f"{partition_path} has no row for {unsplit}.jpg, which {table_path.name} labels")
    photos, unlabelled, absent = join(photos_in(images), table, [partition[name] for name in table.ids])
    if not photos:
        raise UserError(f"{images} has none of the images that {table_path.name} labels (000001.jpg, ...)")
    return Listing(
        "celeb_a", photos, attribute_names=table.names, unlabelled=unlabelled, absent_photos=absent, **_ABOUT
    )


def _table_file(root: Path, stem: str) -> Path:
    for suffix in (".txt", ".csv"):
        if (root / f"{stem}{suffix}").is_file():
            return root / f"{stem}{suffix}"
    raise UserError(f"{root} has no {stem}.txt: it is part of CelebA's download")


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
    return Listing("celeb_a", tuple(photos), attribute_names=names, **_ABOUT)


def _bytes(records: Any, index: int) -> bytes:
    return records[index]["image"]
