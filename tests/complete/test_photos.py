"""Reading and writing: one test per row of the table in `photos.py`, and every error."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageCms, PngImagePlugin

from fec_jax.complete import photos
from fec_jax.data.builders.photo import open_photo
from fec_jax.io import pictures
from fec_jax.types import UserError

H, W = 12, 10
RNG = np.random.default_rng(0)
HOLE = np.zeros((H, W), bool)
HOLE[3:7, 2:6] = True
FAKE = RNG.integers(0, 256, (H, W, 3), np.uint8)


def noise(channels):
    shape = (H, W) if channels == 1 else (H, W, channels)
    return RNG.integers(0, 256, shape, np.uint8)


def round_trip(path, **options):
    """Reads the picture, fills the hole, writes it, and gives (photo, what Pillow reads back)."""
    photo = photos.read_photo(path)
    out = path.with_name("out.png")
    photos.write_photo(out, photo.replaced(FAKE, HOLE), "fec_jax test")
    with Image.open(out) as image:
        image.load()
    return photo, image


def test_rgb_context_is_byte_exact_and_hole_is_the_fake(tmp_path):
    """Broken: known pixels of the most ordinary photo change, or the hole is not filled with the network's image."""
    pixels = noise(3)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    photo, image = round_trip(tmp_path / "a.png")
    assert image.mode == "RGB"
    np.testing.assert_array_equal(photo.rgb, pixels)
    np.testing.assert_array_equal(np.asarray(image)[~HOLE], pixels[~HOLE])
    np.testing.assert_array_equal(np.asarray(image)[HOLE], FAKE[HOLE])


@pytest.mark.parametrize(("suffix", "options"), [("jpg", {"quality": 80}), ("webp", {"quality": 60})])
def test_lossy_formats_are_read_and_kept_as_decoded(tmp_path, suffix, options):
    """Broken: JPEG or WEBP photos cannot be used, or lose a second time."""
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(noise(3)).save(path, **options)
    with Image.open(path) as image:
        decoded = np.asarray(image.convert("RGB"))
    _, out = round_trip(path)
    np.testing.assert_array_equal(np.asarray(out)[~HOLE], decoded[~HOLE])


def test_grey_stays_grey(tmp_path):
    """Broken: a grey photo becomes RGB, or its known values move."""
    pixels = noise(1)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    photo, image = round_trip(tmp_path / "a.png")
    assert image.mode == "L"
    np.testing.assert_array_equal(photo.rgb, np.repeat(pixels[..., None], 3, 2))
    np.testing.assert_array_equal(np.asarray(image)[~HOLE], pixels[~HOLE])
    np.testing.assert_array_equal(np.asarray(image)[HOLE], np.asarray(Image.fromarray(FAKE).convert("L"))[HOLE])


def test_one_bit_becomes_grey(tmp_path):
    """Broken: black-and-white scans cannot be read, or the filled hole is forced to two values."""
    bits = RNG.integers(0, 2, (H, W)).astype(bool)
    Image.fromarray(bits).save(tmp_path / "a.png")
    _, image = round_trip(tmp_path / "a.png")
    assert image.mode == "L"
    np.testing.assert_array_equal(np.asarray(image)[~HOLE], bits[~HOLE] * np.uint8(255))


def test_grey_16_bit_keeps_its_bits(tmp_path):
    """Broken: the low byte of a 16-bit photo is lost, or the hole is in another scale (too dark)."""
    pixels = RNG.integers(0, 65536, (H, W), np.uint16)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    photo, image = round_trip(tmp_path / "a.png")
    assert image.mode == "I;16"
    np.testing.assert_array_equal(np.asarray(image)[~HOLE], pixels[~HOLE])
    luma = np.asarray(Image.fromarray(FAKE).convert("L")).astype(np.uint16) * 257
    np.testing.assert_array_equal(np.asarray(image)[HOLE], luma[HOLE])
    assert np.abs(photo.rgb[..., 0].astype(float) - pixels / 257).max() <= 0.5


@pytest.mark.parametrize(("channels", "mode"), [(2, "LA"), (4, "RGBA")])
def test_alpha_is_kept_everywhere(tmp_path, channels, mode):
    """Broken: transparency is lost, or the network sees the chance colours under it, not white as in training."""
    pixels = noise(channels)
    pixels[0, :, -1] = 0
    Image.fromarray(pixels).save(tmp_path / "a.png")
    photo, image = round_trip(tmp_path / "a.png")
    assert image.mode == mode
    np.testing.assert_array_equal(np.asarray(image)[~HOLE], pixels[~HOLE])
    np.testing.assert_array_equal(np.asarray(image)[..., -1], pixels[..., -1])
    assert (np.asarray(image)[HOLE][:, :-1] != pixels[HOLE][:, :-1]).any()
    alpha = pixels[..., -1] / 255
    assert np.abs(photo.rgb[..., 0] - (pixels[..., 0] * alpha + 255 * (1 - alpha))).max() <= 0.51
    assert (photo.rgb[0] == 255).all()


