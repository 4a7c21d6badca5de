"""`fec prepare`: from a folder of photos to TFDS data sets in array_record, one per resolution, in one pass.

`--resolution 64` makes 4, 8, 16, 32 and 64 px: every growth phase reads its own, and record i is the same photo in all
of them. A run that was interrupted goes on where it stopped (shards of 512 photos or more); a resolution that is
finished is left alone; nothing unfinished ever has a finished one's name.

OUT/64px/1.0.0/    one resolution: TFDS's files (`tfds.builder_from_directory` opens it)
OUT/report.json    what the last run did, with every file it could not use and why
OUT/.partial/      work in progress; gone at the end
"""

import json
import os
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from fec_jax.data.builders import convert, records
from fec_jax.data.builders.celeb_a import list_celeb_a
from fec_jax.data.builders.celebamask_hq import list_celebamask_hq
from fec_jax.data.builders.folder import UNSTATED_LICENSE, list_folder
from fec_jax.data.builders.listing import Listing
from fec_jax.types import UserError

MIN_PX, MAX_PX = 4, 1024
MAX_UNREADABLE = 0.05


@dataclass(frozen=True)
class PrepareReport:
    """What a run of `fec prepare` did. `unreadable` pairs a file with the reason; `already_done` lists resolutions.

    `dropped_shards`: finished parts of an interrupted run that was of other photos, labels or resolutions.
    """

    out: str
    resolutions: tuple[int, ...]
    already_done: tuple[int, ...]
    counts: dict[str, int]
    attribute_names: tuple[str, ...]
    unreadable: tuple[tuple[str, str], ...]
    unlabelled: tuple[str, ...]
    absent_photos: tuple[str, ...]
    resumed_photos: int
    dropped_shards: int
    seconds: float

    def lines(self) -> list[str]:
        """The report for people, one fact a line."""
        counts = ", ".join(f"{count} {split}" for split, count in self.counts.items())
        made = [r for r in self.resolutions if r not in self.already_done]
        lines = [f"{self.out}: {counts}; attributes: {', '.join(self.attribute_names) or 'none'}"]
        if made:
            lines.append(f"made {', '.join(map(str, made))} px in {self.seconds:.1f} s")
        if self.already_done:
            lines.append(f"already there: {', '.join(map(str, self.already_done))} px")
        if self.resumed_photos:
            lines.append(f"continued an interrupted run: {self.resumed_photos} photos were done")
        if self.dropped_shards:
            lines.append(
                f"dropped {self.dropped_shards} finished parts of an interrupted run: "
                "it was of other photos, labels or resolutions"
            )
        lines += [f"could not use {name}: {reason}" for name, reason in self.unreadable]
        if self.unlabelled:
            lines.append(
                f"{len(self.unlabelled)} photos without a row in the table, left out: {_some(self.unlabelled)}"
            )
        if self.absent_photos:
            lines.append(f"{len(self.absent_photos)} rows without a photo: {_some(self.absent_photos)}")
        return lines


def prepare_folder(
    src: Path | str,
    out: Path | str,
    resolutions: int | Sequence[int],
    attributes: Path | str | None = None,
    *,
    keep: Sequence[str] | None = None,
    license: str = UNSTATED_LICENSE,
    max_unreadable: float = MAX_UNREADABLE,
    workers: int | None = None,
    progress: bool = True,
) -> PrepareReport:
    """Prepares a folder of photos; see `builders.folder.list_folder` for what it may hold, `prepare` for the rest."""
    listing = list_folder(src, attributes, license)
    return prepare(listing, out, resolutions, keep, max_unreadable, workers, progress)


def prepare_celebamask_hq(
    src: Path | str,
    out: Path | str,
    resolutions: int | Sequence[int],
    partition: Path | str | None = None,
    *,
    keep: Sequence[str] | None = None,
    max_unreadable: float = MAX_UNREADABLE,
    workers: int | None = None,
    progress: bool = True,
) -> PrepareReport:
    """Prepares the CelebAMask-HQ folder; see `builders.celebamask_hq.list_celebamask_hq` and `prepare`."""
    return prepare(list_celebamask_hq(src, partition), out, resolutions, keep, max_unreadable, workers, progress)


