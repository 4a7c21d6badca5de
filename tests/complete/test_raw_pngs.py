"""PNGs of depths that Pillow does not write: transparent colours, 16 bits."""

import struct
import zlib

import numpy as np
import pytest

from fec_jax.complete import photos
from fec_jax.types import UserError

H, W = 12, 10
RNG = np.random.default_rng(0)


def raw_png(bits, colour_type, rows, key=None):
    """A PNG that Pillow does not write."""

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", W, H, bits, colour_type, 0, 0, 0)
    transparent = b"" if key is None else chunk(b"tRNS", struct.pack(">H", key))
    data = chunk(b"IDAT", zlib.compress(b"".join(b"\0" + row for row in rows)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + transparent + data + chunk(b"IEND", b"")


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_a_transparent_grey_of_few_bits(tmp_path, bits):
    """Broken: the key is compared with pixels of another range, and nothing is transparent."""
    white = RNG.integers(0, 2, (H, W)).astype(bool)
    rows = [np.packbits(row).tobytes() for row in np.repeat(white, bits, axis=1)]
    (tmp_path / "a.png").write_bytes(raw_png(bits, 0, rows, key=2**bits - 1))
    pixels = photos.read_photo(tmp_path / "a.png").pixels
    np.testing.assert_array_equal(pixels[..., 0], white * np.uint8(255))
    np.testing.assert_array_equal(pixels[..., 1], ~white * np.uint8(255))


def test_a_transparent_grey_of_16_bits_is_refused(tmp_path):
    """Broken: what is transparent in the photo is not in the completed one."""
    (tmp_path / "a.png").write_bytes(raw_png(16, 0, [b"\xff\xff" * W] * H, key=65535))
    with pytest.raises(UserError, match=r"16 bits with a transparent colour, .*: save it as an 8-bit PNG"):
        photos.read_photo(tmp_path / "a.png")


@pytest.mark.parametrize("colour_type", [2, 4, 6])
def test_16_bit_colour_is_refused(tmp_path, colour_type):
    """Broken: Pillow drops the low byte without a word and `known pixels are exact` is a lie."""
    channels = {2: 3, 4: 2, 6: 4}[colour_type]
    rows = [bytes(RNG.integers(0, 256, W * channels * 2, np.uint8)) for _ in range(H)]
    (tmp_path / "a.png").write_bytes(raw_png(16, colour_type, rows))
    with pytest.raises(UserError, match="16 bits per colour"):
        photos.read_photo(tmp_path / "a.png")
