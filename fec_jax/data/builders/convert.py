"""The pass over all photos: decode once, write every resolution, shard by shard, so that a killed run can resume.

Everything is written under `OUT/.partial`; a note in `.partial/done` says that a shard is whole at every resolution,
and a resolution moves to its place only when all of its shards and TFDS's description are there.
"""

import hashlib
import json
import os
import re
import shutil
from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from fec_jax.data.builders import records
from fec_jax.data.builders.listing import Crop, Listing, Photo
from fec_jax.data.builders.photo import open_photo, shrink, square, to_png
from fec_jax.io.atomic import write_whole
from fec_jax.io.names import shown
from fec_jax.io.pictures import PictureError
from fec_jax.types import UserError

_NAME_LENGTH = 100  # of a data set: its files' names hold more than that, and may have 255 bytes


@dataclass
class Result:
    """What the pass wrote: records per shard of a split, bytes by (split, px), photos left out, ids in order."""

    lengths: dict[str, list[int]] = field(default_factory=dict)
    num_bytes: dict[tuple[str, int], int] = field(default_factory=dict)
    bad: list[tuple[str, str]] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    resumed: int = 0


def open_partial(root: Path, pending: Sequence[int], largest_px: int, fingerprint: str) -> int:
    """Keeps the work of an interrupted run if it was for the same photos and the same largest resolution.

    Returns how many finished shards of other work were dropped.
    """
    partial, dropped = root / ".partial", 0
    same = {"fingerprint": fingerprint, "largest_px": largest_px, "name": _dataset_name(root)}
    try:
        plan = json.loads((partial / "plan.json").read_text())
        # A run killed while it published has already moved some resolutions away: the others are a subset.
        usable = all(plan[key] == value for key, value in same.items()) and set(pending) <= set(plan["resolutions"])
    except (OSError, ValueError, KeyError, TypeError):
        usable = False
    if not usable:
        dropped = sum(1 for _ in (partial / "done").glob("*.json"))
        shutil.rmtree(partial, ignore_errors=True)
        for px in pending:
            records.config_dir(partial, px).mkdir(parents=True)
        (partial / "done").mkdir()
        write_json(partial / "plan.json", {**same, "resolutions": list(pending)})
    return dropped


def sweep(root: Path) -> None:
    """Removes the `.partial` of a run that was killed when all of its resolutions were in place already."""
    partial = root / ".partial"
    if not partial.is_dir():
        return
    try:
        wanted = json.loads((partial / "plan.json").read_text())["resolutions"]
        whole = set(wanted) <= set(records.resolutions_in(root))
    except (OSError, ValueError, KeyError, TypeError):
        whole = True  # without its plan no run can resume it
    if whole:
        shutil.rmtree(partial, ignore_errors=True)


