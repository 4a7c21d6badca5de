"""Pictures as people have them: formats, colour modes, sizes, depths, turns and metadata, odd ones too."""

import io
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
from PIL import Image, ImageCms

from fec_jax.io import formats

Encoded = tuple[bytes, str]
"""A file's bytes and the ending of its name."""

FORMATS = {"PNG": ".png", "JPEG": ".jpg", "WEBP": ".webp", "TIFF": ".tif", "BMP": ".bmp", "GIF": ".gif"}
FORMATS |= {"AVIF": ".avif", "HEIF": ".heic"}
MODES = (
    *(("1", "PNG"), ("L", "PNG"), ("LA", "PNG"), ("P", "PNG"), ("RGBA", "PNG"), ("I;16", "PNG")),
    *(("L", "JPEG"), ("CMYK", "JPEG"), ("YCbCr", "JPEG"), ("RGBA", "WEBP"), ("RGBA", "GIF"), ("P", "BMP")),
    *(("CMYK", "TIFF"), ("LAB", "TIFF"), ("I;16", "TIFF"), ("I", "TIFF"), ("F", "TIFF"), ("1", "TIFF"), ("LA", "TIFF")),
    *(("RGBA", "TIFF"), ("YCbCr", "TIFF"), ("RGBX", "TIFF"), ("PA", "TIFF"), ("L", "WEBP"), ("RGBA", "AVIF")),
)
SIZES = ((1, 1), (2, 2), (3, 200), (200, 3), (1, 96), (7, 5), (97, 95), (96, 95), (320, 16), (640, 480))


def encode(image: Image.Image, kind: str, **options: Any) -> Encoded:
    """`image` as a file of one of `FORMATS`."""
    formats.readable()  # registers what Pillow does not know by itself
    data = io.BytesIO()
    image.save(data, kind, **options)
    return data.getvalue(), FORMATS[kind]


def _kind(rng: np.random.Generator) -> str:
    kinds = [kind for kind in FORMATS if kind in formats.readable()]
    return kinds[int(rng.integers(len(kinds)))]


def usual(image: Image.Image, rng: np.random.Generator) -> Encoded:
    """The picture in any of the formats that are read."""
    return encode(image, _kind(rng))


def mode(image: Image.Image, rng: np.random.Generator) -> Encoded:
    """Another colour mode; 32 bits and floats among them."""
    name, kind = MODES[int(rng.integers(len(MODES)))]
    if name in ("I;16", "I", "F"):
        values = np.asarray(image.convert("L")).astype({"I;16": np.uint16, "I": np.int32, "F": np.float32}[name])
        return encode(Image.fromarray(values * values.dtype.type(257)), kind)
    if name == "LAB":
        profiles = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
        changed = ImageCms.profileToProfile(image.convert("RGB"), *profiles, outputMode="LAB")
        return encode(changed or image, kind)
    changed = image.convert("P" if name == "PA" else name)
    if name == "PA":
        changed = changed.convert("PA")
    if name[-1] == "A" and rng.random() < 0.7:
        changed.putalpha(Image.fromarray(rng.integers(0, 256, (4, 4), np.uint8)).resize(image.size))
    options = {"transparency": int(rng.integers(256))} if name in ("P", "L") and kind == "PNG" else {}
    return encode(changed, kind, **options)


def deep(image: Image.Image, rng: np.random.Generator) -> Encoded:
    """16 bits per channel, in colour, with or without alpha, or grey."""
    values = np.asarray(image.convert("RGB")).astype(np.uint16) * 257
    values = (values, np.dstack([values, values[..., :1]]), values[..., 0])[int(rng.integers(3))]
    suffix = (".png", ".tiff")[int(rng.integers(2))]
    return cv2.imencode(suffix, values)[1].tobytes(), suffix


def size(image: Image.Image, rng: np.random.Generator) -> Encoded:
    """Another size; a single pixel or a line of them too."""
    return encode(image.resize(SIZES[int(rng.integers(len(SIZES)))]), _kind(rng))


def turned(image: Image.Image, rng: np.random.Generator) -> Encoded:
    """EXIF orientations, impossible ones and EXIF that is noise too."""
    exif: Any = Image.Exif()
    exif[0x0112] = int(rng.integers(0, 10))
    if rng.random() < 0.3:
        exif = b"Exif\0\0" + rng.bytes(int(rng.integers(0, 200)))
    elif rng.random() < 0.3:
        exif = bytearray(exif.tobytes())
        exif[int(rng.integers(len(exif)))] ^= 0xFF
        exif = bytes(exif)
    return encode(image, ("JPEG", "PNG", "WEBP", "TIFF")[int(rng.integers(3))], exif=exif)


def profile(image: Image.Image, rng: np.random.Generator) -> Encoded:
    """ICC profiles: noise, damaged, of another colour space."""
    name = ("sRGB", "LAB", "XYZ")[int(rng.integers(3))]
    icc = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile(name)).tobytes())
    for _ in range(int(rng.integers(0, 30))):
        icc[int(rng.integers(len(icc)))] = int(rng.integers(256))
    data = rng.bytes(300) if rng.random() < 0.2 else bytes(icc)
    changed = image.convert(("RGB", "L", "CMYK")[int(rng.integers(3))])
    kind = "JPEG" if changed.mode == "CMYK" else ("PNG", "JPEG", "WEBP", "TIFF")[int(rng.integers(4))]
    return encode(changed, kind, icc_profile=data)


def several(image: Image.Image, rng: np.random.Generator) -> Encoded:
    """An animation, or several pages."""
    kind = ("GIF", "PNG", "WEBP", "TIFF")[int(rng.integers(4))]
    return encode(image, kind, save_all=True, append_images=[image.rotate(90), image.rotate(180)])


def dots(image: Image.Image, rng: np.random.Generator) -> Encoded:
    """Resolutions that no printer has."""
    values = (0, 1e-4, 0.5, 72, 65535)
    dpi = tuple(values[int(i)] for i in rng.integers(0, len(values), 2))
    kind = ("PNG", "TIFF")[int(rng.integers(2))]
    return encode(image, kind, dpi=dpi)


def plain(image: Image.Image, rng: np.random.Generator) -> Encoded:
    """No face in it: black, white, nearly black, noise, or wholly transparent."""
    w, h = image.size
    pixels = [np.zeros((h, w, 4), np.uint8), np.full((h, w, 4), 255, np.uint8), np.full((h, w, 4), 1, np.uint8)]
    pixels += [rng.integers(0, 256, (h, w, 4), np.uint8), rng.integers(0, 2, (h, w, 4), np.uint8)]
    changed = Image.fromarray(pixels[int(rng.integers(len(pixels)))])
    return encode(changed.convert(("RGBA", "RGB", "L")[int(rng.integers(3))]), "PNG")


PICTURES: dict[str, Callable[[Image.Image, np.random.Generator], Encoded]] = {
    f.__name__: f for f in (usual, mode, deep, size, turned, profile, several, dots, plain)
}
