"""The Python API takes photos and masks as callers have them, several at once, and refuses what it would misread."""

import jax
import numpy as np
import pytest
from PIL import Image

from fec_jax.complete.completer import BATCH, Completer
from fec_jax.types import UserError
from fec_jax.weights.format import Meta, Weights

RNG = np.random.default_rng(0)
NAMES = ("Smiling", "Male")
PHOTO = RNG.integers(0, 256, (30, 24, 3), np.uint8)
HOLE = np.zeros((30, 24), bool)
HOLE[10:18, 6:15] = True


@pytest.fixture(scope="module")
def ready():
    meta = Meta(NAMES, 16, {"base": 64, "cap": 8, "latent": 8, "skip": "residual"}, {"base": 64, "cap": 8})
    shapes = meta.g_shapes(), meta.d_shapes()
    g, d = jax.tree.map(lambda x: 0.3 * RNG.normal(size=x.shape).astype(np.float32), shapes)
    return Completer(Weights(g, d, meta))


@pytest.fixture(scope="module")
def expected(ready):
    return ready.complete(PHOTO, HOLE, align="off").completed


def turned(folder):
    """The photo's file as a camera held sideways writes it: the pixels lie, EXIF says how to turn them."""
    exif = Image.Exif()
    exif[0x0112] = 6
    path = folder / "turned.png"
    Image.fromarray(np.rot90(PHOTO)).save(path, exif=exif)
    return path


def test_photos_of_every_kind_give_one_result(ready, expected, tmp_path):
    """Broken: a path, a PIL image or an array of the same photo is filled differently, or lies on its side."""
    path = turned(tmp_path)
    with Image.open(path) as image:
        for photo in (path, str(path), image, Image.fromarray(PHOTO)):
            np.testing.assert_array_equal(ready.complete(photo, HOLE, align="off").completed, expected)


def test_masks_of_every_kind_give_one_hole(ready, expected, tmp_path):
    """Broken: a mask of 0 and 1, or as a picture, marks other pixels than the same mask as a bool array."""
    white = HOLE * np.uint8(255)
    Image.fromarray(white).save(tmp_path / "mask.png")
    noisy = np.where(HOLE, np.uint8(250), np.uint8(3))  # as a JPEG is read
    masks = (white, HOLE.astype(np.uint8), noisy, Image.fromarray(white), Image.fromarray(HOLE), tmp_path / "mask.png")
    for mask in (*masks, str(tmp_path / "mask.png")):
        np.testing.assert_array_equal(ready.complete(PHOTO, mask, align="off").completed, expected)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK", "YCbCr", "HSV", "I;16"])
def test_pil_images_of_any_mode(ready, mode):
    """Broken: a photo of this mode ends in a traceback, or is filled as noise of another range."""
    grey = np.full((30, 24), 40 * 257, np.uint16)
    image = Image.fromarray(grey) if mode == "I;16" else Image.new("RGB", (24, 30), (40, 40, 40)).convert(mode)
    completed = ready.complete(image, HOLE, align="off").completed
    assert completed.dtype == np.uint8
    seen = np.asarray(image.convert("RGB")) if mode != "I;16" else np.full((30, 24, 3), 40, np.uint8)
    np.testing.assert_array_equal(completed[~HOLE], seen[~HOLE])


