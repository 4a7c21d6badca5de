"""Finding the face that is meant, and completing it in place. The photo is scikit-image's astronaut (NASA)."""

import numpy as np
import pytest
from PIL import Image

from fec_jax.complete import faces, place, regions
from fec_jax.complete.align import Alignment
from fec_jax.complete.completer import Completer
from fec_jax.types import UserError
from fec_jax.weights.shipped import load_shipped

ASTRONAUT = pytest.importorskip("skimage.data").astronaut()
EYES = np.array([[203.0, 107.0], [244.0, 109.5]])
"""By hand, to a pixel or two."""
RIGHT = np.array([[0.38, 0.45], [0.62, 0.45]])


@pytest.fixture(scope="module")
def completer():
    return Completer(load_shipped())


def off(square, eyes):
    """How far the eyes are from where the network wants them, in shares of the crop's side."""
    return np.hypot(*(square.to_crop(np.asarray(eyes, float)) - RIGHT).T).max()


def located(photo, hole=None, **options):
    return place.locate(photo, hole, Alignment(), 64, **options)


def marked(h, w, x, y, size):
    hole = np.zeros((h, w), bool)
    hole[y : y + size, x : x + size] = True
    return hole


def rotated(photo, eyes, degrees, scale=1.0):
    """The photo turned around its face on a canvas of its own size times `scale`, and where the eyes are then."""
    h, w = photo.shape[:2]
    size = round(w * scale), round(h * scale)
    image = Image.fromarray(photo).resize(size, Image.Resampling.LANCZOS)
    centre = tuple(eyes.mean(axis=0) * scale)
    image = image.rotate(degrees, Image.Resampling.BICUBIC, center=centre, fillcolor=(90, 90, 90))
    t = np.radians(-degrees)
    turn = np.array([[np.cos(t), -np.sin(t)], [np.sin(t), np.cos(t)]])
    return np.asarray(image), (eyes * scale - centre) @ turn.T + centre


def two_people():
    """The astronaut twice, side by side, the left one smaller."""
    small = np.asarray(Image.fromarray(ASTRONAUT[:300, 80:380]).resize((180, 180), Image.Resampling.LANCZOS))
    sheet = np.full((300, 480, 3), 200, np.uint8)
    sheet[60:240, :180] = small
    sheet[:, 180:] = ASTRONAUT[:300, 80:380]
    return sheet


@pytest.mark.parametrize(
    ("degrees", "scale"), [(0, 1), (20, 1), (-25, 1), (0, 0.4), (0, 4), (15, 2), (90, 1), (-90, 1), (180, 1)]
)
def test_face_is_found_at_any_size_and_turn(degrees, scale):
    """Broken: large, small, tilted or lying photos have no face, or one that is a pixel of the network off."""
    photo, eyes = rotated(ASTRONAUT, EYES, degrees, scale)
    square = located(photo).square
    assert off(square, eyes) < 0.04
    assert square.degrees == pytest.approx(np.degrees(np.arctan2(*(eyes[1] - eyes[0])[::-1])), abs=4)


def test_small_face_in_a_large_photo():
    """Broken: a person in the corner of a photo of 12 megapixels is not found, though the hole says where to look."""
    photo = np.full((3000, 4000, 3), 120, np.uint8)
    small = np.asarray(Image.fromarray(ASTRONAUT).resize((256, 256), Image.Resampling.LANCZOS))
    photo[2500:2756, 3500:3756] = small
    hole = marked(3000, 4000, 3500 + 95, 2500 + 45, 35)
    assert off(located(photo, hole).square, EYES / 2 + (3500, 2500)) < 0.05


def test_the_face_under_the_hole_is_taken():
    """Broken: of two people the wrong one is completed."""
    photo = two_people()
    h, w = photo.shape[:2]
    left, right = marked(h, w, 75, 115, 20), marked(h, w, 310, 90, 40)
    assert [face.box[0] > 180 for face in located(photo, left).faces] == [False, True]
    assert located(photo, left).number == 1
    assert located(photo, right).number == 2
    assert located(photo, right, number=1).number == 1


def test_errors_that_say_what_to_do():
    """Broken: no face, several faces or a hole elsewhere end in a guess or a traceback."""
    photo = two_people()
    h, w = photo.shape[:2]
    with pytest.raises(UserError, match=r"no face found.*--eyes X,Y,X,Y.*--align off"):
        located(np.full((200, 300, 3), 128, np.uint8), marked(200, 300, 50, 50, 20))
    with pytest.raises(
        UserError, match=r"2 faces found \(1: \d+ px wide at \(\d+, \d+\); 2: .*choose one with --face N"
    ):
        located(photo)
    for wrong in ("1", 1.0, True):
        with pytest.raises(UserError, match=rf"face {wrong}: give its number"):
            located(photo, number=wrong)
    with pytest.raises(UserError, match=r"--face 3: 2 found .*give 1 to 2"):
        located(photo, number=3)
    with pytest.raises(UserError, match=r"the hole touches no face found .*--eyes"):
        located(photo, marked(h, w, 0, 290, 5))
    with pytest.raises(UserError, match=r"--eyes .* outside the photo of 480 x 300 px"):
        located(photo, eyes=np.array([[10.0, 10.0], [999.0, 10.0]]))
    with pytest.raises(UserError, match=r"--eyes .* less than 4 px apart"):
        located(photo, eyes=np.array([[10.0, 10.0], [11.0, 10.0]]))


