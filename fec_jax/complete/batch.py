"""Completing a folder of photos: reading and writing in threads, beside the networks, which get photos by the batch.

Every photo ends as a row of the report. A photo that fails costs nothing but itself: it leaves a reason and no output,
not even that of an earlier run.
"""

import contextlib
import os
import time
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from fec_jax.complete import folder_report, photos, task
from fec_jax.complete.completer import BATCH, Completer
from fec_jax.complete.folder_report import DONE, FAILED, STARTED, Report, Row
from fec_jax.complete.photos import Photo
from fec_jax.complete.task import Answer, Result, Task
from fec_jax.io import formats, lock
from fec_jax.io.names import shown
from fec_jax.types import UserError, one_line

IN_MEMORY_PX = 100_000_000
"""Photos are read ahead until they have so many pixels; one that is larger is alone."""
LEAST_PX = 4_000_000  # counted for a small photo

Read = Callable[[Path], tuple[Photo, Any]]
"""The photo of a path, and its hole as `Completer.complete` takes it."""
Write = Callable[[Path, Photo, Result], None]


@dataclass(frozen=True)
class Counts:
    """How many photos of the folder were completed now, failed now, and were completed by an earlier run."""

    done: int
    failed: int
    before: int


@dataclass
class _Step:
    """A photo on its way."""

    path: Path
    out: Path
    px: int
    ours: bool = False  # an earlier run wrote `out`
    seconds: float = 0.0
    photo: Photo | None = None
    task: Task | None = None


def listed(folder: Path) -> list[Path]:
    """The photos directly in `folder`, by the endings of their names, in their order; no hidden ones.

    UserError: not a folder that can be read.
    """
    try:
        found = [folder / name for name in sorted(os.listdir(folder)) if not name.startswith(".")]
    except OSError as error:
        raise UserError(f"cannot read the folder {shown(folder)}: {error.strerror or error}") from error
    return [path for path in found if path.suffix.lower() in formats.SUFFIXES and not os.path.isdir(path)]


def by_stem(paths: Sequence[Path]) -> dict[str, list[Path]]:
    """Paths by their names without the endings."""
    found: dict[str, list[Path]] = {}
    for path in paths:
        found.setdefault(stem(path), []).append(path)
    return found


def stem(path: Path) -> str:
    """The name without its ending, the same for both Unicode forms of an accented letter."""
    return unicodedata.normalize("NFC", path.stem)


def complete_folder(
    completer: Completer,
    paths: Sequence[Path],
    out: Path,
    read: Read,
    write: Write,
    *,
    attrs: Mapping[str, float] | None = None,
    unset: str = "photo",
    align: str = "face",
    face: int | None = None,
    force: bool = False,
    tick: Callable[[int], None] = lambda more: None,
) -> Counts:
    """Completes `paths` to PNG files of the same stems in the folder `out`, which must exist; see `Completer.complete`.

    read, write   one photo; called in threads
    force         complete what an earlier run completed, and overwrite files that are in the way
    tick          gets the number of photos done since the last call

    `out`/report.csv gets a row per photo. Photos which it calls done, and whose output exists, are passed over.
    Raises UserError for what does not depend on a photo: impossible attributes, a report that cannot be written,
    another run into `out`.
    """
    completer.check_wanted(attrs, unset)
    folder_report.read(out / "report.csv")  # what is not our folder does not even get a lock
    with lock.locked(out, "completion", "--out"), contextlib.closing(Report(out / "report.csv")) as report:
        steps, before, failed = [], 0, 0
        firsts: dict[str, Path] = {}
        for path in paths:
            to, name = out / f"{path.stem}.png", shown(path.name)
            status = report.status(name)
            try:
                if firsts.setdefault(stem(path), path) is not path:
                    raise UserError(f"{shown(firsts[stem(path)].name)} is written under the same name: rename one")
                if status == DONE and not force and to.exists():
                    before += 1
                    tick(1)
                    continue
                photos.check_output(to, force or status == STARTED, (path,))
                steps.append(_Step(path, to, _pixels(path), ours=status == DONE))
            except UserError as error:
                report.add(Row(name, FAILED, message=str(error)))
                failed += 1
                tick(1)

        def prepared(step: _Step) -> None:
            start = time.monotonic()
            step.photo, hole = read(step.path)
            step.task = completer.prepare(step.photo.rgb, hole, attrs, unset, align=align, face=face)
            step.seconds += time.monotonic() - start

        line = _Line(completer, report, prepared, write, tick)
        line.run(steps)
        return Counts(line.done, line.failed + failed, before)


