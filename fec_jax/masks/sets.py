"""Named sets of masks to evaluate under: the same for everyone who gives the same name, size and seed.

| name | hole | source |
|---|---|---|
| `center` | the centre square of half the side | the paper |
| `wide` | the centre square of three quarters of the side: hair is in it | ours |
| `paper` | a random rectangle, noise in it | the paper; numbers of `MaskSampler` |
| `lama-thin`, `lama-medium`, `lama-thick` | strokes; boxes in some of the last two; at most half the image | LaMa |
| `mat-small`, `mat-large` | boxes and zigzag strokes, any share | MAT, CoModGAN |
| `folder:PATH` | white in the mask pictures of a folder | your own |

For LaMa and MAT see `masks.irregular`. Mask i of a random set depends on name, size, seed and i alone, not on how many
there are. A set whose masks change gets a new version.

A folder's pictures have the endings of `io.formats.SUFFIXES`; they come in the order of their names, from the first
again when there are too few; `size` and `seed` choose nothing. `io.mask_files` says what is hole in them. Pictures in
colour are refused. They must be square: of the size wanted; or a whole multiple of it, when a pixel is hole that is
hole by half or more; or a whole part of it. The set is called `folder:` and the folder's own name, so that reports
compare wherever the folder lies.
"""

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import jax
import numpy as np
from jaxtyping import Array, Bool, UInt

from fec_jax.io import formats, mask_files
from fec_jax.masks import holes, irregular
from fec_jax.masks.sampler import MaskSampler
from fec_jax.types import HostMasks, UserError

FOLDER = "folder:"
VERSIONS = {"center": "1", "wide": "1", "paper": "1"} | dict.fromkeys(irregular.PROTOCOLS, "1") | {FOLDER: "1"}
NAMES = tuple(name for name in VERSIONS if name != FOLDER)

SAMPLER = MaskSampler(min_side=0.3, max_side=0.75, cells=4, threshold=0.35, center_share=0.0, wide_share=0.0)
"""Of `paper`: the defaults of version 1, written out so that a change of the training's leaves the set as it is."""
_TOGETHER = 64

HolesOf = Callable[[Sequence[int]], Bool[np.ndarray, "n px px"]]
"""The holes of some of the masks of a set, by index: bool [n, px, px]."""


