"""What happens at each click: from the page's values to new ones. The work is in `opened` and `actions`."""

import functools
import html
import logging
import re
from collections.abc import Callable
from typing import Any

import gradio as gr

from fec_jax.app import actions, opened
from fec_jax.app.desk import Desk, Visit
from fec_jax.complete.variations import ALL
from fec_jax.types import UserError, one_line

EVERY = ("every attribute", ALL)
KEPT = 3
"""Folders that stay besides what is in view: the browser may still be loading the last ones."""


def careful(event: Callable[..., Any], outputs: int) -> Callable[..., Any]:
    """`event`, which gives a list of that many `outputs`, as Gradio wants it: a single one is not in a list.

    An event that fails says so in one line on the page, which lives on; a fault of ours also goes to the log.
    """

    @functools.wraps(event)
    def answered(*args: Any, **kwargs: Any) -> Any:
        try:
            answer = event(*args, **kwargs)
            return answer[0] if outputs == 1 else answer
        except UserError as e:
            text = one_line(e)
        except MemoryError:
            text = "not enough memory for this photo: make it smaller"
        except Exception as e:
            logging.getLogger(__name__).exception("the page's %s failed", event.__name__)
            text = f"this did not work ({type(e).__name__}); the page goes on, the details are where it was started"
        raise gr.Error(html.escape(text), duration=12, title="Not done", print_exception=False)

    return answered


