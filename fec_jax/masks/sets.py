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

A folder's pictures are its `*.png`, in the order of their names, from the first again when there are too few; `size`
and `seed` choose nothing. `io.mask_files` says what is hole in them. They must be square: of the size wanted; or a
whole multiple of it, when a pixel is hole that is hole by half or more; or a whole part of it. The set is called
`folder:` and the folder's own name, so that reports compare wherever the folder lies.
"""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import jax
import numpy as np
from jaxtyping import Bool

from fec_jax.io import mask_files
from fec_jax.masks import holes, irregular
from fec_jax.masks.sampler import MaskSampler
from fec_jax.types import HostMasks, UserError

FOLDER = "folder:"
VERSIONS = {"center": "1", "wide": "1", "paper": "1"} | dict.fromkeys(irregular.PROTOCOLS, "1") | {FOLDER: "1"}
NAMES = tuple(name for name in VERSIONS if name != FOLDER)

SAMPLER = MaskSampler(min_side=0.3, max_side=0.75, cells=4, threshold=0.35, center_share=0.0, wide_share=0.0)
"""Of `paper`: the defaults of version 1, written out so that a change of the training's leaves the set as it is."""
_TOGETHER = 64


@dataclass(frozen=True, eq=False)
class MaskSet:
    """Masks float32 [n, px, px, 1], 1 in the hole; mask i is for photo i."""

    name: str
    version: str
    masks: HostMasks

    @cached_property
    def sha256(self) -> str:
        """Over the shape and the masks, eight pixels a byte."""
        sha = hashlib.sha256(repr(tuple(int(n) for n in self.masks.shape)).encode())
        for mask in self.masks:
            sha.update(np.packbits(mask > 0.5).tobytes())
        return sha.hexdigest()


def make(name: str, count: int, px: int, seed: int) -> MaskSet:
    """The first `count` masks of a set, for photos of `px` pixels a side; the arrays may be read-only.

    Raises UserError: unknown name; a folder that is absent or has no PNG; a picture that cannot be read, is not square,
    of a size that does not fit, or has no hole or no context.
    """
    if name.startswith(FOLDER):
        return MaskSet(called(name), VERSIONS[FOLDER], _from_folder(Path(name.removeprefix(FOLDER)), count, px))
    if name not in NAMES:
        raise UserError(f"there is no mask set {name!r}: give one of {', '.join(NAMES)} or {FOLDER}PATH")
    if name == "paper":
        found = _paper(count, px, seed)
    elif name in irregular.PROTOCOLS:
        found = np.empty((count, px, px, 1), np.float32)
        for i in range(count):
            found[i, ..., 0] = irregular.draw(name, px, seed, i)
    else:
        square = holes.center(px, holes.WIDE if name == "wide" else 0.5)
        found = np.broadcast_to(np.asarray(square), (count, px, px, 1))
    return MaskSet(name, VERSIONS[name], found)


def called(name: str) -> str:
    """The name of the set that `make` makes of this one: of a folder's path only its last part stays."""
    return FOLDER + Path(name.removeprefix(FOLDER)).resolve().name if name.startswith(FOLDER) else name


def bins(masks: HostMasks) -> list[str]:
    """Each mask's share of hole, as "0.0-0.1", "0.1-0.2" ...: above the first number, at most the second (PConv)."""
    pixels = masks[0].size if len(masks) else 1
    tenths = [max(0, -(-10 * int((mask > 0.5).sum()) // pixels) - 1) for mask in masks]
    return [f"{i / 10:.1f}-{(i + 1) / 10:.1f}" for i in tenths]


def _paper(count: int, px: int, seed: int) -> HostMasks:
    found = np.empty((count, px, px, 1), np.float32)
    # In float64: what compilers and devices round differently then moves no pixel over the threshold.
    with jax.enable_x64(True):
        key = jax.random.key(seed, impl="threefry2x32")
        draw = jax.jit(lambda index: SAMPLER(jax.vmap(lambda i: jax.random.fold_in(key, i))(index), px))
        for start in range(0, count, _TOGETHER):
            stop = min(start + _TOGETHER, count)
            found[start:stop] = np.asarray(draw(np.arange(start, start + _TOGETHER, dtype=np.uint32)))[: stop - start]
    return found


def _from_folder(folder: Path, count: int, px: int) -> HostMasks:
    if not folder.is_dir():
        raise UserError(f"the folder of masks {folder} does not exist: give {FOLDER}PATH, a folder of PNG pictures")
    try:
        names = sorted(x.name for x in folder.iterdir() if x.suffix.lower() == ".png" and not x.name.startswith("."))
    except OSError as error:
        raise UserError(
            f"cannot read the folder of masks {folder} ({error.strerror}): check its permissions"
        ) from error
    if not names:
        raise UserError(f"the folder of masks {folder} has no *.png: put mask pictures into it, white in the hole")
    found = np.stack([_fitted(folder / name, px) for name in names[:count]]).astype(np.float32)
    return found[np.arange(count) % len(found), ..., None]


def _fitted(path: Path, px: int) -> Bool[np.ndarray, "{px} {px}"]:
    hole = mask_files.read_mask(path)
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
