"""Photos of every kind come in as upright 8-bit sRGB squares, or are refused with a reason."""

import io

import numpy as np
import pytest
from PIL import Image, ImageCms, PngImagePlugin

from fec_jax.data.builders import photo
from fec_jax.io import pictures


def encode(image: Image.Image, kind: str, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def colours(size: int = 16) -> Image.Image:
    """Four flat quarters: red, green / blue, white."""
    pixels = np.zeros((size, size, 3), np.uint8)
    h = size // 2
    pixels[:h, :h, 0] = pixels[:h, h:, 1] = pixels[h:, :h, 2] = 255
    pixels[h:, h:] = 255
    return Image.fromarray(pixels)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_plain_pictures(kind):
    """Breaks if one of the three formats is not read as RGB."""
    options = {"quality": 100} if kind != "PNG" else {}
    image = photo.open_photo(encode(Image.new("RGB", (8, 6), (200, 100, 50)), kind, **options))
    assert (image.mode, image.size) == ("RGB", (8, 6))
    np.testing.assert_allclose(np.asarray(image), np.broadcast_to([200, 100, 50], (6, 8, 3)), atol=3)


def test_exif_orientation_is_applied():
    """Breaks if phone photos stay on their side."""
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees clockwise
    turned = np.asarray(photo.open_photo(encode(colours(), "PNG", exif=exif)))
    np.testing.assert_array_equal(turned, np.rot90(np.asarray(colours()), -1))


def test_icc_profile_is_converted_and_a_broken_one_ignored():
    """Breaks if wide-gamut photos keep their raw numbers (wrong colours), or a damaged profile kills the photo."""
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    grey = Image.new("RGB", (4, 4), (120, 130, 140))
    same = np.asarray(photo.open_photo(encode(grey, "PNG", icc_profile=lab)))
    np.testing.assert_allclose(same, np.asarray(grey), atol=1)
    # A profile that swaps red and blue: sRGB with the rXYZ and bXYZ tags exchanged.
    swapped = bytearray(lab)
    entries = {bytes(swapped[p : p + 4]): p for p in range(132, 132 + 12 * int.from_bytes(swapped[128:132], "big"), 12)}
    r, b = entries[b"rXYZ"], entries[b"bXYZ"]
    swapped[r : r + 4], swapped[b : b + 4] = b"bXYZ", b"rXYZ"
    red = Image.new("RGB", (4, 4), (255, 0, 0))
    converted = np.asarray(photo.open_photo(encode(red, "PNG", icc_profile=bytes(swapped))))
    assert converted[0, 0, 2] > 200 > 60 > converted[0, 0, 0]
    broken = np.asarray(photo.open_photo(encode(grey, "PNG", icc_profile=b"not a profile" * 20)))
    np.testing.assert_array_equal(broken, np.asarray(grey))


def test_modes_become_rgb():
    """Breaks if grey, palette, CMYK, 16-bit or transparent pictures come out with wrong channels or values."""
    value = {
        "L": Image.new("L", (4, 4), 77),
        "16": Image.fromarray(np.full((4, 4), 77 * 257, np.uint16)),
        "P": Image.new("RGB", (4, 4), (77, 77, 77)).quantize(4),
    }
    for name, image in value.items():
        np.testing.assert_array_equal(np.asarray(photo.open_photo(encode(image, "PNG"))), np.full((4, 4, 3), 77), name)
    bilevel = photo.open_photo(encode(Image.new("1", (4, 4), 1), "PNG"))
    np.testing.assert_array_equal(np.asarray(bilevel), np.full((4, 4, 3), 255))
    cmyk = np.asarray(photo.open_photo(encode(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "JPEG")))
    assert cmyk[4, 4, 0] > 200 > 60 > cmyk[4, 4, 1]
    glass = Image.new("RGBA", (4, 4), (255, 0, 0, 0))
    np.testing.assert_array_equal(np.asarray(photo.open_photo(encode(glass, "PNG"))), np.full((4, 4, 3), 255))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"),
        (b"hello, I am a text file", "not a PNG, JPEG, WEBP, HEIC, AVIF, TIFF, BMP or GIF picture"),
        (encode(colours(), "JPEG2000"), "not a PNG, JPEG"),
        (encode(colours(), "PPM"), "not a PNG, JPEG"),
        (encode(colours(256), "JPEG", quality=95)[:900], "damaged or incomplete"),
        (encode(colours(256), "PNG")[:200], "damaged or incomplete"),
        (encode(colours(256), "WEBP", lossless=True)[:-40], "damaged or incomplete"),
    ],
)
def test_unusable_files_are_refused(content, reason):
    """Breaks if a damaged file becomes a training image with a grey lower half, or an unexpected exception escapes."""
    with pytest.raises(pictures.PictureError, match=reason):
        photo.open_photo(content)


