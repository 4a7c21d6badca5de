"""Every format that is read: the same picture whatever the file, upright; damage and foreign files are refused."""

import io

import numpy as np
import pytest
from PIL import Image, TiffImagePlugin, features

from fec_jax.complete import photos
from fec_jax.data.builders.photo import open_photo
from fec_jax.io import formats, pictures
from fec_jax.io.pictures import PictureError
from fec_jax.types import UserError

RNG = np.random.default_rng(0)
H, W = 48, 36
SMOOTH = np.asarray(
    Image.fromarray(RNG.integers(40, 216, (4, 3, 3), np.uint8)).resize((W, H), Image.Resampling.BICUBIC)
)
EXACT = ("TIFF", "BMP", "PNG")
LOSSY = ("JPEG", "WEBP", "AVIF", "HEIF")
if not features.check("avif"):
    LOSSY = tuple(kind for kind in LOSSY if kind != "AVIF")


def encode(image, kind, **options):
    """The file's bytes; skips the test where pillow-heif is not installed."""
    if kind == "HEIF":
        pytest.importorskip("pillow_heif", reason="HEIC needs the extra `photos`")
        formats.readable()
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("kind", [*EXACT, *LOSSY, "GIF"])
def test_photos_of_every_format(tmp_path, kind):
    """Broken: a format of the table is refused, or the photo to complete differs from what training would see."""
    quality = {"quality": 95} if kind in LOSSY else {}
    data = encode(Image.fromarray(SMOOTH), kind, **quality)
    path = tmp_path / "photo.x"  # the name does not count
    path.write_bytes(data)
    photo = photos.read_photo(path)
    np.testing.assert_array_equal(photo.rgb, np.asarray(open_photo(data)))
    difference = np.abs(photo.pixels.astype(int) - SMOOTH)
    assert difference.max() == 0 if kind in EXACT else difference.mean() < (12 if kind == "GIF" else 3)


@pytest.mark.parametrize("kind", ["TIFF", "JPEG", "WEBP", "AVIF", "HEIF"])
def test_turned_photos_are_upright(kind):
    """Broken: photos of a phone lie on their side in one of the formats, or are turned twice."""
    if kind == "AVIF" and not features.check("avif"):
        pytest.skip("this Pillow has no AVIF")
    exif = Image.Exif()
    exif[0x0112] = 6
    data = encode(Image.fromarray(SMOOTH), kind, exif=exif)
    expected = SMOOTH if kind == "HEIF" else np.rot90(SMOOTH, -1)  # HEIF: EXIF only tells, a box in the file turns
    found = pictures.plain(pictures.open_picture(data))
    assert np.asarray(found).shape == expected.shape
    assert np.abs(np.asarray(found).astype(int) - expected).mean() < 4
    assert found.getexif().get(0x0112, 1) == 1 or kind == "HEIF"


@pytest.mark.parametrize("kind", ["TIFF", "BMP", "GIF", "AVIF", "HEIF", "PNG"])
@pytest.mark.parametrize("share", [0.02, 0.5, 0.95])
def test_cut_files_are_refused(kind, share):
    """Broken: an interrupted copy becomes a photo with a grey lower half, or an exception of Pillow's escapes."""
    if kind == "AVIF" and not features.check("avif"):
        pytest.skip("this Pillow has no AVIF")
    data = encode(Image.fromarray(RNG.integers(0, 256, (64, 64, 3), np.uint8)), kind)
    with pytest.raises(PictureError, match=r"damaged or incomplete|not a PNG"):
        open_photo(data[: int(len(data) * share)])


@pytest.mark.parametrize("kind", ["TIFF", "BMP", "GIF", "AVIF", "HEIF"])
def test_size_is_checked_before_decoding(monkeypatch, kind):
    """Broken: a small file that unpacks to gigapixels takes the machine down."""
    if kind == "AVIF" and not features.check("avif"):
        pytest.skip("this Pillow has no AVIF")
    data = encode(Image.fromarray(SMOOTH), kind)
    monkeypatch.setattr(Image.Image, "load", lambda self: pytest.fail("decoded"))
    monkeypatch.setattr(pictures, "MAX_PIXELS", H * W - 1)
    with pytest.raises(PictureError, match="over the limit"):
        pictures.open_picture(data)


