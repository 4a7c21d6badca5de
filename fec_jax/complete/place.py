"""Which face of a photo, and where the networks' crop of it lies: from the hole, the eyes or a number."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, UInt8

from fec_jax.complete import faces
from fec_jax.complete.align import Alignment, Square, box_of
from fec_jax.complete.centred import EMPTY
from fec_jax.complete.faces import Face
from fec_jax.types import UserError, brief

TURNED = 0.22
"""`Face.yaw` from which a face counts as turned to the side: 3 of its standard deviations in portraits."""
NO_CONTEXT = "the hole covers all that the network sees of the face, no context is left: make it smaller"
WAYS_OUT = "mark its pupils with --eyes X,Y,X,Y, or use --align off if the photo is such a crop itself"


@dataclass(frozen=True)
class Place:
    """faces      all that were found, from left to right; just `face` if a person marked the eyes
    face       the one that is completed
    square     the crop of it that the networks see
    warnings   what makes this face hard for them, one line each
    """

    faces: tuple[Face, ...]
    face: Face
    square: Square
    warnings: tuple[str, ...]

    @property
    def number(self) -> int:
        """Of `face` among `faces`, from 1."""
        return 1 + next(i for i, face in enumerate(self.faces) if face is self.face)

    @property
    def choice(self) -> str:
        """Which of several faces is completed, in words; empty if there is one."""
        if len(self.faces) == 1:
            return ""
        return f"{len(self.faces)} faces ({listing(self.faces)}): took {self.number}; --face N takes another"


def locate(
    photo: UInt8[np.ndarray, "h w 3"],
    hole: Bool[np.ndarray, "h w"] | None,
    alignment: Alignment,
    network_px: int,
    *,
    eyes: Float[np.ndarray, "2 2"] | None = None,
    number: Any = None,
) -> Place:
    """The face that the hole has most in common with; or that of `eyes` (pixels), or the `number`th from the left.

    With no hole: the only face, or else a `number` is needed. Raises UserError: no face, or none that the hole
    touches; no such number; eyes outside the photo or in one place.
    """
    h, w = photo.shape[:2]
    if eyes is not None:
        _check_eyes(eyes, h, w)
        face = faces.from_eyes(eyes)
        square = faces.square_of(face, alignment, marked=True)
        return Place((face,), face, square, _warnings(face, square, network_px))
    found = faces.find(photo, hole)
    if not found:
        raise UserError(f"no face found in the photo of {w} x {h} px: {WAYS_OUT}")
    chosen = _choose(found, hole, number, alignment)
    face = faces.precise(photo, faces.upright(photo, found[chosen]))
    square = faces.square_of(face, alignment)
    face = found[chosen] = faces.corrected(face, square, alignment)
    return Place(tuple(found), face, square, _warnings(face, square, network_px))


def pupils(given: Any) -> Float[np.ndarray, "2 2"]:
    """`eyes` for `locate` from x and y of both, as callers have them. UserError: not four numbers."""
    try:
        found = np.asarray(given, float)
    except (TypeError, ValueError, OverflowError):
        found = np.empty(0)
    if found.size != 4:
        raise UserError(f"eyes {brief(given)}: give four numbers, X,Y of both pupils in pixels")
    return found.reshape(2, 2)


def check_hole(hole: Bool[np.ndarray, "h w"], place: Place) -> None:
    """UserError if the hole is empty, leaves the face's crop or covers all of it."""
    if not hole.any():
        raise UserError(EMPTY)
    rows, columns = box_of(hole)
    outside = int((hole[rows, columns] & ~place.square.covers(rows, columns)).sum())
    total = int(hole.sum())
    if outside:
        raise UserError(
            f"the hole leaves the square around the face that the network sees ({outside} of its {total} px): "
            f"keep it within {place.square.side_px:.0f} px around the face ({place.face}), mask the rest separately, "
            "or choose another face (--face, --eyes)"
        )
    rows, columns = place.square.bounds(*hole.shape)
    if not (place.square.covers(rows, columns) & ~hole[rows, columns]).any():
        raise UserError(NO_CONTEXT)


def listing(found: tuple[Face, ...] | list[Face]) -> str:
    """Numbers, sizes and places of faces, on one line."""
    return "; ".join(f"{i}: {face}" for i, face in enumerate(found, 1))


def _choose(found: list[Face], hole: np.ndarray | None, number: Any, alignment: Alignment) -> int:
    if number is not None:
        if isinstance(number, bool) or not isinstance(number, int | np.integer):
            raise UserError(f"face {brief(number)}: give its number, from the left, from 1 on")
        if not 1 <= number <= len(found):
            raise UserError(f"--face {number}: {len(found)} found ({listing(found)}); give 1 to {len(found)}")
        return number - 1
    if hole is None:
        if len(found) > 1:
            raise UserError(f"{len(found)} faces found ({listing(found)}): choose one with --face N")
        return 0
    shares = [faces.touched(face, hole) for face in found]
    if not any(shares):  # hair, neck: beside the faces' boxes, but in their crops
        rows, columns = box_of(hole)
        inside = [faces.square_of(face, alignment).covers(rows, columns) & hole[rows, columns] for face in found]
        shares = [float(share.sum()) for share in inside]
    if not any(shares):
        raise UserError(f"the hole touches no face found ({listing(found)}): move the hole, or {WAYS_OUT}")
    return int(np.argmax(shares))


def _check_eyes(eyes: Float[np.ndarray, "2 2"], h: int, w: int) -> None:
    text = ",".join(f"{x:g}" for x in eyes.ravel())
    if not (np.isfinite(eyes).all() and (eyes >= 0).all() and (eyes <= (w, h)).all()):
        raise UserError(f"--eyes {text} are outside the photo of {w} x {h} px: give X,Y of both pupils in pixels")
    if np.hypot(*(eyes[1] - eyes[0])) < 4:
        raise UserError(f"--eyes {text} are less than 4 px apart: give X,Y of both pupils in pixels")


def _warnings(face: Face, square: Square, network_px: int) -> tuple[str, ...]:
    found = []
    if abs(face.yaw) > TURNED:
        found.append(
            "the face is turned to the side: the network knows faces that look at the camera; "
            "check the result, or take another photo"
        )
    if square.side_px < network_px:
        found.append(
            f"the face is small: its square has {square.side_px:.0f} px, the network works at {network_px} px; "
            "take a larger version of the photo if there is one"
        )
    return tuple(found)
