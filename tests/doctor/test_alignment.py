"""Whether faces lie where the networks expect them."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fec_jax.complete import faces
from fec_jax.complete.align import Alignment, cut_out
from fec_jax.doctor import alignment
from fec_jax.doctor.alignment import Place

ASTRONAUT = Path(__file__).parents[2] / "docs" / "astronaut.png"


@pytest.fixture(scope="module")
def photo():
    with Image.open(ASTRONAUT) as image:
        return np.asarray(image.convert("RGB"))


def test_a_face_out_of_place_and_in_place(photo):
    """Broken: misaligned photos pass, or aligned ones are complained about."""
    (face,) = faces.find(photo)
    square = faces.square_of(faces.precise(photo, face), Alignment())
    place = alignment.place_of(cut_out(photo, square, 256))
    assert place is not None
    assert place.off < alignment.TOLERANCE
    assert abs(place.degrees) < 3
    turned = alignment.place_of(np.rot90(photo[:512, :512]).copy())
    assert turned is None or turned.off > alignment.TOLERANCE
    assert alignment.place_of(np.full((64, 64, 3), 128, np.uint8)) is None


def test_findings():
    """Broken: the photos in question are not named, or nothing says what an aligned photo is."""
    places = {"a": Place(0.01, 0, 1), "b": Place(0.3, 10, 2), "c": None, "d": Place(0.12, 0, 1)}
    said = [str(finding) for finding in alignment.findings(places)]
    assert "faces found in 3 of 4 photos" in said[0]
    assert any(line == "1 photos show several faces" for line in said)
    assert any(line.startswith("problem: 1 photos in which no face is found: c:") for line in said)
    assert any(line.startswith("problem: 2 faces are more than 10%") and "b (30%), d (12%)" in line for line in said)
    assert not [f for f in alignment.findings({"a": places["a"]}) if f.advice]


def test_a_photo_to_complete(photo):
    """Broken: `fec doctor PHOTO` does not say which faces `fec complete` will find."""
    (said,) = alignment.of_photo(photo)
    assert not said.advice
    assert str(said).startswith("face 1: ")
