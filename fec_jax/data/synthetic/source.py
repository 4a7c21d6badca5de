"""Synthetic faces: an unlimited set of labelled, procedurally rendered faces, the built-in default data set.

A face consists of soft-edged shapes, a relief of the head under one light, and streaks and noise for hair and skin.
It is laid out like aligned photos: eyes level, 0.24 of the width apart, at 0.45 of the height; chin at 0.82 to 0.88.
Every random choice is a function of (seed, index) alone. The seven labels are exact (their frequencies are in
`people.py`), and each shows inside the centre square 0.25..0.75 too: frames; teeth and cheeks; bags and lines;
beard; brows, lips and make-up; hairline; the colour of brows and hair.
"""

import threading
from collections.abc import Sequence

import numpy as np
from jaxtyping import UInt8

from fec_jax.data.synthetic import eyes, features, hair, scene
from fec_jax.data.synthetic.canvas import Canvas
from fec_jax.data.synthetic.head import Head
from fec_jax.data.synthetic.people import ATTRIBUTES, People
from fec_jax.types import UserError

__all__ = ["ATTRIBUTES", "SyntheticFaces", "render"]

_MIN_PX, _MAX_PX = 4, 1024
_RENDERED_PX = 64  # smaller pictures are averages of this size: exactly what pooling gives
_PIXELS_AT_ONCE = 1 << 16  # planes of this many pixels stay in the processor's cache
_TEST_STREAM = 1 << 40  # test faces have indices from here on; training faces lie below
_CACHE_BYTES = 384 << 20  # 8,192 faces of 128 px


def _render(people: People, resolution_px: int) -> UInt8[np.ndarray, "n r r 3"]:
    size = max(resolution_px, _RENDERED_PX)
    canvas = Canvas(people, size)
    scene.background(people, canvas)
    head = Head(people, canvas)
    cut = hair.Hair(head)
    cut.behind()
    scene.neck_and_clothes(head)
    scene.ears(head)
    hair.beard_behind(head)
    head.features()
    head.grain()
    features.nose(head)
    features.folds(head)
    eyes.brows(head)
    hair.beard(head)
    features.mouth(head)
    head.render()
    eyes.eyes(head)
    eyes.glasses(head)
    cut.front()
    k = size // resolution_px
    rgb = np.clip(canvas.rgb, 0, 1)
    rgb = rgb.reshape(people.n, 3, resolution_px, k, resolution_px, k).mean(axis=(3, 5)) if k > 1 else rgb
    return np.ascontiguousarray(np.rint(rgb * 255).astype(np.uint8).transpose(0, 2, 3, 1))


def render(
    seed: int,
    indices: np.ndarray | Sequence[int],
    resolution_px: int,
    attrs: UInt8[np.ndarray, "n a"] | None = None,
) -> tuple[UInt8[np.ndarray, "n r r 3"], UInt8[np.ndarray, "n a"]]:
    """Renders the faces `indices` (>= 0) of the endless series `seed`: images in 0..255, labels in order `ATTRIBUTES`.

    A face depends on (seed, index) only, not on its neighbours or the resolution: below 64 px the picture is the exact
    average of the 64 px one; above, edges and texture are band-limited to a pixel, so that averaging a larger picture
    gives nearly the smaller one. `attrs` replaces the labels: the same person with, say, another `Smiling`, and only
    what shows that label changes.
    Raises UserError for a resolution that is not a power of two from 4 to 1024, and for bad indices or labels.
    """
    _check_resolution(resolution_px)
    people = People(seed, np.asarray(indices, dtype=np.int64), attrs)
    images = np.empty((people.n, resolution_px, resolution_px, 3), np.uint8)
    at_once = max(1, _PIXELS_AT_ONCE // max(resolution_px, _RENDERED_PX) ** 2)
    for i in range(0, people.n, at_once):
        images[i : i + at_once] = _render(people[i : i + at_once], resolution_px)
    return images, people.attrs


def _check_resolution(resolution_px: int) -> None:
    if not _MIN_PX <= resolution_px <= _MAX_PX or resolution_px & (resolution_px - 1):
        raise UserError(
            f"synthetic faces: resolution {resolution_px} px is not a power of two from {_MIN_PX} to {_MAX_PX}"
        )


class SyntheticFaces:
    """A data source of `size` synthetic faces. `split` "train" and "test" show different people, for any sizes.

    Faces are rendered when first read, and kept where all of them fit into 384 MiB. Safe to use from several threads.
    Raises UserError for a bad size, resolution or split.
    """

    name = "drawn_faces"
    attribute_names: tuple[str, ...] = ATTRIBUTES
    license = "CC0-1.0 (drawn by fec_jax)"
    fingerprint = "drawn"

    def __init__(self, size: int, resolution_px: int, seed: int = 0, split: str = "train"):
        _check_resolution(resolution_px)
        if not 0 < size <= _TEST_STREAM:
            raise UserError(f"synthetic faces: size must be from 1 to 2^40, got {size}")
        if split not in ("train", "test"):
            raise UserError(f'synthetic faces: split must be "train" or "test", got {split!r}')
        self.size, self.resolution_px, self.seed, self.split = size, resolution_px, seed, split
        self._first = _TEST_STREAM if split == "test" else 0
        self._lock = threading.Lock()
        self._images: np.ndarray | None = None
        if size * resolution_px**2 * 3 <= _CACHE_BYTES:
            self._images = np.zeros((size, resolution_px, resolution_px, 3), np.uint8)
            self._attrs = np.zeros((size, len(ATTRIBUTES)), np.uint8)
            self._rendered = np.zeros(size, bool)

    def __repr__(self) -> str:
        """The same in every process: an input pipeline compares it to see whether a saved position still fits."""
        return f"SyntheticFaces({self.size}, {self.resolution_px}, seed={self.seed}, split={self.split!r})"

    def __reduce__(self) -> tuple[type, tuple[int, int, int, str]]:
        """Worker processes get an empty copy: locks cannot be pickled, and rendering is cheaper than sending pixels."""
        return type(self), (self.size, self.resolution_px, self.seed, self.split)

    def __len__(self) -> int:
        return self.size

    def load(
        self, indices: Sequence[int] | np.ndarray
    ) -> tuple[UInt8[np.ndarray, "n r r 3"], UInt8[np.ndarray, "n a"]]:
        """Images [n, r, r, 3] in 0..255 and labels [n, 7] of `indices`, each in 0..size-1 (else IndexError)."""
        at = np.asarray(indices, dtype=np.int64)
        if at.size and not (at.min() >= 0 and at.max() < self.size):
            raise IndexError(f"synthetic faces: index outside 0..{self.size - 1}")
        if self._images is None:
            return render(self.seed, at + self._first, self.resolution_px)
        new = np.unique(at[~self._rendered[at]])
        if new.size:
            # Two threads may render the same face; they write the same pixels. The flag follows the pixels.
            images, attrs = render(self.seed, new + self._first, self.resolution_px)
            with self._lock:
                self._images[new], self._attrs[new] = images, attrs
                self._rendered[new] = True
        return self._images[at], self._attrs[at]
