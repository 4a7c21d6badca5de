"""Filling a hole: the Python API of a trained network.

    completer = Completer(load_weights(Path("faces.safetensors")))
    result = completer.complete(photo, mask, {"Smiling": 1})     # uint8 [h, w, 3], true in the hole [h, w]

**Size.** The network works on a square of `resolution_px`. It is given the largest centred square of the photo, brought
to that size by averaging areas; its image is brought back by bicubic interpolation. A hole outside the square is an
error. Pixels outside the hole are never touched, so a large photo loses nothing but detail inside the hole.

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
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, Num, UInt8
from PIL import Image

from fec_jax import images, xla_options
from fec_jax.types import UserError
from fec_jax.weights.format import Weights

Unset = Literal["photo", "ask"]


@dataclass(frozen=True)
class Result:
    """completed         context pixels of the photo, hole pixels of `fake`
    fake              the network's whole image; outside the centred square of a photo that is not square, the photo
    attrs             every attribute's value that the network was given
    read_from_photo   probability that the value is 1, of those that the user left unset
    """

    completed: UInt8[np.ndarray, "h w 3"]
    fake: UInt8[np.ndarray, "h w 3"]
    attrs: dict[str, int]
    read_from_photo: dict[str, float]


class Completer:
    """A generator ready for use. Compiles at the first photo; later photos, of any size, reuse that."""

    def __init__(self, weights: Weights) -> None:
        meta = weights.meta
        self.attribute_names = meta.attribute_names
        self.resolution_px = r = meta.resolution_px
        generator, discriminator = meta.build_generator(), meta.build_discriminator()
        self._g_params = jax.device_put(weights.g_params)
        self._d_params = None if weights.d_params is None else jax.device_put(weights.d_params)
        jit = functools.partial(jax.jit, compiler_options=xla_options.options())
        self._g = jit(lambda p, *inputs: generator.apply({"params": p}, *inputs, 1.0, resolution_px=r))
        self._d = jit(lambda p, x: discriminator.apply({"params": p}, x, 1.0, resolution_px=r)[1])

    def complete(
        self,
        photo: UInt8[np.ndarray, "h w 3"],
        mask: Bool[np.ndarray, "mask_h mask_w"] | UInt8[np.ndarray, "mask_h mask_w"],
        attrs: Mapping[str, int] | None = None,
        unset: Unset = "photo",
    ) -> Result:
        """Fills the hole of `photo` (sRGB) with a face of the wanted `attrs` (name: 0 or 1), in one forward pass.

        `mask` is true, or not 0, in the hole. Raises UserError: unknown attribute or value; attributes left unset that
        cannot be read, or with `unset="ask"`; a mask of another size or empty; a hole outside the centred square.
        """
        if mask.shape != photo.shape[:2]:
            raise UserError(
                f"mask {mask.shape} and photo {photo.shape[:2]} differ in (height, width): they must be equal"
            )
        hole = mask.astype(bool)
        square = centred_square(hole)
        given = check_attrs(self.attribute_names, attrs or {})
        read = self._read(photo[square], [name for name in self.attribute_names if name not in given], unset)
        values = {n: given[n] if n in given else int(read[n] >= 0.5) for n in self.attribute_names}

        masked, pooled = network_input(photo[square], hole[square], self.resolution_px)
        wanted_attrs = jnp.asarray([list(values.values())], jnp.float32).reshape(1, len(values))
        output = np.asarray(self._g(self._g_params, masked[None], pooled[None], wanted_attrs))[0]

        fake, completed = photo.copy(), photo.copy()
        fake[square] = np.asarray(images.to_uint8(jnp.asarray(enlarge(output, fake[square].shape[0]))))
        completed[hole] = fake[hole]
        return Result(completed, fake, values, read)

    def _read(self, photo: UInt8[np.ndarray, "s s 3"], names: list[str], unset: Unset) -> dict[str, float]:
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
        real = np.stack([area(np.asarray(images.to_float(photo[..., c])), self.resolution_px) for c in range(3)], -1)
        logits = np.asarray(self._d(self._d_params, real[None]))[0]
        probabilities = (1 + np.tanh(logits / 2)) / 2  # the sigmoid, without overflow
        probability = dict(zip(self.attribute_names, probabilities.tolist(), strict=True))
        return {name: probability[name] for name in names}


def check_attrs(names: tuple[str, ...], attrs: Mapping[str, int]) -> dict[str, int]:
    """`attrs`, or UserError for a name that is not in `names` or a value that is not 0 or 1."""
    for name, value in attrs.items():
        if name not in names:
            lower = {n.lower(): n for n in names}
            close = difflib.get_close_matches(name.lower(), lower, n=1)
            hint = f"did you mean {lower[close[0]]}? " if close else ""
            raise UserError(f"unknown attribute {name}: {hint}These weights know {', '.join(names) or 'none'}")
        if value not in (0, 1):
            raise UserError(f"{name}={value}: an attribute's value is 0 (absent) or 1 (present)")
    return {name: int(value) for name, value in attrs.items()}


def centred_square(hole: Bool[np.ndarray, "h w"]) -> tuple[slice, slice]:
    """The largest centred square of a photo (rows, columns). UserError if there is no hole or it leaves the square."""
    (h, w), s = hole.shape, min(hole.shape)
    top, left = (h - s) // 2, (w - s) // 2
    square = slice(top, top + s), slice(left, left + s)
    if not hole.any():
        raise UserError("the mask is empty: nothing to fill; mark the hole in white")
    outside = int(hole.sum() - hole[square].sum())
    if outside:
        raise UserError(
            f"the hole leaves the centred {s} x {s} square that the network sees of the {w} x {h} photo ({outside} px "
            "outside): crop photo and mask to a square around the face"
        )
    return square


def network_input(
    photo: UInt8[np.ndarray, "s s 3"], hole: Bool[np.ndarray, "s s"], size_px: int
) -> tuple[Float[np.ndarray, "{size_px} {size_px} 3"], Float[np.ndarray, "{size_px} {size_px} 1"]]:
    """`masked` in [-1, 1] and the binary `mask` at the network's size; see "No leak" above."""
    mask = touched(hole, size_px)
    # The hole is cut before averaging too: a running sum would carry its values on as rounding errors.
    # One channel at a time: a large photo in float64 would need four times the memory.
    averaged = [area(np.where(hole, 0, np.asarray(images.to_float(photo[..., c]))), size_px) for c in range(3)]
    return np.where(mask[..., None], 0, np.stack(averaged, -1)), mask[..., None].astype(np.float32)


