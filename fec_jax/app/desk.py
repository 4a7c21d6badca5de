"""Everybody's photos: one visit per open page, its files in a folder of its own, gone with it.

The server hands out every file of the desk's folder to whoever knows its path. So the folder of a visit has a name that
cannot be guessed, and only the page of that visit is told it.
"""

import contextlib
import itertools
import os
import secrets
import shutil
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from fec_jax.app.actions import Variant
from fec_jax.app.opened import Opened
from fec_jax.complete.completer import Completer
from fec_jax.types import UserError

VISITS = 8
"""Photos kept in memory at once: a photo of 12 megapixels takes about 100 MB."""
VISIT = "visit-"
"""What names of visits' folders begin with; those of uploads are checksums."""
UNOPENED_S = 600
"""Age at which uploads go that no page has opened; until then the page's request may wait for those of others."""
SWEEP_S = 60
GONE = "this page's photo is no longer in memory: open it again"


@dataclass
class Visit:
    """One open page. `folder` is its own; `opened` and `sheet` were shown last; `in_view`: the folder of each part."""

    folder: Path
    opened: Opened | None = None
    sheet: list[Variant] = field(default_factory=list)
    in_view: dict[str, Path] = field(default_factory=dict)
    _numbers: itertools.count = field(default_factory=itertools.count, repr=False)

    @property
    def photo(self) -> Opened:
        """The opened photo. Raises UserError: there is none."""
        if self.opened is None:
            raise UserError(GONE)
        return self.opened

    def new_folder(self, part: str) -> Path:
        """A fresh folder in the visit's, for what a part of the page shows from now on; it stays until the next one's.

        Never one used before: the browser may keep what had the same address.
        """
        folder = self.in_view[part] = self.folder / str(next(self._numbers))
        folder.mkdir(parents=True)
        return folder

    def forget(self, keep: int = 0) -> None:
        """Deletes the files of earlier answers, but for the `keep` newest folders and for what is in view."""
        folders = sorted((p for p in self.folder.iterdir() if p.is_dir()), key=lambda p: int(p.name))
        for folder in {*folders[: max(0, len(folders) - keep)]} - {*self.in_view.values()}:
            shutil.rmtree(folder, ignore_errors=True)


class Desk:
    """The network and all visits. Thread-safe."""

    def __init__(self, completer: Completer, folder: Path, max_pixels: int) -> None:
        self.completer, self.folder, self.max_pixels = completer, folder, max_pixels
        self._visits: OrderedDict[str, Visit] = OrderedDict()
        self._lock = threading.Lock()

    def visit(self, session: str) -> Visit:
        """The visit of that page, a new one if there is none. The longest unused one ends when there are too many."""
        with self._lock:
            if session not in self._visits:
                folder = self.folder / f"{VISIT}{secrets.token_urlsafe(16)}"
                folder.mkdir()
                self._visits[session] = Visit(folder)
            self._visits.move_to_end(session)
            visit = self._visits[session]
            old = [self._visits.popitem(last=False)[1] for _ in range(len(self._visits) - VISITS)]
        for ended in old:
            shutil.rmtree(ended.folder, ignore_errors=True)
        return visit

    def end(self, session: str) -> None:
        """Forgets that page's photo and deletes its files."""
        with self._lock:
            visit = self._visits.pop(session, None)
        if visit is not None:
            shutil.rmtree(visit.folder, ignore_errors=True)

    def upload(self, path: str) -> Path:
        """That path of an uploaded file, which may be deleted. Raises UserError: it is no such path."""
        upload = Path(path).resolve()
        if upload.parent.parent != self.folder.resolve() or upload.parent.name.startswith(VISIT):
            raise UserError("the browser's request names no uploaded photo: choose it again")
        return upload

    def sweep(self) -> None:
        """Deletes what no visit owns, once it is `UNOPENED_S` old: mostly uploads of a page closed meanwhile."""
        before = time.time() - UNOPENED_S
        with self._lock:
            owned = {visit.folder for visit in self._visits.values()}
        for top in {*self.folder.iterdir()} - owned:
            inside = (Path(at, n) for at, folders, files in os.walk(top, topdown=False) for n in (*files, *folders))
            for path in (*inside, top):
                with contextlib.suppress(OSError):  # not empty, or gone
                    if path.lstat().st_mtime < before:
                        path.rmdir() if path.is_dir() else path.unlink()

    @contextlib.contextmanager
    def swept(self) -> Iterator[None]:
        """Sweeps now and then, in a thread, as long as the context lasts."""
        ended = threading.Event()

        def sweep() -> None:
            while not ended.wait(SWEEP_S):
                with contextlib.suppress(OSError):
                    self.sweep()

        thread = threading.Thread(target=sweep, daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()