def test_palette_becomes_rgb(tmp_path):
    """Broken: the hole is limited to the palette, or palette indices are taken for colours."""
    image = Image.fromarray(noise(3)).quantize(16)
    image.save(tmp_path / "a.png")
    _, out = round_trip(tmp_path / "a.png")
    assert out.mode == "RGB"
    np.testing.assert_array_equal(np.asarray(out)[~HOLE], np.asarray(image.convert("RGB"))[~HOLE])


def test_palette_with_transparency_becomes_rgba(tmp_path):
    """Broken: a palette's transparent colour turns opaque."""
    Image.fromarray(noise(3)).quantize(16).save(tmp_path / "a.png", transparency=3)
    with Image.open(tmp_path / "a.png") as image:
        wanted = np.asarray(image.convert("RGBA"))
    _, out = round_trip(tmp_path / "a.png")
    assert out.mode == "RGBA"
    assert (wanted[..., 3] == 0).any()
    np.testing.assert_array_equal(np.asarray(out)[~HOLE], wanted[~HOLE])


@pytest.mark.parametrize(("channels", "key", "mode"), [(1, 7, "LA"), (3, (1, 2, 3), "RGBA")])
def test_transparent_colour_becomes_alpha(tmp_path, channels, key, mode):
    """Broken: a PNG's transparent colour turns opaque on output."""
    pixels = noise(channels)
    pixels[0, 0] = key
    Image.fromarray(pixels).save(tmp_path / "a.png", transparency=key)
    _, out = round_trip(tmp_path / "a.png")
    assert out.mode == mode
    assert np.asarray(out)[0, 0, -1] == 0
    np.testing.assert_array_equal(np.asarray(out)[~HOLE][:, 0], pixels.reshape(H, W, -1)[~HOLE][:, 0])


def test_cmyk_becomes_rgb(tmp_path):
    """Broken: print JPEGs cannot be used, or come out inverted."""
    Image.new("CMYK", (W, H), (0, 255, 255, 0)).save(tmp_path / "a.jpg", quality=95)
    photo, out = round_trip(tmp_path / "a.jpg")
    assert out.mode == "RGB"
    assert "icc_profile" not in out.info
    assert photo.rgb[0, 0, 0] > 200
    assert photo.rgb[0, 0, 1:].max() < 60
    np.testing.assert_array_equal(np.asarray(out)[~HOLE], photo.rgb[~HOLE])