def test_hole_that_leaves_the_crop(completer):
    """Broken: a part of the hole is filled with the crop's last row, or left as it was, and nobody is told."""
    with pytest.raises(UserError, match=r"the hole leaves the square around the face .*\(\d+ of its \d+ px\).*--eyes"):
        completer.complete(ASTRONAUT, marked(512, 512, 180, 80, 300))
    with pytest.raises(UserError, match="no context is left"):
        completer.complete(ASTRONAUT[60:160, 180:270], np.ones((100, 90), bool), eyes=(23, 47, 64, 49))


def test_eyes_replace_the_search(completer):
    """Broken: who marks the eyes of a hidden face gets another place, or none."""
    photo = ASTRONAUT.copy()
    photo[60:180, 170:280] = 128
    hole = marked(512, 512, 175, 70, 95)
    with pytest.raises(UserError, match="--eyes"):
        completer.complete(photo, hole)
    for eyes in (EYES, EYES[::-1]):
        result = completer.complete(photo, hole, eyes=tuple(eyes.ravel()))
        np.testing.assert_allclose(result.square.to_crop(EYES), RIGHT, atol=1e-9)
        np.testing.assert_array_equal(result.completed[~hole], photo[~hole])
    assert np.ptp(result.completed[hole].astype(int), axis=0).min() > 60


def test_warnings():
    """Broken: a face that the network cannot do well comes without a word."""
    tiny, eyes = rotated(ASTRONAUT, EYES, 0, 0.3)
    assert "small: its square has" in located(tiny, eyes=eyes).warnings[0]
    assert located(ASTRONAUT).warnings == ()
    face = faces.from_eyes(EYES)
    points = face.points + np.array([[0, 0], [0, 0], [20, 0], [0, 0], [0, 0]])
    turned = faces.Face(points, face.box, 0.9)
    square = faces.square_of(turned, Alignment())
    assert "turned to the side" in place._warnings(turned, square, 64)[0]


@pytest.mark.parametrize("name", ["mouth", "eyes", "nose", "face", "lower-face"])
def test_regions_lie_where_their_names_say(completer, name):
    """Broken: --region mouth fills the nose, or leaves half of the mouth; or pixels outside it change."""
    result = completer.complete(ASTRONAUT, name)
    points = {"eyes": EYES, "nose": [[221, 128]], "mouth": [[205, 149], [243, 150]]}
    points["lower-face"] = [*points["mouth"], [224, 165]]
    points["face"] = np.concatenate([points["eyes"], points["nose"], points["lower-face"]])
    inside = [bool(result.hole[round(float(y)), round(float(x))]) for x, y in points[name]]
    assert all(inside)
    others = {"mouth": EYES, "eyes": points["mouth"], "nose": points["mouth"], "lower-face": EYES, "face": [[224, 30]]}
    assert not any(result.hole[round(float(y)), round(float(x))] for x, y in others[name])
    np.testing.assert_array_equal(result.completed[~result.hole], ASTRONAUT[~result.hole])
    assert (result.completed[result.hole] != ASTRONAUT[result.hole]).any(axis=-1).mean() > 0.8


def test_region_of_an_aligned_photo(completer):
    """Broken: --align off knows no regions, or searches for a face all the same."""
    crop = np.full((128, 128, 3), 128, np.uint8)
    hole = completer.complete(crop, "mouth", align="off").hole
    assert hole[int(0.684 * 128), 64]
    assert not hole[58, 49]


def test_wrong_regions_and_boxes():
    """Broken: a misspelt region or a box beside the photo is a traceback."""
    with pytest.raises(UserError, match="unknown region mouht: there are mouth, eyes"):
        regions.centred("mouht", 64, 64)
    with pytest.raises(UserError, match="leaves the photo of 40 x 30 px"):
        regions.box(30, 0, 20, 5, 30, 40)
    with pytest.raises(UserError, match="1 or more"):
        regions.box(3, 0, 0, 5, 30, 40)
    assert regions.box(3, 4, 5, 6, 30, 40).sum() == 30


def test_score_prefers_a_face_to_noise(completer):
    """Broken: the score does not tell a face that the network can do from a picture that it cannot."""
    values = dict.fromkeys(completer.attribute_names, 0) | {"No_Beard": 1, "Smiling": 1, "Young": 1}
    noise = np.random.default_rng(0).integers(0, 256, ASTRONAUT.shape, np.uint8)
    eyes = tuple(EYES.ravel())
    good, bad = (completer.complete(x, "face", values, eyes=eyes).score for x in (ASTRONAUT, noise))
    assert bad + 0.02 < good < 1


def test_intermediate_values_lie_between(completer):
    """Broken: Smiling=0.5 is rounded, or does something else than half a smile."""
    values = dict.fromkeys(completer.attribute_names, 0) | {"No_Beard": 1}
    pictures = [completer.complete(ASTRONAUT, "face", {**values, "Eyeglasses": x}).image for x in (0, 0.5, 1)]
    whole, halves = (np.abs(a - b).mean() for a, b in ((pictures[0], pictures[2]), (pictures[0], pictures[1])))
    assert 0.1 * whole < halves < 0.9 * whole


def test_overdone_values_go_on_and_end(completer):
    """Broken: Eyeglasses=1.5 is refused or the same as 1, or values are taken that were measured to be bad."""
    values = dict.fromkeys(completer.attribute_names, 0) | {"No_Beard": 1}
    one, more = (completer.complete(ASTRONAUT, "eyes", {**values, "Eyeglasses": x}).image for x in (1, 1.5))
    assert np.abs(one - more).max() > 0.01
    for value in (1.6, -0.6, float("nan")):
        with pytest.raises(UserError, match=r"at most from -0.5 to 1.5"):
            completer.complete(ASTRONAUT, "eyes", {**values, "Eyeglasses": value})
