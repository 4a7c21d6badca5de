"""What a photo's file says besides its pixels, and how much of it a completed photo says again.

| what                                          | where it survives                                             |
|-----------------------------------------------|---------------------------------------------------------------|
| resolution (dpi)                              | PNG, JPEG, WEBP (there in EXIF)                               |
| gamma, primaries, sRGB intent of a PNG        | PNG                                                           |
| EXIF (camera, place, time), XMP, a PNG's text | nowhere; with `--keep-metadata` in all three, the text in PNG |
| orientation, preview pictures, IPTC           | nowhere: the first is applied, the second shows the old photo |

The ICC profile is `photos.Photo.icc`.
"""

import contextlib
import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from PIL import Image, PngImagePlugin

import fec_jax

SOFTWARE, _ORIENTATION, _X_RESOLUTION, _Y_RESOLUTION, _UNIT = 0x0131, 0x0112, 0x011A, 0x011B, 0x0128
_XMP = "XML:com.adobe.xmp"


def mark(attrs: Mapping[str, float], score: float) -> str:
    """The provenance mark of a completed photo: what made it, with which attributes, and its score."""
    values = " ".join(f"{name}={value:g}" for name, value in attrs.items())
    return f"{made()}; score {score:.3f}; {values}".rstrip("; ")


def made() -> str:
    """What the mark of every completed photo begins with."""
    return f"fec_jax {fec_jax.__version__}; face completion, part of this picture is synthetic"


@dataclass(frozen=True)
class Metadata:
    """Of one file, from Pillow's `info`.

    dpi      pixels per inch, across and down; None: not stated
    chunks   a PNG's own chunks about colour: gAMA, cHRM, sRGB
    exif     as bytes, b"" for none
    xmp      as bytes, b"" for none
    text     a PNG's text by keyword
    """

    dpi: tuple[float, float] | None = None
    chunks: Mapping[bytes, bytes] = field(default_factory=dict)
    exif: bytes = b""
    xmp: bytes = b""
    text: Mapping[str, str] = field(default_factory=dict)

    def all_exif(self, software: str, keep: bool, dpi: bool = False) -> Image.Exif:
        """EXIF to write: the mark `software`, if `keep` what the photo had, and the resolution if `dpi`."""
        exif = Image.Exif()
        if keep and self.exif:
            with contextlib.suppress(Exception):  # damaged EXIF: what Pillow cannot read it cannot write again
                exif.load(self.exif)
        if _ORIENTATION in exif:
            del exif[_ORIENTATION]
        exif[SOFTWARE] = software
        if dpi and self.dpi:
            exif[_X_RESOLUTION], exif[_Y_RESOLUTION], exif[_UNIT] = *self.dpi, 2  # per inch
        return exif

    def png(self, software: str, keep: bool) -> PngImagePlugin.PngInfo:
        """A PNG's chunks besides pixels and EXIF."""
        info = PngImagePlugin.PngInfo()
        for name, data in self.chunks.items():
            info.add(name, data)
        info.add_text("Software", software)
        if keep:
            for name, text in self.text.items():
                if name != "Software":
                    info.add_itxt(name, text)
            if self.xmp:
                info.add_itxt(_XMP, self.xmp.decode("utf-8", "replace"))
        return info


def read_metadata(info: Mapping[Any, Any]) -> Metadata:
    """From the `info` of a picture that `io.pictures` opened. What cannot be understood is left out."""
    raw = info.get("exif"), info.get("xmp")
    exif, xmp = (data if isinstance(data, bytes) else b"" for data in raw)
    text = {
        str(k): str(v) for k, v in info.get("png_text", {}).items() if k != _XMP and not k.startswith("Raw profile")
    }
    return Metadata(_dpi(info.get("dpi")), _chunks(info), exif, xmp, text)


def _dpi(value: Any) -> tuple[float, float] | None:
    with contextlib.suppress(TypeError, ValueError, ZeroDivisionError, OverflowError):
        x, y = (float(one) for one in value)
        if all(math.isfinite(one) and 1 <= one <= 65535 for one in (x, y)):  # JPEG has 16 bits for it
            return x, y
    return None


def _chunks(info: Mapping[Any, Any]) -> dict[bytes, bytes]:
    chunks = {}
    with contextlib.suppress(TypeError, ValueError, struct.error):
        if info.get("gamma"):
            chunks[b"gAMA"] = struct.pack(">I", round(info["gamma"] * 100_000))
        if info.get("chromaticity"):
            chunks[b"cHRM"] = struct.pack(">8I", *(round(one * 100_000) for one in info["chromaticity"]))
        if "srgb" in info:
            chunks[b"sRGB"] = struct.pack("B", info["srgb"])
    return chunks