class Events:
    """Each method serves one event. Lists are in the order of the components that `page` connects."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk

    def open(self, request: gr.Request, path: str | None) -> list[Any]:
        """A new photo -> drop, stage, editor, faces, status, after, download, sheet, *sliders."""
        nothing = [gr.skip()] * (7 + len(self.desk.completer.attribute_names))
        if path is None:  # as it is when the user takes the photo away, and before a pasted one has arrived
            return [gr.skip(), *nothing]
        upload, visit = self.desk.upload(path), self._visit(request)
        try:
            # The name of the upload's folder is a checksum: two pages with the same photo share it.
            visit.opened = opened.open_photo(self.desk.completer, upload, upload.name, self.desk.max_pixels)
        except UserError as e:
            # A warning, not an error: with an error nothing is changed, and the refused picture would stay in view.
            gr.Warning(html.escape(one_line(e)), duration=12, title="Not opened")
            return [gr.update(value=None), *nothing]
        finally:
            upload.unlink(missing_ok=True)
        visit.sheet = []
        visit.in_view.clear()
        visit.forget()
        return [gr.update(value=None, visible=False), gr.update(visible=True), *self._shown(visit)]

    def choose(self, request: gr.Request, number: int) -> list[Any]:
        """Another face -> editor, faces, status, after, download, sheet, *sliders."""
        visit = self._visit(request)
        visit.opened = opened.choose(self.desk.completer, visit.photo, int(number))
        visit.sheet = []
        visit.in_view.clear()
        return self._shown(visit)

    def close(self, request: gr.Request) -> list[Any]:
        """Another photo, please -> drop, stage."""
        self.desk.end(_session(request))
        return [gr.update(value=None, visible=True), gr.update(visible=False)]

    def leave(self, request: gr.Request) -> None:
        """The page was closed."""
        self.desk.end(_session(request))

    def region(self, name: str) -> Callable[..., Any]:
        """The event of one button: that part of the face under the brush, with what is there already -> editor."""

        def region(request: gr.Request, layer: bytes | None) -> list[Any]:
            visit = self._visit(request)
            hole = actions.hole_of(visit.photo, layer) | actions.region(visit.photo, name)
            return [self._editor(visit, actions.layer_of(visit.photo, hole))]

        return region

    def clear(self, request: gr.Request) -> list[Any]:
        """Nothing under the brush -> editor."""
        return [self._editor(self._visit(request))]

    def reread(self, request: gr.Request) -> list[Any]:
        """-> *sliders, as read from the photo."""
        return self._sliders(self._visit(request).photo)

    def fill(self, request: gr.Request, layer: bytes | None, *values: float) -> list[Any]:
        """-> status, after, download."""
        visit = self._visit(request)
        hole, outside = actions.kept_inside(visit.photo, actions.hole_of(visit.photo, layer))
        visit.opened = visit.photo.with_hole(hole)
        note = f" {outside} px of the brush were out of the network's view and stay as they are." if outside else ""
        return self._filled(visit, self._values(values), note)

    def slide(self, request: gr.Request, *values: float) -> list[Any]:
        """A slider was let go: fills the same hole again, if one was filled -> status, after, download."""
        visit = self._visit(request)
        if visit.opened is None or visit.opened.hole is None:
            return [gr.skip()] * 3
        return self._filled(visit, self._values(values))

    def vary(self, request: gr.Request, layer: bytes | None, which: str, *values: float) -> list[Any]:
        """-> sheet."""
        visit = self._visit(request)
        hole, _ = actions.kept_inside(visit.photo, actions.hole_of(visit.photo, layer))
        visit.opened = visit.photo.with_hole(hole)
        visit.sheet = actions.vary(self.desk.completer, visit.photo, self._values(values), which)
        folder = visit.new_folder("sheet")
        cells = [
            (str(actions.write_preview(folder / f"{i}.png", v.image, v.values, v.score)), v.caption)
            for i, v in enumerate(visit.sheet)
        ]
        visit.forget(KEPT)
        return [gr.update(value=cells, visible=True, selected_index=None)]

    def pick(self, request: gr.Request, cell: gr.SelectData) -> list[Any]:
        """A cell of the sheet -> status, after, download, *sliders."""
        visit = self._visit(request)
        if not isinstance(cell.index, int) or not 0 <= cell.index < len(visit.sheet):
            raise UserError("that contact sheet is no longer in memory: make it again")
        values = visit.sheet[cell.index].values
        return [
            *self._filled(visit, values),
            *(gr.update(value=values[n]) for n in self.desk.completer.attribute_names),
        ]

    def _filled(self, visit: Visit, values: dict[str, float], note: str = "") -> list[Any]:
        photo = visit.photo
        result = actions.fill(self.desk.completer, photo, values)
        folder = visit.new_folder("answer")
        file = actions.write_result(folder, photo, result)
        before = folder / "before.webp"
        photo.before.save(before, quality=90)
        after = actions.write_preview(folder / "after.png", actions.shown(photo, result), result.attrs, result.score)
        visit.forget(KEPT)
        status = (
            f"Filled {int(result.hole.sum()):,} px, score {result.score:.2f} (higher is better); "
            f"all others are the photo's own.{note}"
        )
        return [
            status,
            gr.update(value=(str(before), str(after)), slider_position=actions.divider(result)),
            gr.update(value=str(file), interactive=True),
        ]

    def _shown(self, visit: Visit) -> list[Any]:
        photo = visit.photo
        found = () if photo.where is None else photo.where.faces
        chosen = None if photo.where is None else photo.where.number
        return [
            self._editor(visit),
            gr.update(
                choices=[(f"Face {i}", i) for i in range(1, len(found) + 1)], value=chosen, visible=len(found) > 1
            ),
            opened.summary(photo),
            gr.update(value=None),
            gr.update(value=None, interactive=False),
            gr.update(value=None, visible=False),
            *self._sliders(photo),
        ]

    def _editor(self, visit: Visit, layer: Any = None) -> Any:
        folder = visit.new_folder("editor")
        opened.outlined(visit.photo).save(folder / "photo.png", compress_level=1)
        layers = []
        if layer is not None:
            layer.save(folder / "hole.png", compress_level=1)
            layers.append(str(folder / "hole.png"))
        return {"background": str(folder / "photo.png"), "layers": layers, "composite": None}

    def _sliders(self, photo: opened.Opened) -> list[Any]:
        names = self.desk.completer.attribute_names
        return [gr.update(value=round(photo.read.get(name, 0.0), 2)) for name in names]

    def _values(self, values: tuple[float, ...]) -> dict[str, float]:
        names = self.desk.completer.attribute_names
        if len(values) != len(names) or not all(isinstance(v, int | float) and 0 <= v <= 1 for v in values):
            raise UserError(f"a value from 0 to 1 is wanted for each of {', '.join(names)}: reload the page")
        return {name: float(value) for name, value in zip(names, values, strict=True)}

    def _visit(self, request: gr.Request) -> Visit:
        return self.desk.visit(_session(request))


def _session(request: gr.Request) -> str:
    session = request.session_hash
    if not session or not re.fullmatch(r"\w{1,64}", session):
        raise UserError("the browser's request names no session: reload the page")
    return session