class _Line:
    """Steps through reading, networks and writing, by one thread that waits for the others."""

    def __init__(
        self,
        completer: Completer,
        report: Report,
        prepare: Callable[[_Step], None],
        write: Write,
        tick: Callable[[int], None],
    ) -> None:
        self._completer, self._report, self._prepare, self._write, self._tick = completer, report, prepare, write, tick
        self.done = self.failed = 0

    def run(self, steps: Sequence[_Step]) -> None:
        todo = list(reversed(steps))
        reading: dict[Future[Any], _Step] = {}
        writing: dict[Future[Any], _Step] = {}
        ready: list[_Step] = []
        pool = ThreadPoolExecutor(max_workers=max(2, os.cpu_count() or 2))
        try:
            while todo or reading or ready or writing:
                held = sum(step.px for step in (*reading.values(), *ready, *writing.values()))
                while todo and (not held or held + todo[-1].px <= IN_MEMORY_PX):
                    step = todo.pop()
                    held += step.px
                    reading[pool.submit(self._prepare, step)] = step
                # Fewer than a batch only if no more can come: all are read, or there is room for no other.
                if len(ready) >= BATCH or (ready and not reading and not (todo and writing)):
                    batch, ready = ready[:BATCH], ready[BATCH:]
                    for step, answer in zip(batch, self._answers(batch), strict=True):
                        self._report.add(Row(shown(step.path.name), STARTED))
                        writing[pool.submit(self._finish, step, answer)] = step
                    continue
                for future in wait([*reading, *writing], return_when=FIRST_COMPLETED).done:
                    read = future in reading
                    step = reading.pop(future) if read else writing.pop(future)
                    if error := future.exception():
                        self._fail(step, error)
                    elif read:
                        ready.append(step)
                    else:
                        self._end(step, future.result())
        finally:
            pool.shutdown(cancel_futures=True)

    def _answers(self, batch: Sequence[_Step]) -> list[Answer]:
        start = time.monotonic()
        answers = self._completer.infer([step.task for step in batch if step.task is not None], BATCH)
        for step in batch:
            step.seconds += (time.monotonic() - start) / len(batch)
        return answers

    def _finish(self, step: _Step, answer: Answer) -> Result:
        assert step.task is not None and step.photo is not None  # noqa: PT018
        start = time.monotonic()
        result = task.finish(step.task, answer)
        self._write(step.out, step.photo, result)
        step.seconds += time.monotonic() - start
        return result

    def _end(self, step: _Step, result: Result) -> None:
        notes = [*((result.place.choice,) if result.place and result.place.choice else ()), *result.warnings]
        row = Row(shown(step.path.name), DONE, f"{result.score:.4f}", f"{step.seconds:.2f}", "; ".join(notes))
        self.done += 1
        self._leave(step, row)

    def _fail(self, step: _Step, error: BaseException) -> None:
        kind = "" if isinstance(error, UserError) else f"{type(error).__name__}: "
        message = kind + one_line(error if isinstance(error, Exception) else RuntimeError(str(error)))
        self.failed += 1
        if step.ours:  # otherwise it would be in the way of the next run
            with contextlib.suppress(OSError):
                step.out.unlink(missing_ok=True)
        self._leave(step, Row(shown(step.path.name), FAILED, message=message, seconds=f"{step.seconds:.2f}"))

    def _leave(self, step: _Step, row: Row) -> None:
        step.photo = step.task = None  # gives their memory back
        self._report.add(row)
        self._tick(1)


def _pixels(path: Path) -> int:
    """What a photo counts for `IN_MEMORY_PX`, by its file's head."""
    try:
        with Image.open(path, formats=formats.readable()) as image:
            return max(LEAST_PX, image.width * image.height)
    except Exception:  # why it cannot be read is found out, and said, when it is read
        return LEAST_PX