def prepare_celeb_a(
    src: Path | str,
    out: Path | str,
    resolutions: int | Sequence[int],
    *,
    keep: Sequence[str] | None = None,
    max_unreadable: float = MAX_UNREADABLE,
    workers: int | None = None,
    progress: bool = True,
) -> PrepareReport:
    """Prepares CelebA, from its own folder or from TFDS; see `builders.celeb_a.list_celeb_a` and `prepare`."""
    return prepare(list_celeb_a(src), out, resolutions, keep, max_unreadable, workers, progress)


def prepare(
    listing: Listing,
    out: Path | str,
    resolutions: int | Sequence[int],
    keep: Sequence[str] | None = None,
    max_unreadable: float = MAX_UNREADABLE,
    workers: int | None = None,
    progress: bool = True,
) -> PrepareReport:
    """Writes a listing's photos as data sets under `out`, at every power of two from 4 px to the largest resolution.

    keep            attributes to keep, in this order; default: all of the table
    max_unreadable  share of the photos that may be unusable (left out and reported); more, and the run refuses
    workers         decoding threads; default: one per core, 16 at most

    Raises `UserError` for a resolution that is not a power of two from 4 to 1024, an unknown attribute, too many
    unusable photos, or an `out` that holds something else.
    """
    start = time.perf_counter()
    listing = listing.keep(keep) if keep is not None else listing
    wanted, root = _pyramid(resolutions), Path(out)
    fingerprint = listing.fingerprint()
    done = _finished(root, wanted, fingerprint)
    pending = [px for px in wanted if px not in done]
    result, dropped = convert.Result(bad=[] if pending else _previous_unreadable(root)), 0
    try:
        if pending:
            workers = workers or min(16, os.cpu_count() or 1)
            dropped = convert.open_partial(root, pending, wanted[-1], fingerprint)
            result = convert.write_all(listing, root, pending, wanted[-1], max_unreadable, workers, progress)
            convert.publish(listing, root, pending, done, result)
        else:
            convert.sweep(root)
        metadata = records.read_metadata(root, wanted[-1]) or {}
        report = PrepareReport(
            out=os.fspath(root),
            resolutions=tuple(wanted),
            already_done=tuple(done),
            counts=metadata["counts"],
            attribute_names=listing.attribute_names,
            unreadable=tuple(result.bad),
            unlabelled=listing.unlabelled,
            absent_photos=listing.absent_photos,
            resumed_photos=result.resumed,
            dropped_shards=dropped,
            seconds=round(time.perf_counter() - start, 2),
        )
        convert.write_json(root / "report.json", asdict(report))
    except OSError as error:
        reason = error.strerror or error
        raise UserError(f"cannot write to {root}: {reason}; run the same command again to go on") from None
    return report


def _pyramid(resolutions: int | Sequence[int]) -> list[int]:
    given = [resolutions] if isinstance(resolutions, int) else list(resolutions)
    for px in given:
        if not MIN_PX <= px <= MAX_PX or px & (px - 1):
            raise UserError(f"resolution {px}: it must be a power of two from {MIN_PX} to {MAX_PX}")
    if not given:
        raise UserError("no resolution given, for example --resolution 64")
    return [1 << k for k in range(MIN_PX.bit_length() - 1, max(given).bit_length())]


def _finished(root: Path, wanted: Sequence[int], fingerprint: str) -> list[int]:
    if root.exists() and not root.is_dir():
        raise UserError(f"{root} is a file: --out must be a folder")
    done = []
    for px in wanted:
        metadata = records.read_metadata(root, px)
        if metadata is not None and metadata.get("fingerprint") == fingerprint:
            done.append(px)
        elif (root / f"{px}px").exists():
            raise UserError(
                f"{root / f'{px}px'} was made from other photos or labels: delete {root} or choose another --out"
            )
    return done


def _previous_unreadable(root: Path) -> list[tuple[str, str]]:
    try:
        found = json.loads((root / "report.json").read_text())["unreadable"]
        return [(str(name), str(reason)) for name, reason in found]
    except (OSError, ValueError, KeyError, TypeError):
        return []


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
