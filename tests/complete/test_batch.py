"""What a folder's report says of one photo."""

import csv
from pathlib import Path

import numpy as np
import pytest

from fec_jax.complete import align, batch, faces
from fec_jax.complete.completer import Completer
from fec_jax.complete.folder_report import Report
from fec_jax.complete.place import Place
from fec_jax.complete.task import Result

SQUARE = align.whole(slice(0, 20), slice(0, 20))
FACES = tuple(faces.from_eyes(np.array([[x, 9.0], [x + 5.0, 9.0]])) for x in (2.0, 12.0))
BOTH = f"2 faces (1: {FACES[0]}; 2: {FACES[1]}): took 2; --face N takes another"


@pytest.mark.parametrize(("found", "message"), [(FACES, f"{BOTH}; it is small"), (FACES[1:], "it is small")])
def test_the_face_taken_is_named(tmp_path, found, message):
    """Broken: nobody learns which of several faces in a photo of a folder was completed."""
    photo, hole = np.zeros((20, 20, 3), np.uint8), np.zeros((20, 20), bool)
    place = Place(found, FACES[1], SQUARE, ("it is small",))
    result = Result(photo, hole, 0.5, {}, {}, SQUARE, place, np.zeros((8, 8, 3), np.float32), photo)
    report = Report(tmp_path / "report.csv")
    line = batch._Line(Completer.__new__(Completer), report, lambda step: None, lambda *a: None, lambda more: None)
    line._end(batch._Step(Path("a.png"), tmp_path / "a.png", 400), result)
    report.close()
    rows = list(csv.DictReader((tmp_path / "report.csv").open()))
    assert [(row["file"], row["status"], row["message"]) for row in rows] == [("a.png", "done", message)]
