"""Completing a hole: the Python API of a trained network.

    completer = Completer(load_shipped())
    result = completer.complete(photo, mask, {"Smiling": 1})        # uint8 [h, w, 3], true in the hole [h, w]
    result = completer.complete(photo, "mouth", {"Smiling": 0.5})   # the hole by its name, see `regions`
    results = completer.complete(["a.jpg", "b.jpg"], "eyes")        # several photos in one pass

Photos and masks are arrays, PIL images or paths, see `inputs`.

**Alignment.** The network works on a square of `resolution_px`, in which faces lie as in its training photos. With
`align="face"` the face that the hole touches is found and turned upright (`faces`, `align`); the network's image is
turned back. With `align="off"` the photo is such a crop already: the network's input is its largest centred square,
scaled by area averaging. A hole outside the square is an error. Pixels outside the hole are never changed, so a large
photo loses detail inside the hole only.

**No leak.** What lies under the mask cannot reach the network: it is cut before anything is averaged. Masks at the
network's size are binary, as in training. With `align="face"` a network pixel of which at least half is known counts as
known, by the mean of that half; with `align="off"` one that the hole touches at all is a hole pixel. Context pixels of
the photo that fall into a hole pixel are kept all the same, for the photo's are pasted.

**Attributes that are not set** are read by the discriminator's attribute head from the whole photo, before the hole
is cut. For editing, where the photo still shows the face, that keeps every attribute that the user did not change.
Where the hole covers damage, the head would read the damage: set all attributes then, or pass `unset="ask"`,
which raises an error that lists the ones left open.
"""

import difflib
import functools
import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal, get_args, overload

import jax
import numpy as np
from jaxtyping import Bool, Float32, UInt8

from fec_jax import images, xla_options
from fec_jax.complete import centred, inputs, place, regions, score, task
from fec_jax.complete.align import Alignment, cut_out
from fec_jax.complete.inputs import MaskLike, PhotoLike
from fec_jax.complete.place import Place
from fec_jax.complete.task import Answer, Result, Task
from fec_jax.types import UserError, brief
from fec_jax.weights.format import Weights

