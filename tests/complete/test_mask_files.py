"""Reading masks: polarity, modes, sizes."""

import numpy as np
import pytest
from PIL import Image

from fec_jax.complete import photos
from fec_jax.types import UserError

H, W = 12, 10
HOLE = np.zeros((H, W), bool)
HOLE[3:7, 2:6] = True


def mask_image(mode):
    """HOLE as a picture of `mode`; on the modes with alpha the context is transparent and white."""
    grey = Image.fromarray(HOLE * np.uint8(255))
    if mode in ("LA", "RGBA"):
        white = Image.new(mode, (W, H), (255, 0) if mode == "LA" else (255, 255, 255, 0))
        white.putalpha(grey)
        return white
    if mode == "I;16":
        return Image.fromarray(HOLE * np.uint16(65535))
    return grey.convert(mode)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "RGB", "RGBA", "P", "I;16"])
def test_masks_of_every_mode(tmp_path, mode):
    """Broken: masks as one of the usual editors save them are misread."""
    mask_image(mode).save(tmp_path / "m.png")
    np.testing.assert_array_equal(photos.read_mask(tmp_path / "m.png", (W, H)), HOLE)


@pytest.mark.parametrize("mode", ["1", "L", "RGB", "P", "I;16"])
def test_inverted_masks(tmp_path, mode):
    """Broken: --invert-mask does not give the opposite."""
    mask_image(mode).save(tmp_path / "m.png")
    np.testing.assert_array_equal(photos.read_mask(tmp_path / "m.png", (W, H), invert=True), ~HOLE)


def test_transparent_is_context_when_inverted_too(tmp_path):
    """Broken: black brush strokes on an empty layer, inverted, take the whole photo for the hole."""
    strokes = Image.new("RGBA", (W, H), (0, 0, 0, 0))
    strokes.putalpha(Image.fromarray(HOLE * np.uint8(255)))
    strokes.save(tmp_path / "m.png")
    np.testing.assert_array_equal(photos.read_mask(tmp_path / "m.png", (W, H), invert=True), HOLE)


def test_mask_threshold_is_128(tmp_path):
    """Broken: the soft edge of a brush falls on the other side."""
    values = np.array([[0, 127, 128, 255]], np.uint8)
    Image.fromarray(values).save(tmp_path / "m.png")
    assert photos.read_mask(tmp_path / "m.png", (4, 1)).tolist() == [[False, False, True, True]]


def test_wrong_mask_size_names_both(tmp_path):
    """Broken: the user is not told which two sizes differ."""
    Image.new("L", (W + 1, H)).save(tmp_path / "m.png")
    with pytest.raises(UserError, match=rf"{W + 1} x {H} px.*{W} x {H} px"):
        photos.read_mask(tmp_path / "m.png", (W, H))


@pytest.mark.parametrize(("value", "text"), [(0, "nothing to complete"), (255, "no context is left")])
def test_empty_and_full_masks(tmp_path, value, text):
    """Broken: a copy of the photo, or a face from nowhere, is written as if the mask had made sense."""
    Image.new("L", (W, H), value).save(tmp_path / "m.png")
    with pytest.raises(UserError, match=text):
        photos.read_mask(tmp_path / "m.png", (W, H))
    with pytest.raises(UserError, match="drop --invert-mask"):
        photos.read_mask(tmp_path / "m.png", (W, H), invert=True)


def photo_like(seed=0):
    """A smooth picture in colour, uint8 [H, W, 3]."""
    small = np.random.default_rng(seed).integers(0, 256, (4, 3, 3), np.uint8)
    return np.asarray(Image.fromarray(small).resize((W, H), Image.Resampling.BICUBIC))


def erased(pixels):
    """`pixels` with HOLE transparent, as an eraser leaves it: black there, or the colour that was."""
    return np.concatenate([pixels, np.where(HOLE, 0, 255)[..., None].astype(np.uint8)], axis=-1)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_masks_of_0_and_1(tmp_path, dtype):
    """Broken: a mask saved by NumPy as 0 and 1 is said to be empty."""
    Image.fromarray(HOLE.astype(dtype)).save(tmp_path / "m.png")
    np.testing.assert_array_equal(photos.read_mask(tmp_path / "m.png", (W, H)), HOLE)
    np.testing.assert_array_equal(photos.read_mask(tmp_path / "m.png", (W, H), invert=True), ~HOLE)


def test_8_bits_in_16(tmp_path):
    """Broken: a mask of 0 and 255 that was saved as 16 bits is said to be empty, or to be inverted."""
    Image.fromarray(HOLE * np.uint16(255)).save(tmp_path / "m.png")
    np.testing.assert_array_equal(photos.read_mask(tmp_path / "m.png", (W, H)), HOLE)


