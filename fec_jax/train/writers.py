"""What a run leaves for people: metrics.jsonl, TensorBoard events, grids of pictures, lines on the screen."""

import contextlib
import io
import json
import logging
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageDraw
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from tensorboardX import SummaryWriter

from fec_jax import images
from fec_jax.io.atomic import write_whole

log = logging.getLogger(__name__)


class MetricsLog:
    """`metrics.jsonl` and TensorBoard events in the workdir.

    When a run resumes at `nimg`, lines past it, and one cut off by a kill, are taken out: they will be written again.
    """

    def __init__(self, workdir: Path, nimg: int):
        self.path = workdir / "metrics.jsonl"
        self._rewind_file(nimg)
        self._open(nimg)

    def _open(self, nimg: int) -> None:
        self._file = self.path.open("a")
        # `purge_step`: TensorBoard leaves out what earlier files have from there on. `filename_suffix`: names have
        # the second, and a file of the same name would be overwritten.
        folder, first = str(self.path.parent / "events"), nimg + 1 if nimg else None
        self._events = SummaryWriter(folder, purge_step=first, filename_suffix=f".{nimg}")

    def _rewind_file(self, nimg: int) -> None:
        if not self.path.exists():
            return
        kept = []
        for line in self.path.read_text(errors="replace").splitlines():
            with contextlib.suppress(json.JSONDecodeError, KeyError, TypeError):
                if json.loads(line)["nimg"] <= nimg:
                    kept.append(line)
        write_whole(self.path, "".join(line + "\n" for line in kept).encode())

    def rewind(self, nimg: int) -> None:
        """Takes the lines past `nimg` out, after a rollback."""
        self.close()
        self._rewind_file(nimg)
        self._open(nimg)

    def write(self, nimg: int, values: Mapping[str, float | str]) -> None:
        """One line, at once on disk; numbers go to TensorBoard too."""
        self._file.write(json.dumps({"nimg": nimg, **values}) + "\n")
        self._file.flush()
        os.fsync(self._file.fileno())
        for name, value in values.items():
            if not isinstance(value, str):
                self._events.add_scalar(name, value, nimg)

    def close(self) -> None:
        self._file.close()
        self._events.close()


def write_grid(path: Path, rows: UInt8[np.ndarray, "r c h w 3"], titles: list[str], tile_px: int = 64) -> None:
    """A sheet of pictures with a title over every column. Small ones are enlarged to `tile_px`, pixel by pixel."""
    k = max(1, tile_px // rows.shape[2])
    sheet = images.grid(rows.repeat(k, axis=2).repeat(k, axis=3))
    tile = rows.shape[2] * k + 2
    head = 14
    picture = Image.new("RGB", (sheet.shape[1], sheet.shape[0] + head), "white")
    picture.paste(Image.fromarray(sheet), (0, head))
    draw = ImageDraw.Draw(picture)
    for i, title in enumerate(titles):
        draw.text((3 + i * tile, 1), title[: tile // 6], fill="black")
    path.parent.mkdir(parents=True, exist_ok=True)
    data = io.BytesIO()
    picture.save(data, format="PNG")
    write_whole(path, data.getvalue())


class Screen:
    """A progress bar on a terminal, plain lines elsewhere."""

    def __init__(self, total_nimg: int, nimg: int, *, bar: bool = True):
        self._bar: Progress | None = None
        if bar and sys.stderr.isatty():
            self._bar = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                TextColumn("{task.completed}/{task.total} images"),
                TimeRemainingColumn(),
                console=Console(stderr=True),
            )
            self._task = self._bar.add_task("training", total=total_nimg, completed=nimg)

    @contextlib.contextmanager
    def shown(self) -> Iterator[None]:
        handlers = [h for h in logging.getLogger("fec_jax").handlers if isinstance(h, logging.StreamHandler)]
        with self._bar or contextlib.nullcontext():
            try:
                for handler in handlers:  # while there is a bar, sys.stderr writes above it
                    handler.setStream(sys.stderr)
                yield
            finally:
                for handler in handlers:
                    handler.setStream(sys.__stderr__)

    def step(self, nimg: int, text: str) -> None:
        """Moves the bar, if there is one."""
        if self._bar:
            self._bar.update(self._task, completed=nimg, description=text)

    def line(self, text: str, *args: Any) -> None:
        """A line of the log, above the bar if there is one."""
        if self._bar:
            self._bar.console.print(text % args, highlight=False, markup=False, soft_wrap=True)
        else:
            log.info(text, *args)