DEEP = PHOTO.astype(np.uint16) * 257
WRONG = {
    "float photo": ({"photo": PHOTO / 255}, r"photo is an array of float64: give sRGB as uint8, 0 to 255, e\.g\."),
    "deep photo": ({"photo": DEEP}, r"photo is an array of uint16: give sRGB as uint8.*// 257"),
    "bool photo": ({"photo": PHOTO > 99}, "photo is an array of bool"),
    "grey photo": ({"photo": PHOTO[..., 0]}, r"photo is an array of shape \(30, 24\): give RGB"),
    "channels first": ({"photo": PHOTO.transpose(2, 0, 1)}, r"shape \(3, 30, 24\): give RGB as \[height, width, 3\]"),
    "empty photo": ({"photo": PHOTO[:0]}, r"shape \(0, 24, 3\)"),
    "no photo": ({"photo": None}, "photo is a NoneType: give a path, a PIL image or an array"),
    "missing photo": ({"photo": "none.png"}, "photo none.png does not exist"),
    "float PIL photo": ({"photo": Image.fromarray(PHOTO[..., 0].astype(np.float32))}, "its colour mode F"),
    "float mask": ({"mask": HOLE.astype(float)}, "mask is an array of float64: give bool"),
    "deep mask": ({"mask": HOLE.astype(np.uint16)}, "mask is an array of uint16: give bool"),
    "mask with channels": (
        {"mask": HOLE[..., None]},
        r"mask is an array of shape \(30, 24, 1\): give \[height, width\]",
    ),
    "small mask": ({"mask": HOLE[1:]}, r"mask \(29, 24\) and photo \(30, 24\) differ"),
    "small PIL mask": ({"mask": Image.new("L", (9, 7), 255)}, "the mask is 9 x 7 px but the photo is 24 x 30 px"),
    "photo as mask": ({"mask": Image.fromarray(PHOTO)}, "the mask is the photo itself"),
    "missing mask": ({"mask": "none.png"}, "mask none.png does not exist"),
    "no such region": ({"mask": "moth"}, "unknown region moth: there are mouth"),
    "no mask": ({"mask": None}, "mask is a NoneType"),
    "unset": ({"unset": "guess"}, "unset=guess: write photo .* or ask"),
    "align": ({"align": "on"}, "align=on: write face or off"),
    "word as value": ({"attrs": {"Male": "1"}}, "Male=1: an attribute's value is 0"),
    "no value": ({"attrs": {"Male": None}}, "Male=None: an attribute's value is 0"),
    "huge value": ({"attrs": {"Male": 10**400}}, "Male=10+: an attribute's value is 0"),
    "value of many digits": ({"attrs": {"Male": 10**5000}}, "Male=int: an attribute's value is 0"),
    "list of names": ({"attrs": ["Male"]}, "the attributes are a list: give values by name"),
    "number as name": ({"attrs": {1: 1}}, "unknown attribute 1: These weights know Smiling, Male"),
    "two eyes": ({"align": "face", "eyes": (1, 2)}, r"eyes \(1, 2\): give four numbers"),
    "words as eyes": ({"align": "face", "eyes": "left"}, "eyes left: give four numbers"),
    "fewer masks": ({"photo": [PHOTO, PHOTO], "mask": [HOLE]}, "2 photos and 1 masks: give as many"),
    "eyes of many": ({"photo": [PHOTO], "eyes": (1, 2, 9, 2)}, "eyes are those of one photo"),
    "one of many": ({"photo": [PHOTO, DEEP]}, "photo 2 of 2: the photo is an array of uint16"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_would_be_misread_is_refused(ready, name):
    """Broken: a photo of another range or layout is filled with nonsense, or the caller gets a traceback."""
    changes, text = WRONG[name]
    with pytest.raises(UserError, match=text) as error:
        ready.complete(**{"photo": PHOTO, "mask": HOLE, "align": "off", **changes})
    assert "\n" not in str(error.value)


def test_a_list_is_a_batch(ready, monkeypatch):
    """Broken: several photos are passed through the network one by one, or get each other's pixels or attributes."""
    sizes = [(30, 24), (16, 16), (40, 50), *[(20, 20 + i) for i in range(BATCH - 2)]]
    photos = [RNG.integers(0, 256, (*size, 3), np.uint8) for size in sizes]
    holes = []
    for h, w in sizes:
        holes.append(np.zeros((h, w), bool))
        holes[-1][h // 3 : h // 2, w // 2 - 3 : w // 2 + 2] = True
    single = [ready.complete(p, m, {"Male": 1}, align="off") for p, m in zip(photos, holes, strict=True)]
    passes, generate = [], ready._g
    monkeypatch.setattr(ready, "_g", lambda *a: passes.append(len(a[1])) or generate(*a))
    batch = ready.complete(photos, holes, {"Male": 1}, align="off")
    assert passes == [BATCH, BATCH]
    for alone, one, photo in zip(single, batch, photos, strict=True):
        assert one.attrs == alone.attrs
        assert one.read_from_photo == pytest.approx(alone.read_from_photo, abs=1e-4)
        assert one.score == pytest.approx(alone.score, abs=1e-3)
        assert np.abs(one.completed.astype(int) - alone.completed).max() <= 1
        np.testing.assert_array_equal(one.completed[~one.hole], photo[~one.hole])
    assert ready.complete([], HOLE, align="off") == []


def test_one_mask_for_all(ready, expected):
    """Broken: a batch needs its only mask once per photo."""
    for result in ready.complete((PHOTO, PHOTO), HOLE, align="off"):
        assert np.abs(result.completed.astype(int) - expected).max() <= 1


def test_reading_without_completing(ready):
    """Broken: a caller who shows the attributes first is shown others than those the completion uses."""
    read = ready.complete(PHOTO, HOLE, align="off").read_from_photo
    assert ready.read(PHOTO, None) == pytest.approx(read, abs=1e-6)
