"""Writing a completed photo: lossless, marked, and never where it must not go."""

import numpy as np
import pytest
from PIL import Image

from fec_jax.complete import photos
from fec_jax.types import UserError

H, W = 12, 10
RNG = np.random.default_rng(0)


def noise(channels):
    return RNG.integers(0, 256, (H, W, channels), np.uint8)


def test_webp_output_is_lossless_and_marked(tmp_path):
    """Broken: WEBP output is lossy, changes colours under full transparency, or carries no provenance mark."""
    pixels = noise(4)
    pixels[0, :, -1] = 0
    Image.fromarray(pixels).save(tmp_path / "a.png")
    photos.write_photo(tmp_path / "o.webp", photos.read_photo(tmp_path / "a.png"), "fec_jax test")
    with Image.open(tmp_path / "o.webp") as out:
        np.testing.assert_array_equal(np.asarray(out), pixels)
        assert out.getexif()[0x0131] == "fec_jax test"


def test_png_output_is_marked(tmp_path):
    """Broken: a picture with a synthetic part does not say so."""
    Image.fromarray(noise(3)).save(tmp_path / "a.png")
    photos.write_photo(tmp_path / "o.png", photos.read_photo(tmp_path / "a.png"), "fec_jax test")
    with Image.open(tmp_path / "o.png") as out:
        assert out.info["Software"] == "fec_jax test"


def test_webp_refuses_16_bit(tmp_path):
    """Broken: 16-bit photos are cut to 8 bits by the choice of a suffix."""
    Image.fromarray(RNG.integers(0, 65536, (H, W), np.uint16)).save(tmp_path / "a.png")
    with pytest.raises(UserError, match="16"):
        photos.write_photo(tmp_path / "o.webp", photos.read_photo(tmp_path / "a.png"), "")
    assert not (tmp_path / "o.webp").exists()


@pytest.mark.parametrize("channels", [1, 2])
def test_webp_refuses_grey_with_a_profile(tmp_path, channels):
    """Broken: the profile is dropped and the values stay, so that the whole photo looks lighter or darker."""
    pixels = noise(channels)
    grey = Image.fromarray(pixels if channels > 1 else pixels[..., 0])
    grey.save(tmp_path / "a.png", icc_profile=b"a profile of grey")
    photo = photos.read_photo(tmp_path / "a.png")
    with pytest.raises(UserError, match=r"WEBP holds no grey and .* profile .*; use o\.png"):
        photos.write_photo(tmp_path / "o.webp", photo, "")
    assert not (tmp_path / "o.webp").exists()
    for name in ("o.png", "o.jpg")[: 3 - channels]:
        photos.write_photo(tmp_path / name, photo, "")
        with Image.open(tmp_path / name) as out:
            assert out.info["icc_profile"] == b"a profile of grey"


def test_output_checks(tmp_path):
    """Broken: work is done before the output is found impossible, or a file of the user's is overwritten unasked."""
    photo = tmp_path / "photo.png"
    photo.write_bytes(b"x")
    (tmp_path / "folder.png").mkdir()
    for path, text in [
        (tmp_path / "o.gif", "known pixels"),
        (tmp_path / "none" / "o.png", "does not exist"),
        (tmp_path / "folder.png", "folder"),
        (photo, "--force"),
    ]:
        with pytest.raises(UserError, match=text):
            photos.check_output(path, force=False)
    photos.check_output(photo, force=True)
    with pytest.raises(UserError, match="input"):
        photos.check_output(photo, force=True, inputs=(photo,))