def test_a_photo_with_erased_pixels_as_mask(tmp_path):
    """Broken: the light parts of the photo are filled, and exit is 0."""
    Image.fromarray(erased(photo_like())).save(tmp_path / "m.png")
    with pytest.raises(UserError, match=r"is a picture in colour, not a mask.*add --mask-from alpha"):
        photos.read_mask(tmp_path / "m.png", (W, H))
    np.testing.assert_array_equal(photos.read_mask(tmp_path / "m.png", (W, H), source="alpha"), HOLE)
    np.testing.assert_array_equal(photos.read_mask(tmp_path / "m.png", (W, H), source="alpha", invert=True), ~HOLE)


def test_the_soft_rim_of_an_eraser_is_hole(tmp_path):
    """Broken: a half transparent halo of the old face stays around what is filled in."""
    alpha = np.full((H, W), 255, np.uint8)
    alpha[5, :4] = 0, 100, 200, 251
    Image.fromarray(np.dstack([photo_like(), alpha])).save(tmp_path / "m.png")
    hole = photos.read_mask(tmp_path / "m.png", (W, H), source="alpha")
    assert hole[5].tolist() == [True] * 3 + [False] * (W - 3)
    assert hole.sum() == 3


def test_a_colourful_mask_is_refused(tmp_path):
    """Broken: any picture will do as a mask, and what is filled is chance."""
    Image.fromarray(photo_like(1)).save(tmp_path / "m.png")
    with pytest.raises(UserError, match=r"is a picture in colour, not a mask \(white in the hole.*use another file"):
        photos.read_mask(tmp_path / "m.png", (W, H))
    Image.fromarray(HOLE * np.uint8(255)).convert("RGB").save(tmp_path / "m.jpg", quality=40)
    assert (photos.read_mask(tmp_path / "m.jpg", (W, H)) != HOLE).sum() <= 2


@pytest.mark.parametrize("grey", [False, True])
@pytest.mark.parametrize("with_hole", [False, True])
def test_the_photo_itself_as_mask(tmp_path, grey, with_hole):
    """Broken: a black-and-white photo, given twice by mistake, is filled where it is light."""
    pixels = photo_like()
    if grey:
        pixels = np.repeat(pixels[..., :1], 3, axis=-1)
    Image.fromarray(pixels).save(tmp_path / "photo.png")
    Image.fromarray(erased(pixels) if with_hole else pixels).save(tmp_path / "m.png")
    photo = photos.read_photo(tmp_path / "photo.png")
    advice = "add --mask-from alpha" if with_hole else "paint one"
    with pytest.raises(UserError, match=f"is the photo itself, not a mask.*{advice}"):
        photos.read_mask(tmp_path / "m.png", (W, H), photo=photo)
    mask_image("L").save(tmp_path / "m.png")
    for dark in (pixels, np.zeros_like(pixels)):
        Image.fromarray(dark).save(tmp_path / "photo.png")
        photo = photos.read_photo(tmp_path / "photo.png")
        np.testing.assert_array_equal(photos.read_mask(tmp_path / "m.png", (W, H), photo=photo), HOLE)


def test_a_mask_of_another_size_can_be_scaled(tmp_path):
    """Broken: --mask-resize does nothing, or shifts the hole."""
    mask_image("L").resize((3 * W, 3 * H), Image.Resampling.NEAREST).save(tmp_path / "m.png")
    with pytest.raises(UserError, match="or scale it with --mask-resize"):
        photos.read_mask(tmp_path / "m.png", (W, H))
    np.testing.assert_array_equal(photos.read_mask(tmp_path / "m.png", (W, H), resize=True), HOLE)
    larger = photos.read_mask(tmp_path / "m.png", (6 * W, 6 * H), resize=True)
    assert (larger != HOLE.repeat(6, 0).repeat(6, 1)).mean() < 0.02


def test_the_hole_from_the_photos_own_transparency(tmp_path):
    """Broken: --mask-from alpha takes another part, or what is filled in stays invisible."""
    Image.fromarray(erased(photo_like())).save(tmp_path / "photo.png")
    photo = photos.read_photo(tmp_path / "photo.png")
    hole = photos.erased_hole(photo)
    np.testing.assert_array_equal(hole, HOLE)
    np.testing.assert_array_equal(photos.erased_hole(photo, invert=True), ~HOLE)
    seen = photo.opaque(hole)
    assert (seen.pixels[..., 3] == 255).all()
    np.testing.assert_array_equal(seen.pixels[..., :3], photo.pixels[..., :3])
    photos.write_photo(tmp_path / "o.jpg", seen, "fec_jax test")
    with pytest.raises(UserError, match="JPG holds no transparency"):
        photos.write_photo(tmp_path / "p.jpg", photo, "fec_jax test")
    for mode, text in (("RGB", "has no transparency"), ("RGBA", "nothing to complete, no pixel is transparent")):
        Image.fromarray(photo_like()).convert(mode).save(tmp_path / "photo.png")
        with pytest.raises(UserError, match=text):
            photos.erased_hole(photos.read_photo(tmp_path / "photo.png"))
