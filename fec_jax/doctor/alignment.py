"""Whether faces are found, and lie where the networks expect them: `complete.faces` looked at from the side of data."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from fec_jax.complete import faces
from fec_jax.complete.align import Alignment
from fec_jax.doctor.findings import Finding, several

TOLERANCE = 0.10
"""How far a corner of the square may lie from where the face wants it, in shares of the side."""
_LOOK_PX = 512
_CORNERS = np.array([[0, 0], [1, 0], [0, 1], [1, 1]], float)
_ADVICE = "crop them so that the eyes are level, 0.24 of the side apart, their middle at (0.50, 0.45)"


@dataclass(frozen=True)
class Place:
    """Where the largest face of a picture lies.

    off       the largest distance of a corner of the picture's centred square from where the face wants it, in sides
    degrees   by how much the face is turned, clockwise
    count     how many faces there are
    """

    off: float
    degrees: float
    count: int


def place_of(crop: UInt8[np.ndarray, "s s 3"], alignment: Alignment | None = None) -> Place | None:
    """Of a square photo as networks are trained on; None if no face is found."""
    shown = _at_most(crop, _LOOK_PX)
    found = faces.find(shown)
    if not found:
        return None
    face = max(found, key=lambda one: float(one.box[2:].prod()))
    place = _place(face, len(shown), len(found), alignment or Alignment())
    if (
        place.off > TOLERANCE
    ):  # one look at the eyes is off by a twentieth of their distance: look closer before saying so
        place = _place(faces.precise(shown, face), len(shown), len(found), alignment or Alignment())
    return place


def _place(face: faces.Face, side_px: int, count: int, alignment: Alignment) -> Place:
    square = faces.square_of(face, alignment)
    off = np.linalg.norm(square.to_photo(_CORNERS) / side_px - _CORNERS, axis=1)
    return Place(float(off.max()), square.degrees, count)


def findings(places: Mapping[str, Place | None]) -> list[Finding]:
    """What is to be said of the faces of a folder, by the photos' names."""
    lost = [name for name, place in places.items() if place is None]
    found = {name: place for name, place in places.items() if place is not None}
    off = sorted((name for name, place in found.items() if place.off > TOLERANCE), key=lambda name: -found[name].off)
    several_faces = sum(place.count > 1 for place in found.values())
    said = []
    if found:
        middle = float(np.median([place.off for place in found.values()]))
        said.append(
            Finding(f"faces found in {len(found)} of {len(places)} photos, typically {middle:.1%} off the place")
        )
    if several_faces:
        said.append(Finding(f"{several_faces} photos show several faces"))
    said += several("photos in which no face is found", lost, "look at them, and take out what is no face")
    what = f"faces are more than {TOLERANCE:.0%} of the side off the place that the networks expect, the worst first"
    return said + several(what, [f"{name} ({found[name].off:.0%})" for name in off], _ADVICE)


def of_photo(photo: UInt8[np.ndarray, "h w 3"]) -> list[Finding]:
    """The faces of a photo to complete, as `fec complete` will number them."""
    found = faces.find(photo)
    if not found:
        return [Finding("no face is found in it", "mark the eyes with --eyes, or crop the photo and use --align off")]
    said = []
    for number, face in enumerate(found, start=1):
        square = faces.square_of(face, Alignment())
        turned = f", turned by {square.degrees:.0f} degrees" if abs(square.degrees) >= 5 else ""
        said.append(Finding(f"face {number}: {face}{turned}"))
    return said


def _at_most(crop: UInt8[np.ndarray, "s s 3"], px: int) -> UInt8[np.ndarray, "t t 3"]:
    return crop if len(crop) <= px else np.asarray(Image.fromarray(crop).resize((px, px), Image.Resampling.BOX))