def test_huge_pictures_are_refused_before_decoding(monkeypatch):
    """Breaks if a decompression bomb is decoded before its size is looked at."""
    monkeypatch.setattr(pictures, "MAX_PIXELS", 100)
    monkeypatch.setattr(Image.Image, "load", lambda self: pytest.fail("decoded"))
    with pytest.raises(pictures.PictureError, match="16 x 16 pixels"):
        photo.open_photo(encode_before_patch)


encode_before_patch = encode(colours(), "PNG")


@pytest.mark.parametrize("error", [RuntimeError("odd"), AttributeError("x"), MemoryError(), AssertionError()])
def test_any_failure_of_a_decoder_is_one_photos(monkeypatch, error):
    """Breaks if one photo that Pillow stumbles over in an unforeseen way stops the preparation of all."""

    def fail(self):
        raise error

    monkeypatch.setattr(PngImagePlugin.PngImageFile, "load", fail)
    with pytest.raises(pictures.PictureError, match="damaged or incomplete"):
        photo.open_photo(encode_before_patch)


def test_grey_16_bit_is_rounded():
    """Breaks if training rounds 16-bit photos otherwise than completion does (77.6 of 255 is 78)."""
    values = Image.fromarray(np.full((4, 4), round(77.6 * 257), np.uint16))
    np.testing.assert_array_equal(np.asarray(photo.open_photo(encode(values, "PNG"))), np.full((4, 4, 3), 78))


def test_absent_file(tmp_path):
    """Breaks if a file that vanished stops the whole preparation."""
    with pytest.raises(pictures.PictureError, match="no such file"):
        photo.open_photo(tmp_path / "gone.jpg")


def test_square_is_the_centre():
    """Breaks if the crop is off centre or CelebA's 178 x 218 does not give 178 x 178."""
    pixels = np.zeros((218, 178, 3), np.uint8)
    pixels[20:198] = 255
    cut = photo.square(Image.fromarray(pixels))
    assert cut.size == (178, 178)
    assert np.asarray(cut).min() == 255


def test_shrink_is_average_pooling():
    """Breaks if the low resolutions are not the block means that the paper asks for."""
    pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    for px in (4, 8, 32, 64):
        k = 64 // px
        expected = pixels.reshape(px, k, px, k, 3).mean(axis=(1, 3))
        np.testing.assert_allclose(photo.shrink(Image.fromarray(pixels), px), expected, atol=0.51)


def test_shrink_by_a_fraction_weighs_shared_pixels():
    """Breaks if a side that is no multiple (178 -> 64) is sampled instead of averaged."""
    ramp = np.repeat(np.linspace(0, 255, 6).astype(np.uint8)[None, :, None], 6, axis=0).repeat(3, axis=2)
    np.testing.assert_allclose(photo.shrink(Image.fromarray(ramp), 4)[0, :, 0], [17, 85, 170, 238], atol=18)
    noise = np.random.default_rng(1).integers(0, 256, (178, 178, 3), np.uint8)
    small = photo.shrink(Image.fromarray(noise), 4)
    quarter = noise[:44, :44].mean()
    assert abs(float(small[0, 0].mean()) - quarter) < 2
    with pytest.raises(pictures.PictureError, match="178 px, fewer than the 256"):
        photo.shrink(Image.fromarray(noise), 256)


def test_png_is_lossless():
    """Breaks if prepared images lose anything on the way through the file."""
    pixels = np.random.default_rng(2).integers(0, 256, (16, 16, 3), np.uint8)
    np.testing.assert_array_equal(photo.from_png(photo.to_png(pixels)), pixels)
