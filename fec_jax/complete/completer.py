"""Filling a hole: the Python API of a trained network.

    completer = Completer(load_shipped())
    result = completer.complete(photo, mask, {"Smiling": 1})        # uint8 [h, w, 3], true in the hole [h, w]
    result = completer.complete(photo, "mouth", {"Smiling": 0.5})   # the hole by its name, see `regions`

**Alignment.** The network works on a square of `resolution_px`, in which faces lie as in its training photos. With
`align="face"` the face that the hole touches is found and turned upright (`faces`, `align`); the network's image is
turned back. With `align="off"` the photo is such a crop already: the network gets its largest centred square, brought
to size by averaging areas. A hole outside the square is an error. Pixels outside the hole are never touched, so a large
photo loses nothing but detail inside the hole.

**No leak.** A pixel of the network's that the hole touches, wholly or in part, is a hole pixel: 1 in the mask and 0 in
the masked image, as in training, where masks at the final resolution are binary. What lies under the mask cannot reach
the network. Context pixels of the photo that fall into such a pixel are kept all the same, for the photo's are pasted.

**Attributes that are not set** are read by the discriminator's attribute head from the photo as it was given, before
the hole is cut. For editing, where the photo still holds the face, that keeps everything that the user did not ask to
change. Where the hole covers damage, the head would read the damage: set all attributes then, or pass `unset="ask"`,
which raises an error that lists the ones left open.
"""

import difflib
import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float32, UInt8

from fec_jax import images, xla_options
from fec_jax.complete import centred, place, regions, score, seam
from fec_jax.complete.align import Alignment, Square, box_of, cut_out, network_input, to_photo, whole
from fec_jax.complete.place import Place
from fec_jax.types import UserError
from fec_jax.weights.format import Weights

Unset = Literal["photo", "ask"]
Align = Literal["face", "off"]
LEAST, MOST = 0.0, 1.0
"""Of an attribute's value. What lies beyond is outside of what was trained."""


