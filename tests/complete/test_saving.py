"""Completed photos as JPEG, and what a file says besides its pixels."""

import numpy as np
import pytest
from PIL import Image, ImageCms, PngImagePlugin

from fec_jax.complete import photos
from fec_jax.types import UserError

H, W = 40, 30
RNG = np.random.default_rng(0)
SMOOTH = np.asarray(Image.fromarray(RNG.integers(0, 256, (5, 4, 3), np.uint8)).resize((W, H), Image.Resampling.BICUBIC))
ICC = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
XMP = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'>somewhere</x:xmpmeta>"
CAMERA, GPS, USER_COMMENT, ORIENTATION, SOFTWARE = 0x0110, 0x8825, 0x9286, 0x0112, 0x0131


def photo_file(folder, suffix=".jpg"):
    """A photo that tells camera, place, time, resolution and more."""
    exif = Image.Exif()
    exif[CAMERA], exif[SOFTWARE], exif[ORIENTATION] = "Camera of somebody", "its firmware", 3
    exif.get_ifd(GPS)[1] = "N"
    exif.get_ifd(0x8769)[USER_COMMENT] = b"at home"
    path = folder / f"photo{suffix}"
    options = {"exif": exif, "icc_profile": ICC, "dpi": (300, 300)}
    if suffix == ".png":
        text = PngImagePlugin.PngInfo()
        text.add(b"gAMA", (55_555).to_bytes(4, "big"))
        text.add_text("Author", "somebody")
        text.add_itxt("XML:com.adobe.xmp", XMP.decode())
        options["pnginfo"] = text
    elif suffix == ".jpg":
        options["xmp"] = XMP
    elif suffix == ".tif":  # Pillow writes of a TIFF's EXIF only what was read
        exif[0x02BC] = XMP
        options["exif"] = Image.Exif()
        options["exif"].load(exif.tobytes())
    Image.fromarray(SMOOTH).save(path, **options)
    return path


def written(folder, source, name, **options):
    photos.write_photo(folder / name, photos.read_photo(source), "fec_jax test", **options)
    with Image.open(folder / name) as image:
        image.load()
    return image


@pytest.mark.parametrize("name", ["o.jpg", "o.jpeg", "O.JPG"])
def test_jpeg_is_close_and_full_colour(tmp_path, name):
    """Broken: JPEG output is refused, or loses more than quality 95 without colour subsampling does."""
    Image.fromarray(SMOOTH).save(tmp_path / "a.png")
    out = written(tmp_path, tmp_path / "a.png", name)
    assert out.format == "JPEG"
    assert np.abs(np.asarray(out).astype(int) - SMOOTH).mean() < 1.5
    assert {layer[1:3] for layer in out.layer} == {(1, 1)}
    assert max(out.quantization[0]) <= 12  # quality 90 has 24
    assert out.getexif()[SOFTWARE] == "fec_jax test"


def test_grey_jpeg_stays_grey(tmp_path):
    """Broken: a grey photo gets three channels."""
    Image.fromarray(SMOOTH[..., 0]).save(tmp_path / "a.png")
    assert written(tmp_path, tmp_path / "a.png", "o.jpg").mode == "L"


@pytest.mark.parametrize(
    ("pixels", "text"),
    [
        (np.zeros((H, W), np.uint16), r"JPG holds 8 bits.*use o\.png"),
        (np.zeros((H, W, 4), np.uint8), r"no transparency.*use o\.png"),
    ],
)
def test_jpeg_refuses_what_it_cannot_hold(tmp_path, pixels, text):
    """Broken: bits or transparency go by the choice of a suffix."""
    Image.fromarray(pixels).save(tmp_path / "a.png")
    with pytest.raises(UserError, match=text):
        written(tmp_path, tmp_path / "a.png", "o.jpg")
    assert not (tmp_path / "o.jpg").exists()


@pytest.mark.parametrize("source", [".jpg", ".png", ".tif"])
@pytest.mark.parametrize("name", ["o.png", "o.webp", "o.jpg"])
def test_camera_and_place_stay_out(tmp_path, source, name):
    """Broken: a shared picture tells where its owner lives; or colours and print size are lost on the way."""
    path = photo_file(tmp_path, source)
    out = written(tmp_path, path, name)
    content = (tmp_path / name).read_bytes()
    for secret in (b"somebody", b"firmware", b"at home", b"somewhere"):
        assert secret not in content
    assert GPS not in out.getexif()
    assert out.info["icc_profile"] == ICC
    dpi = out.info.get("dpi") or (out.getexif()[0x011A], out.getexif()[0x011B])
    assert [float(one) for one in dpi] == pytest.approx([300, 300], rel=1e-3)


def test_gamma_survives(tmp_path):
    """Broken: a PNG with a gamma of its own is shown lighter or darker after completion."""
    out = written(tmp_path, photo_file(tmp_path, ".png"), "o.png")
    assert out.info["gamma"] == pytest.approx(0.55555)


@pytest.mark.parametrize("source", [".jpg", ".png", ".tif"])
@pytest.mark.parametrize("name", ["o.png", "o.webp", "o.jpg"])
def test_keep_metadata(tmp_path, source, name):
    """Broken: --keep-metadata does nothing, turns the photo a second time, or drops the mark of what is synthetic."""
    path = photo_file(tmp_path, source)
    out = written(tmp_path, path, name, keep_metadata=True)
    exif = out.getexif()
    assert exif[CAMERA] == "Camera of somebody"
    assert exif.get_ifd(GPS)[1] == "N"
    assert exif.get_ifd(0x8769)[USER_COMMENT] == b"at home"
    assert exif[SOFTWARE] == "fec_jax test"
    assert not exif.keys() & {ORIENTATION, 0x0100, 0x0111}  # nor where a TIFF has its pixels
    assert b"somewhere" in (tmp_path / name).read_bytes()
    assert b"firmware" not in (tmp_path / name).read_bytes()
    assert (out.info.get("Author") == "somebody") == (source == name[-4:] == ".png")


def test_damaged_metadata_costs_nothing(tmp_path):
    """Broken: a photo whose EXIF or resolution makes no sense cannot be completed."""
    Image.fromarray(SMOOTH).save(tmp_path / "a.png", exif=b"Exif\0\0nonsense" * 3)
    for name in ("o.png", "o.webp", "o.jpg"):
        assert written(tmp_path, tmp_path / "a.png", name, keep_metadata=True).size == (W, H)
