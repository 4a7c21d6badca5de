"""Which formats of pictures are read, and what a file's first bytes say of it."""

import functools
import importlib

from PIL import features

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".heic", ".heif", ".avif", ".tif", ".tiff", ".bmp", ".gif")
"""The endings of names by which photos are found in a folder, in small letters."""
NAMES = "PNG, JPEG, WEBP, HEIC, AVIF, TIFF, BMP or GIF"

_MAGIC = (
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"\xff\xd8\xff", "JPEG"),
    (b"GIF8", "GIF"),
    (b"BM", "BMP"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
)
_AVIF = (b"avif", b"avis")
_HEIF = (b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1")


@functools.cache
def readable() -> tuple[str, ...]:
    """Pillow's names of the formats that can be read here: HEIF needs the extra `photos`, AVIF Pillow 11.3."""
    found = ["PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF"]
    if features.check("avif"):
        found.append("AVIF")
    try:
        importlib.import_module("pillow_heif").register_heif_opener(thumbnails=False)
    except ImportError:
        return tuple(found)
    return (*found, "HEIF")


def sniff(data: bytes) -> str | None:
    """Pillow's name of the format that a file's first bytes promise; None if it is none of `NAMES`."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WEBP"
    if data[4:8] == b"ftyp":
        # AVIF may have `mif1` as its main brand, and its own among the compatible ones.
        brands = [data[8:12], *(data[i : i + 4] for i in range(16, min(int.from_bytes(data[:4]), 64), 4))]
        if any(brand in _AVIF for brand in brands):
            return "AVIF"
        return "HEIF" if brands[0] in _HEIF else None
    return next((name for magic, name in _MAGIC if data.startswith(magic)), None)


def refusal(data: bytes) -> tuple[str, str]:
    """Why Pillow knew no format for a file that begins so, and what to do."""
    name = sniff(data)
    if name == "HEIF" and name not in readable():
        return "a HEIC photo", "install its reader (pip install pillow-heif), or save it as JPEG or PNG"
    if name == "AVIF" and name not in readable():
        return "an AVIF picture", "install Pillow 11.3 or newer (pip install -U pillow), or save it as PNG"
    if name is not None:
        return f"damaged or incomplete: a {name} whose beginning cannot be read", "save it again"
    return f"not a {NAMES} picture", "convert it to PNG"