@pytest.mark.parametrize("suffix", ["png", "webp"])
def test_animation_is_refused(tmp_path, suffix):
    """Broken: one frame of an animation is silently taken for the photo."""
    frames = [Image.fromarray(noise(3)) for _ in range(2)]
    frames[0].save(tmp_path / f"a.{suffix}", save_all=True, append_images=frames[1:])
    with pytest.raises(UserError, match="animation"):
        photos.read_photo(tmp_path / f"a.{suffix}")


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied_once(tmp_path, orientation):
    """Broken: phone photos lie on their side for the network, or a viewer turns the output a second time."""
    pixels = noise(3)
    stored = {
        1: pixels,
        2: pixels[:, ::-1],
        3: pixels[::-1, ::-1],
        4: pixels[::-1],
        5: pixels.transpose(1, 0, 2),
        6: np.rot90(pixels),
        7: pixels[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(pixels, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(np.ascontiguousarray(stored)).save(tmp_path / "a.png", exif=exif)
    photo, out = round_trip(tmp_path / "a.png")
    assert photo.size_px == (W, H)
    np.testing.assert_array_equal(photo.pixels, pixels)
    np.testing.assert_array_equal(np.asarray(out)[~HOLE], pixels[~HOLE])
    assert out.getexif().get(0x0112, 1) == 1


def rgb_profile():
    """A profile with other primaries than sRGB: sRGB's own bytes with the red and the blue colorant exchanged."""
    data = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return data.replace(b"rXYZ", b"tmpX", 1).replace(b"bXYZ", b"rXYZ", 1).replace(b"tmpX", b"bXYZ", 1)


def test_icc_profile_is_carried_and_only_the_network_sees_srgb(tmp_path):
    """Broken: wide-gamut photos lose their profile (colours shift), or the hole is pasted in the wrong colour space."""
    pixels, icc = noise(3), rgb_profile()
    Image.fromarray(pixels).save(tmp_path / "a.png", icc_profile=icc)
    photo, out = round_trip(tmp_path / "a.png")
    assert out.info["icc_profile"] == icc
    np.testing.assert_array_equal(np.asarray(out)[~HOLE], pixels[~HOLE])
    # With red and blue exchanged, sRGB is the stored values with red and blue exchanged.
    assert np.abs(photo.rgb.astype(int) - pixels[..., ::-1]).max() <= 2
    assert np.abs(np.asarray(out)[HOLE].astype(int) - FAKE[..., ::-1][HOLE]).max() <= 2


def test_broken_icc_profile_counts_as_srgb(tmp_path):
    """Broken: one bad profile makes a good photo unusable."""
    pixels = noise(3)
    Image.fromarray(pixels).save(tmp_path / "a.png", icc_profile=b"no profile at all")
    photo, out = round_trip(tmp_path / "a.png")
    np.testing.assert_array_equal(photo.rgb, pixels)
    np.testing.assert_array_equal(np.asarray(out)[HOLE], FAKE[HOLE])


@pytest.mark.parametrize("kind", ["RGB", "L", "LA", "RGBA", "P", "1", "I;16", "CMYK", "profile", "turned"])
def test_the_network_sees_what_training_would_make_of_the_file(tmp_path, kind):
    """Broken: completion shows the network other colours than it was trained on."""
    path, options = tmp_path / ("a.jpg" if kind == "CMYK" else "a.png"), {}
    image = Image.fromarray(noise(4)).convert("RGB") if kind != "RGBA" else Image.fromarray(noise(4))
    if kind == "I;16":
        image = Image.fromarray(RNG.integers(0, 65536, (H, W), np.uint16))
    elif kind == "LA":
        image = Image.fromarray(noise(2))
    elif kind == "profile":
        options["icc_profile"] = rgb_profile()
    elif kind == "turned":
        options["exif"] = Image.Exif()
        options["exif"][0x0112] = 6
    else:
        image = image.convert(kind)
    image.save(path, **options)
    np.testing.assert_array_equal(photos.read_photo(path).rgb, np.asarray(open_photo(path)))


# Errors of reading


@pytest.mark.parametrize("name", ["missing", "folder", "text", "icon", "truncated", "empty"])
def test_unreadable_photos(tmp_path, name):
    """Broken: a traceback, or half a picture, instead of one line naming the file."""
    path = tmp_path / "a.png"
    if name == "folder":
        path.mkdir()
    elif name == "text":
        path.write_text("hello")
    elif name == "icon":
        Image.fromarray(noise(1)).save(path, format="ICO")
    elif name in ("truncated", "empty"):
        buffer = io.BytesIO()
        Image.fromarray(RNG.integers(0, 256, (64, 64, 3), np.uint8)).save(buffer, format="PNG")
        path.write_bytes(buffer.getvalue()[: len(buffer.getvalue()) // 2 if name == "truncated" else 0])
    with pytest.raises(UserError, match=r"a\.png") as e:
        photos.read_photo(path)
    assert "\n" not in str(e.value)


def test_caps_are_checked_before_decoding(tmp_path, monkeypatch):
    """Broken: a small file that unpacks to gigapixels takes the machine down."""
    Image.fromarray(noise(3)).save(tmp_path / "a.png")
    monkeypatch.setattr(PngImagePlugin.PngImageFile, "load", lambda self: pytest.fail("decoded"))
    monkeypatch.setattr(pictures, "MAX_PIXELS", H * W - 1)
    with pytest.raises(UserError, match="limit"):
        photos.read_photo(tmp_path / "a.png")
    monkeypatch.setattr(pictures, "MAX_BYTES", 10)
    with pytest.raises(UserError, match="MiB"):
        photos.read_photo(tmp_path / "a.png")


def test_decompression_bomb(tmp_path):
    """Broken: Pillow's own bomb error reaches the user as a traceback."""
    header = struct.pack(">IIBBBBB", 60000, 60000, 8, 2, 0, 0, 0)
    body = struct.pack(">I", 13) + b"IHDR" + header + struct.pack(">I", zlib.crc32(b"IHDR" + header))
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + body + struct.pack(">I", 0) + b"IDAT" + b"\x35\xaf\x06\x1e")
    with pytest.raises(UserError, match="limit"):
        photos.read_photo(tmp_path / "a.png")