def write_all(
    listing: Listing,
    root: Path,
    pending: Sequence[int],
    largest_px: int,
    max_unreadable: float,
    workers: int,
    progress: bool,
) -> Result:
    """Writes all shards that are not there yet, at the resolutions `pending`.

    Photos that cannot be opened, or whose square is smaller than `largest_px`, are left out at every resolution. Raises
    `UserError` as soon as more than `max_unreadable` of all photos had to be left out.
    """
    partial, result, name = root / ".partial", Result(), _dataset_name(root)
    bar = Progress(
        TextColumn("preparing"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("photos"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        disable=not progress,
    )
    with bar, ThreadPoolExecutor(workers, "prepare") as pool:
        task = bar.add_task("photos", total=len(listing.photos))
        for split, parts in records.shards(listing.photos).items():
            result.lengths[split] = []
            for index, photos in enumerate(parts):
                note = partial / "done" / f"{split}-{index:05d}.json"
                paths = {
                    px: records.shard_path(records.config_dir(partial, px), name, split, index, len(parts))
                    for px in pending
                }
                written = _read_note(note, paths)
                if written is not None:
                    result.resumed += len(photos)
                    bar.advance(task, len(photos))
                else:
                    encoded = _encode_all(photos, pending, largest_px, pool, workers, listing.crop)
                    written = _write_shard(encoded, paths, len(listing.attribute_names), lambda: bar.advance(task))
                    write_json(note, written)
                _add_shard(result, split, photos, pending, written)
                _check_unreadable(result.bad, len(listing.photos), max_unreadable, root)
    return result


def _read_note(note: Path, paths: dict[int, Path]) -> dict[str, Any] | None:
    """The note of a finished shard; None if it is absent or damaged, or a file is gone: the shard is not done then."""
    try:
        shard = json.loads(note.read_text())
        shard["bad"] = [(str(name), str(reason)) for name, reason in shard["bad"]]
        shard["num_bytes"] = {str(px): int(shard["num_bytes"][str(px)]) for px in paths}
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return shard if all(path.is_file() for path in paths.values()) else None


def _add_shard(
    result: Result, split: str, photos: Sequence[Photo], pending: Sequence[int], shard: dict[str, Any]
) -> None:
    bad = {name for name, _ in shard["bad"]}
    result.bad += [(name, reason) for name, reason in shard["bad"]]
    result.ids += [photo.id for photo in photos if _file_name(photo) not in bad]
    result.lengths[split].append(len(photos) - len(bad))
    for px in pending:
        result.num_bytes[split, px] = result.num_bytes.get((split, px), 0) + shard["num_bytes"][str(px)]


def _encode_all(
    photos: Sequence[Photo],
    resolutions: Sequence[int],
    largest_px: int,
    pool: ThreadPoolExecutor,
    workers: int,
    crop: Crop | None,
) -> Iterator[tuple[Photo, dict[int, bytes] | PictureError]]:
    """Decodes and shrinks photos in threads, a few ahead of the writer, and gives them back in order."""
    ahead: deque[tuple[Photo, Future[dict[int, bytes] | PictureError]]] = deque()
    waiting = iter(photos)
    try:
        while True:
            while len(ahead) < 2 * workers and (photo := next(waiting, None)) is not None:
                ahead.append((photo, pool.submit(_encode, photo, resolutions, largest_px, crop)))
            if not ahead:
                return
            photo, future = ahead.popleft()
            yield photo, future.result()
    finally:
        for _, future in ahead:
            future.cancel()


def _encode(
    photo: Photo, resolutions: Sequence[int], largest_px: int, crop: Crop | None
) -> dict[int, bytes] | PictureError:
    try:
        image = open_photo(photo.content if isinstance(photo.content, Path) else photo.content())
        image = square(image) if crop is None else Image.fromarray(crop(np.asarray(image), largest_px))
        if image.width < largest_px:  # left out at every resolution, so that record i stays the same photo in all
            raise PictureError(f"its square has {image.width} px, fewer than the {largest_px} px needed")
        return {px: to_png(shrink(image, px)) for px in resolutions}
    except PictureError as error:
        return error


def _write_shard(
    encoded: Iterator[tuple[Photo, dict[int, bytes] | PictureError]],
    paths: dict[int, Path],
    num_attrs: int,
    advance: Callable[[], None],
) -> dict[str, Any]:
    writers = {px: records.ShardWriter(path, px, num_attrs) for px, path in paths.items()}
    bad = []
    try:
        for photo, pngs in encoded:
            if isinstance(pngs, PictureError):
                bad.append((_file_name(photo), str(pngs)))
            else:
                for px, png in pngs.items():
                    writers[px].write(photo, png)
            advance()
    except BaseException:
        for writer in writers.values():
            writer.abandon()
        raise
    for writer in writers.values():
        writer.commit()
    return {"bad": bad, "num_bytes": {str(px): writer.num_bytes for px, writer in writers.items()}}


def _check_unreadable(bad: Sequence[tuple[str, str]], total: int, allowed: float, root: Path) -> None:
    if len(bad) > allowed * total:
        write_json(root / "report.json", {"unreadable": bad})
        small = sum("fewer than" in reason for _, reason in bad)
        advice = "choose a smaller --resolution" if small > len(bad) / 2 else "repair or remove them"
        raise UserError(
            f"{len(bad)} of {total} photos cannot be used, more than {allowed:.0%} (first: {bad[0][0]}: {bad[0][1]}): "
            f"{advice}; {root / 'report.json'} lists them"
        )


def check_splits(splits: Collection[str]) -> None:
    """Raises UserError when no photo is there to train on, or none to test with; `splits` are those of all photos."""
    for split, use in (("train", "train on"), ("test", "test with")):
        if split not in splits:
            raise UserError(
                f"none of the {len(splits)} photos is in the split {split}, so that there is nothing to {use}: add "
                "photos, or say it in the table of attributes (columns image_id,split; train, validation or test)"
            )


def publish(listing: Listing, root: Path, pending: Sequence[int], done: Sequence[int], result: Result) -> None:
    """Completes the finished shards with TFDS's description and moves each resolution to its place in one step.

    Raises `UserError` when nothing was usable in `train` or `test`, or the resolutions in `done` hold other photos.
    """
    partial = root / ".partial"
    if not result.ids:
        raise UserError(f"none of the {len(listing.photos)} photos can be used; {root / 'report.json'} lists why")
    check_splits([split for split, lengths in result.lengths.items() for _ in range(sum(lengths))])
    sha256 = hashlib.sha256("\n".join(result.ids).encode()).hexdigest()
    for px in done:
        if (records.read_metadata(root, px) or {}).get("records_sha256") != sha256:
            raise UserError(
                f"{root / f'{px}px'} holds other photos than {max(pending)} px would (some are too small for that): "
                "choose another --out"
            )
    for px in pending:
        folder = records.config_dir(partial, px)
        for leftover in folder.glob("*.writing-*"):  # of a run that was killed
            leftover.unlink()
        num_bytes = {split: result.num_bytes[split, px] for split in result.lengths}
        records.write_info(folder, _dataset_name(root), listing, px, result.lengths, num_bytes, sha256)
        os.replace(partial / f"{px}px", root / f"{px}px")
    shutil.rmtree(partial)


def restate_license(root: Path, resolution_px: int, license: str) -> None:
    """Writes another licence into a finished resolution's descriptions, ours and TFDS's."""
    folder = records.config_dir(root, resolution_px)
    info = json.loads((folder / "dataset_info.json").read_text())
    info["redistributionInfo"] = {**info.get("redistributionInfo", {}), "license": license}
    metadata = json.loads((folder / "metadata.json").read_text()) | {"license": license}
    write_json(folder / "dataset_info.json", info)
    write_json(folder / "metadata.json", metadata)  # last: it says whether this has to be done


def _dataset_name(root: Path) -> str:
    """A name that TFDS accepts, from the folder's: it then also opens as `tfds.builder("NAME/64px", data_dir=...)`."""
    name = re.sub(r"\W+", "_", root.resolve().name.lower(), flags=re.ASCII).strip("_")[:_NAME_LENGTH]
    return name if name[:1].isalpha() else f"faces_{name}".rstrip("_")


def _file_name(photo: Photo) -> str:
    return shown(photo.content.name) if isinstance(photo.content, Path) else photo.id


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Writes aside, makes sure that it is on the disk, and renames: after a power cut too it is whole or absent."""
    write_whole(path, (json.dumps(content, indent=1) + "\n").encode())