@dataclass(frozen=True, eq=False)
class MaskSet:
    """Masks of `count` photos, mask i for photo i. They are made when they are asked for, so a set takes no memory."""

    name: str
    version: str
    count: int
    px: int
    holes_of: HolesOf

    def of(self, rows: Sequence[int]) -> HostMasks:
        """Some of the masks, float32 [n, px, px, 1], 1 in the hole."""
        return self.holes_of(rows).astype(np.float32)[..., None]

    @property
    def masks(self) -> HostMasks:
        """All of them at once."""
        return self.of(range(self.count))

    @cached_property
    def sha256(self) -> str:
        """Over the shape and the masks, eight pixels a byte."""
        sha = hashlib.sha256(repr((self.count, self.px, self.px, 1)).encode())
        for hole in self._each():
            sha.update(np.packbits(hole).tobytes())
        return sha.hexdigest()

    @cached_property
    def bins(self) -> list[str]:
        """Each mask's share of hole, "0.0-0.1", "0.1-0.2" ...: above the first number, at most the second (PConv)."""
        tenths = [max(0, -(-10 * int(hole.sum()) // self.px**2) - 1) for hole in self._each()]
        return [f"{i / 10:.1f}-{(i + 1) / 10:.1f}" for i in tenths]

    def _each(self) -> Iterator[Bool[np.ndarray, "px px"]]:
        for start in range(0, self.count, _TOGETHER):
            yield from self.holes_of(range(start, min(start + _TOGETHER, self.count)))


def make(name: str, count: int, px: int, seed: int) -> MaskSet:
    """The first `count` masks of a set, for photos of `px` pixels a side.

    Raises UserError: unknown name; a folder that is absent or has no picture; one that cannot be read, is in
    colour, not square, of a size that does not fit, or has no hole or no context.
    """
    if name.startswith(FOLDER):
        found = _from_folder(Path(name.removeprefix(FOLDER)), count, px)
        return MaskSet(called(name), VERSIONS[FOLDER], count, px, found)
    if name not in NAMES:
        raise UserError(f"there is no mask set {name!r}: give one of {', '.join(NAMES)} or {FOLDER}PATH")
    if name == "paper":
        found = _paper(px, seed)
    elif name in irregular.PROTOCOLS:
        found = _irregular(name, px, seed)
    else:
        found = _square(px, holes.WIDE if name == "wide" else 0.5)
    return MaskSet(name, VERSIONS[name], count, px, found)


def called(name: str) -> str:
    """The name of the set that `make` makes of this one: of a folder's path only its last part stays."""
    return FOLDER + Path(name.removeprefix(FOLDER)).resolve().name if name.startswith(FOLDER) else name


def _square(px: int, share: float) -> HolesOf:
    square = np.asarray(holes.center(px, share))[..., 0] > 0.5
    return lambda rows: np.broadcast_to(square, (len(rows), px, px))


def _irregular(name: str, px: int, seed: int) -> HolesOf:
    def found(rows: Sequence[int]) -> Bool[np.ndarray, "n px px"]:
        drawn = np.empty((len(rows), px, px), bool)
        for hole, i in zip(drawn, rows, strict=True):
            hole[:] = irregular.draw(name, px, seed, i)
        return drawn

    return found


def _paper(px: int, seed: int) -> HolesOf:
    def masks(index: UInt[Array, " _"]) -> Bool[Array, "_ px px"]:
        key = jax.random.key(seed, impl="threefry2x32")
        return SAMPLER(jax.vmap(lambda i: jax.random.fold_in(key, i))(index), px)[..., 0] > 0.5

    draw = jax.jit(masks)

    def found(rows: Sequence[int]) -> Bool[np.ndarray, "n px px"]:
        index, parts = np.asarray(rows, np.uint32), []
        # In float64: what compilers and devices round differently then moves no pixel over the threshold.
        with jax.enable_x64(True):
            for start in range(0, len(index), _TOGETHER):
                some = index[start : start + _TOGETHER]
                padded = np.resize(some, _TOGETHER)  # one size compiles once
                parts.append(np.asarray(draw(padded))[: len(some)])
        return np.concatenate(parts) if parts else np.empty((0, px, px), bool)

    return found


def _from_folder(folder: Path, count: int, px: int) -> HolesOf:
    """All pictures are read once, for what is wrong with them, and again when they are needed."""
    if not os.path.isdir(folder):
        raise UserError(f"the folder of masks {folder} does not exist: give {FOLDER}PATH, a folder of mask pictures")
    try:
        names = [x.name for x in folder.iterdir() if x.suffix.lower() in formats.SUFFIXES and not os.path.isdir(x)]
        names = sorted(name for name in names if not name.startswith("."))
    except OSError as error:
        raise UserError(
            f"cannot read the folder of masks {folder} ({error.strerror}): check its permissions"
        ) from error
    if not names:
        raise UserError(
            f"the folder of masks {folder} has no pictures: put masks into it, {formats.NAMES}, white in the hole"
        )
    names = names[:count]
    for name in names:
        _fitted(folder / name, px)

    def found(rows: Sequence[int]) -> Bool[np.ndarray, "n px px"]:
        pictures = [_fitted(folder / names[i % len(names)], px) for i in rows]
        return np.stack(pictures) if pictures else np.empty((0, px, px), bool)

    return found


def _fitted(path: Path, px: int) -> Bool[np.ndarray, "{px} {px}"]:
    mask = mask_files.open_mask(path)
    if mask.in_colour():
        raise UserError(
            f"mask {path} is a picture in colour, not a mask (white in the hole, black elsewhere): "
            "paint one, or take it out of the folder"
        )
    hole = mask.painted()
    height, width = hole.shape
    if height != width:
        raise UserError(f"mask {path} is {width} x {height} px: masks must be square; crop it")
    if width % px == 0:
        times = width // px
        hole = 2 * hole.reshape(px, times, px, times).sum(axis=(1, 3)) >= times * times
    elif px % width == 0:
        hole = hole.repeat(px // width, axis=0).repeat(px // width, axis=1)
    else:
        raise UserError(
            f"mask {path} is {width} x {width} px, neither a whole multiple nor a whole part of {px} px: "
            f"resize it to {px} x {px} px"
        )
    if not hole.any():
        raise UserError(f"mask {path} has no hole at {px} px: paint the hole white")
    if hole.all():
        raise UserError(f"mask {path} is all hole at {px} px: paint the context black")
    return hole
