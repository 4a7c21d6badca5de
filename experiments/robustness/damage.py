"""Damage to a file's bytes, whatever the file is."""

from collections.abc import Callable, Sequence

import numpy as np

Damage = Callable[[bytes, np.random.Generator, Sequence[bytes]], bytes]
"""A file's bytes, and the bytes of other files, to bytes that are wrong somewhere."""


def _span(data: bytes, rng: np.random.Generator, most: int = 64) -> tuple[int, int]:
    """First and last + 1 of up to `most` bytes somewhere in `data`."""
    start = int(rng.integers(0, max(1, len(data))))
    return start, min(len(data), start + int(rng.integers(1, most + 1)))


def _flipped(data: bytes, rng: np.random.Generator, first: int, last: int) -> bytes:
    changed = bytearray(data)
    for _ in range(int(rng.integers(1, 17)) if last > first else 0):
        changed[int(rng.integers(first, last))] ^= 1 << int(rng.integers(0, 8))
    return bytes(changed)


def bits(data: bytes, rng: np.random.Generator, _others: Sequence[bytes]) -> bytes:
    """1 to 16 bits flipped anywhere."""
    return _flipped(data, rng, 0, len(data))


def head_bits(data: bytes, rng: np.random.Generator, _others: Sequence[bytes]) -> bytes:
    """1 to 16 bits flipped among the first 128 bytes."""
    return _flipped(data, rng, 0, min(128, len(data)))


def cut(data: bytes, rng: np.random.Generator, _others: Sequence[bytes]) -> bytes:
    """The end is missing."""
    return data[: int(rng.integers(0, len(data) + 1))]


def empty(_data: bytes, _rng: np.random.Generator, _others: Sequence[bytes]) -> bytes:
    """A file of 0 bytes."""
    return b""


def zeroed_head(data: bytes, rng: np.random.Generator, _others: Sequence[bytes]) -> bytes:
    """The first 1 to 256 bytes are 0."""
    length = min(len(data), int(rng.integers(1, 257)))
    return bytes(length) + data[length:]


def zeroed(data: bytes, rng: np.random.Generator, _others: Sequence[bytes]) -> bytes:
    """A block of zeros, as a broken disk leaves it."""
    first, last = _span(data, rng, 4096)
    return data[:first] + bytes(last - first) + data[last:]


def removed(data: bytes, rng: np.random.Generator, _others: Sequence[bytes]) -> bytes:
    """Some bytes are missing."""
    first, last = _span(data, rng)
    return data[:first] + data[last:]


def doubled(data: bytes, rng: np.random.Generator, _others: Sequence[bytes]) -> bytes:
    """Some bytes are there twice."""
    first, last = _span(data, rng)
    return data[:last] + data[first:]


def noise(data: bytes, rng: np.random.Generator, _others: Sequence[bytes]) -> bytes:
    """Random bytes in between."""
    first, _ = _span(data, rng)
    return data[:first] + rng.bytes(int(rng.integers(1, 65))) + data[first:]


def spliced(data: bytes, rng: np.random.Generator, others: Sequence[bytes]) -> bytes:
    """The head of this file and the tail of another one."""
    other = others[int(rng.integers(len(others)))]
    return data[: int(rng.integers(0, len(data) + 1))] + other[int(rng.integers(0, len(other) + 1)) :]


def another(_data: bytes, rng: np.random.Generator, others: Sequence[bytes]) -> bytes:
    """Another file under this one's name: a wrong extension."""
    return others[int(rng.integers(len(others)))]


def appended(data: bytes, rng: np.random.Generator, others: Sequence[bytes]) -> bytes:
    """Something behind the end."""
    return data + (rng.bytes(int(rng.integers(1, 257))) if rng.random() < 0.5 else another(data, rng, others))


BYTES: dict[str, Damage] = {
    f.__name__.replace("_", " "): f
    for f in (bits, head_bits, cut, empty, zeroed_head, zeroed, removed, doubled, noise, spliced, another, appended)
}