def touched(hole: Bool[np.ndarray, "h w"], size_px: int) -> Bool[np.ndarray, "{size_px} {size_px}"]:
    """True in every new pixel whose area meets the hole."""
    return _touched_rows(_touched_rows(hole, size_px).T, size_px).T


def _touched_rows(hole: Bool[np.ndarray, "h w"], rows: int) -> Bool[np.ndarray, "{rows} w"]:
    h, w = hole.shape
    total = np.zeros((h + 1, w), np.int32)
    np.cumsum(hole, axis=0, out=total[1:])
    new = np.arange(rows)
    first, last = new * h // rows, -(-(new + 1) * h // rows)
    return total[last] > total[first]


def area(x: Num[np.ndarray, "h w"] | Bool[np.ndarray, "h w"], size_px: int) -> Float[np.ndarray, "{size_px} {size_px}"]:
    """Mean over the area of each new pixel: average pooling where the sides divide, its continuation elsewhere.

    Pillow's BOX is something else: it counts a pixel that lies in two new ones wholly to that which has its centre.
    """
    return _area_rows(_area_rows(x, size_px).T, size_px).T.astype(np.float32)


def _area_rows(x: Num[np.ndarray, "h w"] | Bool[np.ndarray, "h w"], rows: int) -> Float[np.ndarray, "{rows} w"]:
    h, w = x.shape
    total = np.zeros((h + 1, w))
    np.cumsum(x, axis=0, dtype=np.float64, out=total[1:])
    border = np.arange(rows + 1) * (h / rows)
    below = np.minimum(border.astype(int), h - 1)
    share = (border - below)[:, None]
    at_border = (1 - share) * total[below] + share * total[below + 1]
    return np.diff(at_border, axis=0) * (rows / h)


def enlarge(x: Float[np.ndarray, "r r 3"], size_px: int) -> Float[np.ndarray, "{size_px} {size_px} 3"]:
    """Bicubic interpolation, in float, antialiased where it makes smaller; the same array if the size is the same."""
    if x.shape[0] == size_px:
        return x
    channels = [Image.fromarray(np.ascontiguousarray(x[..., c], np.float32)) for c in range(3)]
    return np.stack([np.asarray(c.resize((size_px, size_px), Image.Resampling.BICUBIC)) for c in channels], -1)
