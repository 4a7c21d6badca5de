"""One photo on its way through the networks: what they are given, and what becomes of their answer."""

import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, Float32, UInt8

from fec_jax.complete import centred, seam
from fec_jax.complete.align import Square, box_of, network_input, to_photo, whole
from fec_jax.complete.place import NO_CONTEXT, Place
from fec_jax.images import HALF_RANGE
from fec_jax.types import UserError


@dataclass(frozen=True)
class Task:
    """A photo that is ready for the networks, and all that is needed to paste their image.

    photo, hole     as in `Result`
    where           the face; None with `align="off"`
    square          the crop of the photo that the network sees
    masked, mask    the generator's input, masked in [-1, 1]
    given           attributes that have a value already
    real            the crop before the hole is cut, in [-1, 1], to read the other attributes from; None: there are none
    read            probabilities that were read before, for `Result.read_from_photo`
    """

    photo: UInt8[np.ndarray, "h w 3"]
    hole: Bool[np.ndarray, "h w"]
    where: Place | None
    square: Square
    masked: Float32[np.ndarray, "r r 3"]
    mask: Float32[np.ndarray, "r r 1"]
    given: dict[str, float]
    real: Float32[np.ndarray, "r r 3"] | None = None
    read: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Answer:
    """The networks' output for a `Task`: the image in [-1, 1], attributes as in `Result`, and the score."""

    image: Float32[np.ndarray, "r r 3"]
    attrs: dict[str, float]
    read: dict[str, float]
    score: float


@dataclass(frozen=True)
class Result:
    """completed         context pixels of the photo, hole pixels of the network's image; with `align="face"` both meet
                      without a seam, with `align="off"` the network's image is pasted as it is
    hole              the pixels that were completed
    score             expected 1 - LPIPS at the network's size: higher is better; see `score`
    attrs             every attribute's value, as input to the network
    read_from_photo   probability that the value is 1, of those that the user left unset
    square            the crop of the photo that the network saw
    place             the face, all faces that were found, and warnings; None with `align="off"`
    image             the network's own image of the crop, in [-1, 1]
    """

    completed: UInt8[np.ndarray, "h w 3"]
    hole: Bool[np.ndarray, "h w"]
    score: float
    attrs: dict[str, float]
    read_from_photo: dict[str, float]
    square: Square
    place: Place | None
    image: Float32[np.ndarray, "r r 3"]
    _photo: UInt8[np.ndarray, "h w 3"] = field(repr=False)

    @functools.cached_property
    def fake(self) -> UInt8[np.ndarray, "h w 3"]:
        """The network's whole image, as it is; outside the crop, the photo."""
        fake = self._photo.copy()
        rows, columns = self.square.bounds(*self.hole.shape)
        inside = self.square.covers(rows, columns)
        fake[rows, columns][inside] = _to_uint8(_in_photo(self.image, self.square, rows, columns))[inside]
        return fake

    @property
    def warnings(self) -> tuple[str, ...]:
        """What makes this photo hard for the network, one line each."""
        return self.place.warnings if self.place else ()


def ready(
    photo: UInt8[np.ndarray, "h w 3"],
    hole: Bool[np.ndarray, "h w"],
    where: Place | None,
    size_px: int,
    given: Mapping[str, float],
    real: Float32[np.ndarray, "r r 3"] | None = None,
    read: Mapping[str, float] | None = None,
) -> Task:
    """The task of filling a hole that has been checked, for a network of `size_px`. UserError: it would see nothing."""
    if where is None:
        rows, columns = centred.square_of(hole)
        square = whole(rows, columns)
        masked, mask = centred.network_input(photo[rows, columns], hole[rows, columns], size_px)
    else:
        square = where.square
        masked, mask = network_input(photo, hole, square, size_px)
    if mask.all():
        raise UserError(NO_CONTEXT)
    return Task(photo, hole, where, square, masked, mask, dict(given), real, dict(read or {}))


def finish(task: Task, answer: Answer) -> Result:
    """The photo with the answer's image in its hole."""
    photo, hole, square = task.photo, task.hole, task.square
    network_px = square.side_px / len(answer.image)
    completed = photo.copy()
    # The feather needs a rim of context around the hole.
    margin = 2 + math.ceil(network_px)
    rows, columns = (slice(max(0, s.start - margin), s.stop + margin) for s in box_of(hole))
    rows, columns = (
        slice(rows.start, min(rows.stop, len(hole))),
        slice(columns.start, min(columns.stop, hole.shape[1])),
    )
    within = hole[rows, columns]
    if task.where is None:
        fake = _in_photo(answer.image, square, rows, columns)
    else:
        fake = _in_photo(seam.meet(answer.image, task.masked, task.mask), square, rows, columns)
        fake = seam.feather(fake, photo[rows, columns], within, network_px)
    completed[rows, columns][within] = _to_uint8(fake)[within]
    return Result(completed, hole, answer.score, answer.attrs, answer.read, square, task.where, answer.image, photo)


def _in_photo(image: Float32[np.ndarray, "r r 3"], square: Square, rows: slice, columns: slice) -> np.ndarray:
    """The network's image in these rows and columns of the photo, in grey levels, not rounded. Float32 [h, w, 3]."""
    return (to_photo(image, square, rows, columns) + 1) * HALF_RANGE


def _to_uint8(levels: np.ndarray) -> UInt8[np.ndarray, "h w 3"]:
    return np.clip(np.round(levels), 0, 255).astype(np.uint8)
