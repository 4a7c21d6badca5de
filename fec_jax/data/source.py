"""Data sources: the `Source` protocol, and the one that reads data sets of `fec prepare`."""

import contextlib
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import tensorflow_datasets as tfds

from fec_jax.data.attributes import select
from fec_jax.data.builders import records
from fec_jax.data.builders.photo import from_png
from fec_jax.types import HostAttrs, HostImages, UserError, one_line

MOST_FITTED = 4096
FITTED_BYTES = 2**30
"""Statistics are fitted to so many photos at the most, and to so many bytes of them (340 photos of 1024 px): all of
them lie in memory, and so may their features."""
_KEEP_BYTES = 256 * 2**20


@runtime_checkable
class Source(Protocol):
    """Random access to labelled square images of one resolution.

    `load` is thread-safe and deterministic; indices lie in [0, len). It gives images `uint8 [n, r, r, 3]` and labels
    `uint8 [n, a]` of 0/1, in the order of `attribute_names`. `fingerprint` differs where ids, splits or labels do.
    """

    @property
    def name(self) -> str: ...
    @property
    def resolution_px(self) -> int: ...
    @property
    def attribute_names(self) -> tuple[str, ...]: ...
    @property
    def license(self) -> str: ...
    @property
    def fingerprint(self) -> str: ...
    def __len__(self) -> int: ...
    def load(self, indices: Sequence[int] | np.ndarray) -> tuple[HostImages, HostAttrs]: ...


def load_to_fit(source: Source) -> tuple[HostImages, HostAttrs]:
    """What statistics are fitted to: all photos and labels, or the first ones of `fitted_count`, as `Source.load`."""
    return source.load(range(fitted_count(source)))


def fitted_count(source: Source) -> int:
    """How many photos statistics are fitted to."""
    return min(len(source), MOST_FITTED, max(1, FITTED_BYTES // (3 * source.resolution_px**2)))


class PreparedPhotos:
    """A split of a prepared data set at one resolution; made by `open_source`."""

    def __init__(
        self,
        data_source: Any,
        name: str,
        resolution_px: int,
        metadata: dict[str, Any],
        columns: list[int],
        folder: Path,
    ):
        self.name = name
        self.resolution_px = resolution_px
        self.attribute_names = tuple(metadata["attribute_names"][column] for column in columns)
        self.license = str(metadata["license"])
        self.fingerprint = str(metadata["fingerprint"])
        self._records = data_source
        self._folder = folder
        self._columns = columns
        # Decoded photos, where a split is small enough to keep: later epochs then cost a copy instead of a PNG decoder.
        shape = (len(data_source), resolution_px, resolution_px, 3)
        kept = math.prod(shape) <= _KEEP_BYTES
        self._images = np.empty(shape, np.uint8) if kept else None
        self._attrs = np.empty((len(data_source), len(columns)), np.uint8)
        self._known = np.zeros(len(data_source), bool)

    def __len__(self) -> int:
        return len(self._records)

    def ids(self, indices: Sequence[int] | np.ndarray) -> list[str]:
        """The photos' ids (their file names without the extension), to find an image again."""
        return [self._records[int(index)]["id"].decode() for index in indices]

    def load(self, indices: Sequence[int] | np.ndarray) -> tuple[HostImages, HostAttrs]:
        """See `Source.load`. Raises `IndexError` for an index outside [0, len)."""
        wanted = np.asarray(indices, np.int64)
        if wanted.size and not 0 <= wanted.min() <= wanted.max() < len(self):
            raise IndexError(f"records {wanted.min()} to {wanted.max()} of {len(self)}")
        if self._images is None:
            decoded = [self._decode(int(index)) for index in wanted]
            r = self.resolution_px
            images = np.stack([image for image, _ in decoded]) if decoded else np.empty((0, r, r, 3), np.uint8)
            return images, np.asarray([attrs for _, attrs in decoded], np.uint8).reshape(-1, len(self._columns))
        for index in wanted[~self._known[wanted]]:
            # Two threads may decode the same photo: they write the same bytes, and `_known` is set after them.
            self._images[index], self._attrs[index] = self._decode(int(index))
            self._known[index] = True
        return self._images[wanted], self._attrs[wanted]

    def check(self) -> None:
        """Reads the first record and the last. Raises `UserError` when they are damaged or not there."""
        for index in {0, len(self) - 1}:
            self._decode(index)

    def _decode(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        r = self.resolution_px
        with _damage(self._folder, f"record {index}: "):
            record = self._records[index]
            image = from_png(record["image"])
            if image.shape != (r, r, 3):
                raise ValueError(f"shape {image.shape}")
            return image, record["attributes"][self._columns]


@contextlib.contextmanager
def _damage(folder: Path, where: str = "") -> Iterator[None]:
    """Whatever goes wrong while reading files that were whole when they were written, as one line for the user."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:  # array_record, TFDS, protobuf, Pillow: each has its own
        raise UserError(
            f"the prepared data in {folder} is damaged ({where}{one_line(error)[:200]}): delete the folder of "
            "that resolution and run the same `fec prepare` again"
        ) from error


def splits_of(path: Path | str, resolution_px: int) -> tuple[str, ...]:
    """Names of the splits of a prepared data set that have photos; none if it is not prepared at this resolution."""
    metadata = records.read_metadata(Path(path), resolution_px)
    return tuple(name for name, count in metadata["counts"].items() if count) if metadata else ()


def open_source(
    path: Path | str, resolution_px: int, split: str = "train", attributes: Sequence[str] | None = None
) -> PreparedPhotos:
    """Opens a split of the data set that `fec prepare ... --out PATH` made, at one of its resolutions.

    attributes   which labels to give, in which order; default: all that were prepared

    Raises `UserError` when the folder is absent or no prepared data set, lacks the resolution, split or attribute, or
    is damaged (the description, the files' number, the first or the last record; the others show when they are read).
    """
    root = Path(path)
    if not root.is_dir():
        how = f"fec prepare folder PHOTOS --resolution {resolution_px} --out {root}"
        raise UserError(f"the data set {root} does not exist: make it with `{how}`")
    metadata = records.read_metadata(root, resolution_px)
    if metadata is None:
        prepared = records.resolutions_in(root)
        if not prepared:
            unfinished = (root / ".partial").is_dir()
            hint = (
                "its preparation was interrupted: run the same `fec prepare` again"
                if unfinished
                else "make one with `fec prepare`"
            )
            raise UserError(f"{root} is not a prepared data set: {hint}")
        raise UserError(
            f"{root} is not prepared at {resolution_px} px, only at {', '.join(map(str, prepared))} px: "
            f"run `fec prepare` again with --resolution {resolution_px}"
        )
    if not metadata["counts"].get(split):
        existing = ", ".join(f"{name} ({count})" for name, count in metadata["counts"].items() if count)
        raise UserError(f"{root} has no split {split!r}; it has: {existing}")
    names = tuple(metadata["attribute_names"])
    columns = select(attributes, names, str(root)) if attributes is not None else list(range(len(names)))
    folder = records.config_dir(root, resolution_px)
    with _damage(folder):
        builder: Any = tfds.builder_from_directory(folder)
        data_source = builder.as_data_source(split, decoders={"image": tfds.decode.SkipDecoding()})
        if len(data_source) != metadata["counts"][split]:
            raise ValueError(f"{len(data_source)} records of {split}, not {metadata['counts'][split]}")
        source = PreparedPhotos(data_source, builder.name, resolution_px, metadata, columns, folder)
        source.check()
    return source