Unset = Literal["photo", "ask"]
Align = Literal["face", "off"]
LEAST, MOST = -0.5, 1.5
"""Of an attribute's value. Beyond 0 and 1 there is more of the edit; at these ends LPIPS to the photo is 4 and 8 %
higher (`experiments/alignment/values.json`)."""
BATCH = 8
"""Photos of one pass of the networks over several; a pass over fewer is padded, so that there is one program."""


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

    @overload
    def complete(
        self,
        photo: PhotoLike,
        mask: MaskLike,
        attrs: Mapping[str, float] | None = None,
        unset: Unset = "photo",
        *,
        align: Align = "face",
        eyes: tuple[float, float, float, float] | None = None,
        face: int | None = None,
    ) -> Result: ...

    @overload
    def complete(
        self,
        photo: Sequence[PhotoLike],
        mask: MaskLike | Sequence[MaskLike],
        attrs: Mapping[str, float] | None = None,
        unset: Unset = "photo",
        *,
        align: Align = "face",
        eyes: None = None,
        face: int | None = None,
    ) -> list[Result]: ...

    def complete(self, photo: Any, mask: Any, attrs=None, unset="photo", *, align="face", eyes=None, face=None) -> Any:
        """Completes the hole of `photo` (sRGB) with a face of the wanted `attrs`, in one forward pass.

        `attrs` are values by name, 0 to 1; `LEAST` to `MOST` overdo it.

        `photo` is a uint8 array [h, w, 3], a PIL image or a path. `mask` is one of these too, white or true in the
        hole, at the photo's size; or it names a part of the face (`regions.Region`). `eyes`, x and y of both pupils in
        pixels, takes the place of the search; `face` chooses among several, from the left, from 1 on.

        A list or tuple of photos is a batch: a list of results, from passes of `BATCH` photos. `mask` is a list of the
        same length, or one for all.

        Raises UserError: a photo or mask of another kind (`inputs`); unknown attribute, value or region; attributes
        left unset that cannot be read, or with `unset="ask"`; a mask of another size or empty; no face; a hole outside
        what the network sees; damaged weights. In a batch the message begins with the photo's number, and nothing is
        returned.
        """
        options = {"align": align, "face": face}
        if not isinstance(photo, list | tuple):
            prepared = self.prepare(photo, mask, attrs, unset, eyes=eyes, **options)
            return task.finish(prepared, self.infer([prepared])[0])
        if eyes is not None:
            raise UserError("eyes are those of one photo: complete photos whose eyes you mark one by one")
        masks = mask if isinstance(mask, list | tuple) else [mask] * len(photo)
        if len(masks) != len(photo):
            raise UserError(f"{len(photo)} photos and {len(masks)} masks: give as many, or one mask for all")
        self.check_wanted(attrs, unset)
        results = []
        for start in range(0, len(photo), BATCH):
            tasks = []
            for number in range(start, min(start + BATCH, len(photo))):
                try:
                    tasks.append(self.prepare(photo[number], masks[number], attrs, unset, **options))
                except UserError as error:
                    raise UserError(f"photo {number + 1} of {len(photo)}: {error}") from error
            results += map(task.finish, tasks, self.infer(tasks, BATCH))
        return results

    def prepare(
        self,
        photo: Any,
        mask: Any,
        attrs: Any = None,
        unset: str = "photo",
        *,
        align: str = "face",
        eyes: Any = None,
        face: Any = None,
    ) -> Task:
        """All of `complete` that comes before the networks, for one photo. Arguments and errors are its own."""
        given = self.check_wanted(attrs, unset)
        rgb = inputs.photo(photo)
        where, hole = self.locate(rgb, mask, align=align, eyes=eyes, face=face)
        real = self._real(rgb, where) if len(given) < len(self.attribute_names) else None
        return task.ready(rgb, hole, where, self.resolution_px, given, real)

    def infer(self, tasks: Sequence[Task], size: int = 1) -> list[Answer]:
        """One pass of the networks over up to `size` photos; the last one is repeated up to that."""
        r, names = self.resolution_px, self.attribute_names
        fill_up = [min(i, len(tasks) - 1) for i in range(size)]

        def stack(arrays: Sequence[Any]) -> np.ndarray:
            return np.stack([arrays[i] for i in fill_up]).astype(np.float32)

        reads = [t.read for t in tasks]
        if any(t.real is not None for t in tasks):
            nothing = np.zeros((r, r, 3), np.float32)
            found = self._probabilities(stack([nothing if t.real is None else t.real for t in tasks]))
            for i, t in enumerate(tasks):
                if t.real is not None:
                    named = dict(zip(names, found[i].tolist(), strict=True))
                    reads[i] = {n: p for n, p in named.items() if n not in t.given}
        attrs = [
            {n: t.given[n] if n in t.given else int(read[n] >= 0.5) for n in names}
            for t, read in zip(tasks, reads, strict=True)
        ]
        wanted = stack([np.array([values[n] for n in names], np.float32) for values in attrs])
        masked, mask = (stack([getattr(t, name) for t in tasks]) for name in ("masked", "mask"))
        made = np.asarray(self._g(self._g_params, masked, mask, wanted))
        _check_finite(made, "images")
        logits: Any = [None] * size
        if self._d_params is not None and names:
            logits = self._logits(np.where(mask > 0, np.clip(made, -1, 1), masked))
        scores = [
            score.score(score.terms(made[i], masked[i], mask[i], logits[i], wanted[i])) for i in range(len(tasks))
        ]
        return [Answer(*answer) for answer in zip(made, attrs, reads, scores, strict=False)]

    def locate(
        self,
        photo: UInt8[np.ndarray, "h w 3"],
        mask: Any,
        *,
        align: str = "face",
        eyes: Any = None,
        face: Any = None,
    ) -> tuple[Place | None, Bool[np.ndarray, "h w"]]:
        """The face (None with `align="off"`) and the hole of `complete`, checked. Arguments and errors are its own."""
        if align not in get_args(Align):
            raise UserError(f"align={align}: write face or off")
        named = inputs.region_name(mask)
        given = None if named else inputs.hole(mask, photo)
        if align == "off":
            if eyes is not None or face is not None:
                raise UserError("with --align off no face is searched: drop --eyes and --face")
            hole = regions.centred(named, *photo.shape[:2]) if given is None else given
            centred.square_of(hole)
            return None, hole
        if given is not None and not given.any():
            raise UserError(centred.EMPTY)
        pupils = None if eyes is None else place.pupils(eyes)
        where = place.locate(photo, given, self.alignment, self.resolution_px, eyes=pupils, number=face)
        hole = regions.region(named, where.face, where.square, *photo.shape[:2]) if given is None else given
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
        prepared = task.ready(photo, hole, where, self.resolution_px, values, read=read)
        return task.finish(prepared, self.infer([prepared])[0])

    def read(self, photo: UInt8[np.ndarray, "h w 3"], where: Place | None) -> dict[str, float]:
        """Each attribute's probability, read from the face at `where`, or (None) from the largest centred square.

        Empty if the weights have no discriminator to read with.
        """
        if self._d_params is None or not self.attribute_names:
            return {}
        found = self._probabilities(self._real(photo, where)[None])[0]
        return dict(zip(self.attribute_names, found.tolist(), strict=True))

    def check_wanted(self, attrs: Any, unset: str) -> dict[str, float]:
        """`attrs`, checked. UserError as `complete` raises it for what does not depend on the photo."""
        if unset not in get_args(Unset):
            raise UserError(f"unset={unset}: write photo (read them from the photo) or ask")
        given = check_attrs(self.attribute_names, {} if attrs is None else attrs)
        names = [name for name in self.attribute_names if name not in given]
        how = f"give each a value, e.g. --set {names[0]}=1" if names else ""
        if names and unset == "ask":
            raise UserError(f"attributes not set: {', '.join(names)}; {how}")
        if names and self._d_params is None:
            raise UserError(
                f"attributes not set: {', '.join(names)}; these weights have no discriminator "
                f"to read them from the photo: {how}"
            )
        return given

    def _real(self, photo: UInt8[np.ndarray, "h w 3"], where: Place | None) -> Float32[np.ndarray, "r r 3"]:
        """The network's crop of the photo with nothing cut, in [-1, 1]."""
        if where is None:
            return centred.shrunk(photo[centred.square(*photo.shape[:2])], self.resolution_px)
        return np.asarray(images.to_float(cut_out(photo, where.square, self.resolution_px)))

    def _logits(self, x: Float32[np.ndarray, "b r r 3"]) -> Float32[np.ndarray, "b n"]:
        logits = np.asarray(self._d(self._d_params, x)[1])
        _check_finite(logits, "attributes")
        return logits

    def _probabilities(self, x: Float32[np.ndarray, "b r r 3"]) -> Float32[np.ndarray, "b n"]:
        return (1 + np.tanh(self._logits(x) / 2)) / 2  # the sigmoid, without overflow


