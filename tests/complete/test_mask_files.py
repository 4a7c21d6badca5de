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


@pytest.mark.parametrize(("value", "text"), [(0, "nothing to fill"), (255, "no context is left")])
def test_empty_and_full_masks(tmp_path, value, text):
    """Broken: a copy of the photo, or a face from nowhere, is written as if the mask had made sense."""
    Image.new("L", (W, H), value).save(tmp_path / "m.png")
    with pytest.raises(UserError, match=text):
        photos.read_mask(tmp_path / "m.png", (W, H))
    with pytest.raises(UserError, match="drop --invert-mask"):
        photos.read_mask(tmp_path / "m.png", (W, H), invert=True)