@dataclass(frozen=True)
class Result:
    """completed         context pixels of the photo, hole pixels of the network's image, no seam between them
    hole              where it was filled
    score             expected 1 - LPIPS at the network's size: higher is better; see `score`
    attrs             every attribute's value that the network was given
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


class Completer:
    """A generator ready for use. Compiles at the first photo; later photos, of any size, reuse that."""

    def __init__(self, weights: Weights) -> None:
        meta = weights.meta
        self.attribute_names = meta.attribute_names
        self.resolution_px = r = meta.resolution_px
        self.alignment = Alignment(meta.alignment["eyes_apart"], tuple(meta.alignment["eyes_middle"]))
        generator, discriminator = meta.build_generator(), meta.build_discriminator()
        self._g_params = jax.device_put(weights.g_params)
        self._d_params = None if weights.d_params is None else jax.device_put(weights.d_params)
        jit = functools.partial(jax.jit, compiler_options=xla_options.options())
        self._g = jit(lambda p, *inputs: generator.apply({"params": p}, *inputs, 1.0, resolution_px=r))
        self._d = jit(lambda p, x: discriminator.apply({"params": p}, x, 1.0, resolution_px=r))

    def complete(
        self,
        photo: UInt8[np.ndarray, "h w 3"],
        mask: Bool[np.ndarray, "mask_h mask_w"] | UInt8[np.ndarray, "mask_h mask_w"] | str,
        attrs: Mapping[str, float] | None = None,
        unset: Unset = "photo",
        *,
        align: Align = "face",
        eyes: tuple[float, float, float, float] | None = None,
        face: int | None = None,
    ) -> Result:
        """Fills the hole of `photo` (sRGB) with a face of the wanted `attrs` (name: 0 to 1), in one forward pass.

        `mask` is true, or not 0, in the hole; or names a part of the face (`regions.Region`). `eyes`, x and y of both
        pupils in pixels, takes the place of the search; `face` chooses among several, from the left, from 1 on.

        Raises UserError: unknown attribute, value or region; attributes left unset that cannot be read, or with
        `unset="ask"`; a mask of another size or empty; no face; a hole outside what the network sees.
        """
        given = check_attrs(self.attribute_names, attrs or {})
        where, hole = self.locate(photo, mask, align=align, eyes=eyes, face=face)
        read = self._read(photo, where or centred.square_of(hole), given, unset)
        values = {n: given[n] if n in given else int(read[n] >= 0.5) for n in self.attribute_names}
        return self.fill(photo, hole, values, where, read)

    def locate(
        self,
        photo: UInt8[np.ndarray, "h w 3"],
        mask: Bool[np.ndarray, "mask_h mask_w"] | UInt8[np.ndarray, "mask_h mask_w"] | str,
        *,
        align: Align = "face",
        eyes: tuple[float, float, float, float] | None = None,
        face: int | None = None,
    ) -> tuple[Place | None, Bool[np.ndarray, "h w"]]:
        """The face (None with `align="off"`) and the hole of `complete`, checked. Arguments and errors are its own."""
        if align not in get_args(Align):
            raise UserError(f"align={align}: write face or off")
        if not isinstance(mask, str) and mask.shape != photo.shape[:2]:
            raise UserError(
                f"mask {mask.shape} and photo {photo.shape[:2]} differ in (height, width): they must be equal"
            )
        if align == "off":
            if eyes is not None or face is not None:
                raise UserError("with --align off no face is searched: drop --eyes and --face")
            if isinstance(mask, str):
                mask = regions.centred(mask, *photo.shape[:2])
            hole = mask.astype(bool)
            centred.square_of(hole)
            return None, hole
        given = None if isinstance(mask, str) else mask.astype(bool)
        if given is not None and not given.any():
            raise UserError(centred.EMPTY)
        pupils = None if eyes is None else np.array(eyes, float).reshape(2, 2)
        where = place.locate(photo, given, self.alignment, self.resolution_px, eyes=pupils, number=face)
        if isinstance(mask, str):
            hole = regions.region(mask, where.face, where.square, *photo.shape[:2])
        else:
            hole = mask.astype(bool)
        place.check_hole(hole, where)
        return where, hole

    def fill(
        self,
        photo: UInt8[np.ndarray, "h w 3"],
        hole: Bool[np.ndarray, "h w"],
        values: Mapping[str, float],
        where: Place | None,
        read: Mapping[str, float] | None = None,
    ) -> Result:
        """One forward pass with every attribute's value, for a hole and a place that `locate` gave."""
        r = self.resolution_px
        if where is None:
            rows, columns = centred.square_of(hole)
            square = whole(rows, columns)
            masked, mask = centred.network_input(photo[rows, columns], hole[rows, columns], r)
        else:
            square = where.square
            masked, mask = network_input(photo, hole, square, r)
        wanted_attrs = jnp.asarray([values[n] for n in self.attribute_names], jnp.float32).reshape(1, len(values))
        image = np.asarray(self._g(self._g_params, masked[None], mask[None], wanted_attrs))[0]

        completed = photo.copy()
        # The feather needs a rim of context around the hole.
        margin = 2 + math.ceil(square.side_px / r)
        rows, columns = (slice(max(0, s.start - margin), s.stop + margin) for s in box_of(hole))
        rows, columns = (
            slice(rows.start, min(rows.stop, len(hole))),
            slice(columns.start, min(columns.stop, hole.shape[1])),
        )
        within = hole[rows, columns]
        if where is None:
            fake = _in_photo(image, square, rows, columns)
        else:
            fake = _in_photo(seam.meet(image, masked, mask), square, rows, columns)
            fake = seam.feather(fake, photo[rows, columns], within, square.side_px / r)
        completed[rows, columns][within] = _to_uint8(fake)[within]
        return Result(
            completed,
            hole,
            self._score(image, masked, mask, wanted_attrs),
            dict(values),
            dict(read or {}),
            square,
            where,
            image,
            photo,
        )

    def _score(self, image: np.ndarray, masked: np.ndarray, mask: np.ndarray, wanted_attrs: jax.Array) -> float:
        logits = None
        if self._d_params is not None and self.attribute_names:
            completed = np.where(mask > 0, np.clip(image, -1, 1), masked)
            logits = np.asarray(self._d(self._d_params, completed[None])[1])[0]
        return score.score(score.terms(image, masked, mask, logits, np.asarray(wanted_attrs)[0]))

    def _read(
        self,
        photo: UInt8[np.ndarray, "h w 3"],
        where: Place | tuple[slice, slice],
        given: Mapping[str, float],
        unset: Unset,
    ) -> dict[str, float]:
        names = [name for name in self.attribute_names if name not in given]
        if not names:
            return {}
        how = f"give each a value, e.g. --set {names[0]}=1"
        if unset == "ask":
            raise UserError(f"attributes not set: {', '.join(names)}; {how}")
        if self._d_params is None:
            raise UserError(
                f"attributes not set: {', '.join(names)}; these weights have no discriminator "
                f"to read them from the photo: {how}"
            )
        if isinstance(where, Place):
            real = np.asarray(images.to_float(cut_out(photo, where.square, self.resolution_px)))
        else:
            real = centred.shrunk(photo[where], self.resolution_px)
        logits = np.asarray(self._d(self._d_params, real[None])[1])[0]
        probabilities = (1 + np.tanh(logits / 2)) / 2  # the sigmoid, without overflow
        probability = dict(zip(self.attribute_names, probabilities.tolist(), strict=True))
        return {name: probability[name] for name in names}


def check_attrs(names: tuple[str, ...], attrs: Mapping[str, float]) -> dict[str, float]:
    """`attrs`, or UserError for a name that is not in `names` or a value that is not from 0 to 1."""
    for name, value in attrs.items():
        if name not in names:
            lower = {n.lower(): n for n in names}
            close = difflib.get_close_matches(name.lower(), lower, n=1)
            hint = f"did you mean {lower[close[0]]}? " if close else ""
            raise UserError(f"unknown attribute {name}: {hint}These weights know {', '.join(names) or 'none'}")
        if not LEAST <= value <= MOST:  # nor is NaN
            raise UserError(
                f"{name}={value}: an attribute's value is 0 (absent), 1 (present) or between, "
                f"at most from {LEAST:g} to {MOST:g}"
            )
    return {name: int(value) if value in (0, 1) else float(value) for name, value in attrs.items()}


def _in_photo(image: Float32[np.ndarray, "r r 3"], square: Square, rows: slice, columns: slice) -> np.ndarray:
    """The network's image in these rows and columns of the photo, in grey levels, not rounded. Float32 [h, w, 3]."""
    return (to_photo(image, square, rows, columns) + 1) * 127.5


def _to_uint8(levels: np.ndarray) -> UInt8[np.ndarray, "h w 3"]:
    return np.clip(np.round(levels), 0, 255).astype(np.uint8)