def test_first_picture_of_a_gif(tmp_path):
    """Broken: GIFs are refused, or another picture than the first is taken."""
    frames = [Image.new("RGB", (W, H), colour) for colour in ((200, 0, 0), (0, 200, 0))]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    assert photos.read_photo(tmp_path / "a.gif").rgb[0, 0].tolist() == [200, 0, 0]
    assert np.asarray(open_photo(tmp_path / "a.gif"))[0, 0].tolist() == [200, 0, 0]


@pytest.mark.parametrize(("kind", "reason"), [("TIFF", "several pages"), ("AVIF", "animation")])
def test_several_pictures_are_refused_for_completion(tmp_path, kind, reason):
    """Broken: which page of a file is completed is left to chance."""
    if kind == "AVIF" and not features.check("avif"):
        pytest.skip("this Pillow has no AVIF")
    frames = [Image.fromarray(SMOOTH), Image.fromarray(255 - SMOOTH)]
    frames[0].save(tmp_path / "a.x", kind, save_all=True, append_images=frames[1:])
    with pytest.raises(UserError, match=reason):
        photos.read_photo(tmp_path / "a.x")
    assert open_photo(tmp_path / "a.x").size == (W, H)


def test_heic_without_the_extra(monkeypatch):
    """Broken: a phone's photo is said to be no picture, and nobody learns what to install."""
    monkeypatch.setattr(formats, "readable", lambda: ("PNG", "JPEG"))
    heic = b"\x00\x00\x00\x1cftypheic\x00\x00\x00\x00mif1heicmiaf" + bytes(40)
    avif = b"\x00\x00\x00\x1cftypmif1\x00\x00\x00\x00mif1avifmiaf" + bytes(40)
    for data, hint in ((heic, "pip install pillow-heif"), (avif, "Pillow 11.3")):
        with pytest.raises(PictureError) as e:
            pictures.open_picture(data)
        assert hint in e.value.advice


@pytest.mark.parametrize("tags", [{254: 1}, {50706: b"\1\4\0\0"}])
def test_raw_data_of_cameras_is_refused(tags):
    """Broken: a raw file's thumbnail is completed or trained on as if it were the photo."""
    with pytest.raises(PictureError, match="raw data"):
        open_photo(encode(Image.fromarray(SMOOTH), "TIFF", tiffinfo=tags))


def test_tiffs_of_16_bits(tmp_path):
    """Broken: low bytes are dropped without a word, grey of a Mac's byte order is read wrongly, white becomes black."""
    grey = RNG.integers(0, 65536, (H, W), np.uint16)
    big_endian = Image.frombytes("I;16B", (W, H), grey.astype(">u2").tobytes())
    for name, image in (("little.tif", Image.fromarray(grey)), ("big.tif", big_endian)):
        image.save(tmp_path / name)
        np.testing.assert_array_equal(photos.read_photo(tmp_path / name).pixels[..., 0], grey)
    with pytest.raises(PictureError, match="0 as white"):
        open_photo(encode(Image.fromarray(grey), "TIFF", tiffinfo={262: 0}))


@pytest.mark.parametrize("planes", [3, 4])
def test_tiffs_of_16_bits_per_colour(tmp_path, planes):
    """Broken: `context pixels stay exactly as they are` does not hold for a scanner's 16 bits."""
    pixels = RNG.integers(0, 65536, (H, W, planes), np.uint16).astype("<u2").tobytes()
    ifd = TiffImagePlugin.ImageFileDirectory_v2()
    ifd[256], ifd[257], ifd[258], ifd[259], ifd[262] = W, H, (16,) * planes, 1, 2
    ifd[277], ifd[278], ifd[279], ifd[273] = planes, H, len(pixels), 0
    if planes == 4:
        ifd[338] = 2
    (tmp_path / "a.tif").write_bytes(b"II*\0\x08\0\0\0" + ifd.tobytes(8) + pixels)
    with pytest.raises(UserError, match="16 bits per colour"):
        photos.read_photo(tmp_path / "a.tif")
    assert open_photo(tmp_path / "a.tif").size == (W, H)
