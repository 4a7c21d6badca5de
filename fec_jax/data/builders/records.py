"""The records on disk: TFDS data sets in `array_record`, one config per resolution, written in resumable parts.

TFDS's own writer makes one config per pass and starts again after an interruption. Here one pass decodes every photo
once and writes all resolutions, shard by shard; what TFDS reads (`dataset_info.json`, `features.json`, the shards'
names) is made by TFDS's own classes, so `tfds.builder_from_directory` opens the result. The order of the records is
that of the SHA-1 of their ids: mixed, and the same at every resolution.
"""

import contextlib
import hashlib
import json
import math
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_datasets as tfds
from array_record.python.array_record_module import ArrayRecordWriter
from etils import epath
from tensorflow_datasets.core.dataset_info import DatasetIdentity
from tensorflow_datasets.core.splits import SplitDict

from fec_jax.data.attributes import SPLITS
from fec_jax.data.builders.listing import Listing, Photo

VERSION = "1.0.0"
FORMAT = "fec_jax records 1"
_SHARD_PHOTOS = 512  # what an interruption can cost; more on large sets, so that a split has at most 64 files
_MAX_SHARDS = 64


def config_dir(root: Path, resolution_px: int) -> Path:
    """Where the data set of one resolution lies: TFDS's own layout, <root>/<config>/<version>."""
    return root / f"{resolution_px}px" / VERSION


def features(resolution_px: int, num_attrs: int) -> tfds.features.FeaturesDict:
    """One record: `image` as PNG bytes, `attributes` as uint8 0/1, `id`."""
    return tfds.features.FeaturesDict(
        {
            "image": tfds.features.Image(shape=(resolution_px, resolution_px, 3), encoding_format="png"),
            "attributes": tfds.features.Tensor(shape=(num_attrs,), dtype=np.uint8),
            "id": tfds.features.Text(),
        }
    )


def shards(photos: Iterable[Photo]) -> dict[str, list[list[Photo]]]:
    """Cuts every split into its shards, in the order in which the records are written."""
    by_split: dict[str, list[Photo]] = {split: [] for split in SPLITS}
    for photo in photos:
        by_split[photo.split].append(photo)
    plan = {}
    for split, members in by_split.items():
        if members:
            members.sort(key=lambda photo: (hashlib.sha1(photo.id.encode()).digest(), photo.id))
            size = max(_SHARD_PHOTOS, math.ceil(len(members) / _MAX_SHARDS))
            plan[split] = [members[i : i + size] for i in range(0, len(members), size)]
    return plan


class ShardWriter:
    """Writes one shard of one resolution to a temporary name; `commit` gives it its own."""

    def __init__(self, path: Path, resolution_px: int, num_attrs: int):
        self._path = path
        self._temporary = path.with_name(f"{path.name}.writing-{os.getpid()}")
        self._features = features(resolution_px, num_attrs)
        self._writer = ArrayRecordWriter(os.fspath(self._temporary), "group_size:1")
        self.num_bytes = 0

    def write(self, photo: Photo, png: bytes) -> None:
        example = {"image": png, "attributes": np.asarray(photo.attrs, np.uint8), "id": photo.id}
        record: Any = self._features.serialize_example(self._features.encode_example(example))
        with _disk_errors():
            self._writer.write(record)
        self.num_bytes += len(record)

    def commit(self) -> None:
        """Closes the file, makes sure that it is on the disk, and renames it to its final name."""
        with _disk_errors():
            self._writer.close()
        with open(self._temporary, "rb") as file:
            os.fsync(file.fileno())
        os.replace(self._temporary, self._path)

    def abandon(self) -> None:
        """Closes and removes the unfinished file."""
        with contextlib.suppress(RuntimeError):  # an unfinished file is not kept
            self._writer.close()
        self._temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def _disk_errors() -> Iterator[None]:
    """The array_record library reports a full disk as RuntimeError, with the path and more behind a semicolon."""
    try:
        yield
    except RuntimeError as error:
        raise OSError(str(error).split(";")[0]) from None


def shard_path(folder: Path, name: str, split: str, index: int, count: int) -> Path:
    """TFDS's name of a shard."""
    return folder / f"{name}-{split}.array_record-{index:05d}-of-{count:05d}"


def write_info(
    folder: Path,
    name: str,
    listing: Listing,
    resolution_px: int,
    lengths: Mapping[str, Sequence[int]],
    num_bytes: dict[str, int],
    records_sha256: str,
) -> None:
    """Writes TFDS's description of finished shards: `lengths[split]` records per shard, `num_bytes[split]` in all.

    `records_sha256` tells which photos became records, in which order: equal at two resolutions that belong together.
    """
    info = tfds.core.DatasetInfo(
        builder=DatasetIdentity(
            name=name,
            version=tfds.core.Version(VERSION),
            data_dir=os.fspath(folder),
            module_name="",
            config_name=f"{resolution_px}px",
            config_description=f"square photos of {resolution_px} px, made once from full size by average pooling",
        ),
        features=features(resolution_px, len(listing.attribute_names)),
        description=listing.description,
        license=listing.license,
        homepage=listing.homepage or None,
        citation=listing.citation or None,
        metadata=tfds.core.MetadataDict(
            format=FORMAT,
            kind=listing.kind,
            license=listing.license,
            resolution_px=resolution_px,
            attribute_names=list(listing.attribute_names),
            counts={split: int(sum(of_split)) for split, of_split in lengths.items()},
            fingerprint=listing.fingerprint(),
            records_sha256=records_sha256,
        ),
    )
    info.set_file_format(tfds.core.FileFormat.ARRAY_RECORD)
    info.set_splits(
        SplitDict(
            [
                tfds.core.SplitInfo(
                    name=split,
                    shard_lengths=list(of_split),
                    num_bytes=num_bytes[split],
                    filename_template=tfds.core.ShardedFileTemplate(
                        data_dir=epath.Path(folder), dataset_name=name, split=split, filetype_suffix="array_record"
                    ),
                )
                for split, of_split in lengths.items()
                if sum(of_split)
            ]
        )
    )
    info.write_to_directory(folder)


def read_metadata(root: Path, resolution_px: int) -> dict[str, Any] | None:
    """The metadata of a finished resolution, or None when `root` has no data set of this project at that resolution."""
    try:
        metadata = json.loads((config_dir(root, resolution_px) / "metadata.json").read_text())
    except (OSError, ValueError):
        return None
    return metadata if isinstance(metadata, dict) and metadata.get("format") == FORMAT else None


def resolutions_in(root: Path) -> list[int]:
    """The resolutions that are prepared and whole in `root`, ascending."""
    names = [p.name.removesuffix("px") for p in root.iterdir()] if root.is_dir() else []
    return sorted(int(name) for name in names if name.isdecimal() and read_metadata(root, int(name)) is not None)