def _check_finite(values: np.ndarray, what: str) -> None:
    """Numbers of weights may be finite, and their products not."""
    if not np.isfinite(values).all():
        raise UserError(
            f"the network's {what} have values that are not finite, the weights are damaged: use other ones"
        )


def check_attrs(names: tuple[str, ...], attrs: Any) -> dict[str, float]:
    """`attrs`, or UserError: no mapping, a name not in `names`, or a value that is not from `LEAST` to `MOST`."""
    if not isinstance(attrs, Mapping):
        raise UserError(f"the attributes are a {type(attrs).__name__}: give values by name, a dict")
    given = {}
    for name, value in attrs.items():
        if name not in names:
            lower = {n.lower(): n for n in names}
            close = difflib.get_close_matches(str(name).lower(), lower, n=1)
            hint = f"did you mean {lower[close[0]]}? " if close else ""
            raise UserError(f"unknown attribute {brief(name)}: {hint}These weights know {', '.join(names) or 'none'}")
        try:
            number = math.nan if isinstance(value, str) else float(value)
        except (TypeError, ValueError, OverflowError):
            number = math.nan
        if not LEAST <= number <= MOST:  # nor is NaN
            raise UserError(
                f"{name}={brief(value)}: an attribute's value is 0 (absent), 1 (present) or between, "
                f"at most from {LEAST:g} to {MOST:g}"
            )
        given[name] = int(number) if number in (0, 1) else number
    return given
