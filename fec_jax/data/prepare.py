"""`fec prepare`: from a folder of photos to TFDS data sets in array_record, one per resolution, in one pass.

`--resolution 64` makes 4, 8, 16, 32 and 64 px: every growth phase reads its own, and record i is the same photo in all
of them. An interrupted run resumes where it stopped (shards of 512 photos or more); a resolution that is
finished is left alone; nothing unfinished ever has a finished one's name.

OUT/64px/1.0.0/    one resolution: TFDS's files (`tfds.builder_from_directory` opens it)
OUT/report.json    what the last run did, with every file it could not use and why
OUT/.partial/      work in progress; gone at the end
"""

import json
import os
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

from fec_jax.data.builders import convert, records
from fec_jax.data.builders.celeb_a import list_celeb_a
from fec_jax.data.builders.celebamask_hq import list_celebamask_hq
from fec_jax.data.builders.folder import UNSTATED_LICENSE, list_folder
from fec_jax.data.builders.listing import Crop, Listing
from fec_jax.data.prepared import PrepareReport, some
from fec_jax.io import output
from fec_jax.io.lock import locked
from fec_jax.io.names import is_utf8, shown
from fec_jax.types import UserError

MIN_PX, MAX_PX = 4, 1024
MAX_UNREADABLE = 0.05
MAX_UNCROPPED = 0.5


def prepare_folder(
    src: Path | str,
    out: Path | str,
    resolutions: int | Sequence[int],
    attributes: Path | str | None = None,
    *,
    keep: Sequence[str] | None = None,
    license: str = UNSTATED_LICENSE,
    crop: Crop | None = None,
    max_unreadable: float | None = None,
    workers: int | None = None,
    progress: bool = True,
) -> PrepareReport:
    """Prepares a folder of photos; see `builders.folder.list_folder` for what it may hold, `prepare` for the rest.

    crop             makes the square of a photo (`complete.crops.aligned`); None: the centred one
    max_unreadable   see `prepare`; default: 5 %, or half with `crop`, as not every snapshot has one face in it
    """
    listing = replace(list_folder(src, attributes, license), crop=crop)
    if max_unreadable is None:
        max_unreadable = MAX_UNREADABLE if crop is None else MAX_UNCROPPED
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

    Raises `UserError` for a resolution that is not a power of two from 4 to 1024, an unknown attribute, no photo in
    train or test, too many unusable photos, an `out` that holds something else, or another run that is writing there.
    """
    wanted, root = _pyramid(resolutions), Path(out)
    output.check_folder(root)
    if not is_utf8(os.fspath(root)):  # array_record takes no other paths
        raise UserError(f"cannot write to {shown(root)}: its name is not text in UTF-8; choose another --out")
    listing = listing.keep(keep) if keep is not None else listing
    convert.check_splits([photo.split for photo in listing.photos])
    _finished(root, wanted, listing.fingerprint())  # before the folder is made
    try:
        root.mkdir(parents=True, exist_ok=True)
        with locked(root, "fec prepare", "--out"):
            return _prepare(listing, root, wanted, max_unreadable, workers, progress)
    except OSError as error:
        reason = error.strerror or error
        raise UserError(f"cannot write to {shown(root)}: {reason}; run the same command again to resume") from None


def _prepare(
    listing: Listing, root: Path, wanted: list[int], max_unreadable: float, workers: int | None, progress: bool
) -> PrepareReport:
    start = time.perf_counter()
    fingerprint = listing.fingerprint()
    done = _finished(root, wanted, fingerprint)
    pending = [px for px in wanted if px not in done]
    if listing.license != UNSTATED_LICENSE:  # given now, for what was prepared without it
        for px in done:
            if (records.read_metadata(root, px) or {}).get("license") != listing.license:
                convert.restate_license(root, px, listing.license)
    result, dropped = convert.Result(bad=[] if pending else _previous_unreadable(root)), 0
    if pending:
        workers = workers or min(16, os.cpu_count() or 1)
        dropped = convert.open_partial(root, pending, wanted[-1], fingerprint)
        result = convert.write_all(listing, root, pending, wanted[-1], max_unreadable, workers, progress)
        convert.publish(listing, root, pending, done, result)
    else:
        convert.sweep(root)
    metadata = records.read_metadata(root, wanted[-1]) or {}
    report = PrepareReport(
        out=shown(root),
        resolutions=tuple(wanted),
        already_done=tuple(done),
        counts=metadata["counts"],
        attribute_names=listing.attribute_names,
        unreadable=tuple(result.bad),
        skipped=listing.skipped,
        unlabelled=listing.unlabelled,
        absent_photos=listing.absent_photos,
        warnings=tuple(_warnings(listing)),
        resumed_photos=result.resumed,
        dropped_shards=dropped,
        seconds=round(time.perf_counter() - start, 2),
    )
    convert.write_json(root / "report.json", asdict(report))
    return report


def _warnings(listing: Listing) -> list[str]:
    warnings = [
        f"{name} is {value} in all photos of train: it cannot be learned; leave it out with --keep"
        for name, value in listing.constant("train")
    ]
    learned = {name for name, _ in listing.constant("train")}
    warnings += [
        f"{name} is {value} in all photos of test: edits of it cannot be measured well"
        for name, value in listing.constant("test")
        if name not in learned
    ]
    people = listing.people_in_two_splits()
    if people:
        warnings.append(
            f"{len(people)} people are in more than one split ({some(people)}): test figures will be too good; "
            "leave the split column out, and they are kept together"
        )
    return warnings


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
