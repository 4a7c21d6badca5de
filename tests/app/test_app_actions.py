"""What the page does with photos, without the page."""

import io

import numpy as np
import pytest
from PIL import Image

from fec_jax.app import actions, opened
from fec_jax.complete.variations import tile
from fec_jax.types import UserError

NAMES = ("Smiling", "Gray_Hair", "Male")
VALUES = {"Smiling": 0.25, "Gray_Hair": 0.0, "Male": 1.0}


def opening(completer, path, name="me.png", max_pixels=10**6):
    return opened.open_photo(completer, path, name, max_pixels)


def sent(image):
    """A layer as the browser sends it."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def faceless(tmp_path, size):
    path = tmp_path / "noise.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), np.uint8)).save(path)
    return path


def test_a_photo_opens_with_its_face_and_values(completer, astronaut):
    """Broken: the page finds no face in a portrait, or its sliders do not start at what was read."""
    photo = opening(completer, astronaut)
    assert photo.where is not None
    assert len(photo.where.faces) == 1
    assert tuple(photo.read) == NAMES
    assert all(0 <= value <= 1 for value in photo.read.values())
    assert photo.read == completer.read(photo.photo.rgb, photo.where)
    assert "One face found" in opened.summary(photo)


def test_the_largest_face_comes_first_and_another_can_be_chosen(completer, crowd):
    """Broken: with several people in the photo the wrong one is edited, and nothing helps."""
    photo = opening(completer, crowd)
    assert photo.where is not None
    assert len(photo.where.faces) == 2
    assert photo.where.number == 2
    mouth = actions.region(photo, "mouth")
    photo = opened.choose(completer, photo.with_hole(mouth), 1)
    assert photo.where is not None
    assert photo.where.number == 1
    assert photo.hole is None
    other = actions.region(photo, "mouth")
    assert np.flatnonzero(other.any(axis=0)).max() < np.flatnonzero(mouth.any(axis=0)).min()


def test_a_photo_without_a_face_counts_as_a_crop(completer, tmp_path):
    """Broken: photos in which the search fails cannot be used at all, or nobody is told."""
    photo = opening(completer, faceless(tmp_path, (80, 60)))
    assert photo.where is None
    assert tuple(photo.read) == NAMES
    assert "No face found" in opened.summary(photo)
    assert actions.region(photo, "mouth").any()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"),
        (b"<svg onload='alert(1)'/>", "not a "),
        (sent(Image.new("RGB", (1200, 1000))), "limit of 1 megapixels"),
        (sent(Image.new("RGB", (64, 64)))[:-30], "damaged"),
    ],
    ids=["empty", "no picture", "too many pixels", "cut off"],
)
def test_other_files_are_refused_by_their_own_name(completer, tmp_path, content, reason):
    """Broken: what cannot be used is opened, or the message names a temporary path that the user never saw."""
    path = tmp_path / "upload"
    path.write_bytes(content)
    with pytest.raises(UserError, match=reason) as caught:
        opening(completer, path, "holiday.png")
    assert "holiday.png" in str(caught.value)
    assert str(path) not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("size", [(900, 400), (300, 700), (64, 64)])
def test_a_hole_goes_to_the_browser_and_back(completer, tmp_path, size):
    """Broken: what a button marks, or what the user sees under the brush, is not what is filled."""
    photo = opening(completer, faceless(tmp_path, size))
    hole = actions.region(photo, "lower-face")
    back = actions.hole_of(photo, sent(actions.layer_of(photo, hole)))
    assert (back & hole).sum() / (back | hole).sum() > 0.93


def test_strokes_land_where_they_are_seen(completer, crowd):
    """Broken: the hole is beside the stroke in photos that are not as wide as the canvas."""
    photo = opening(completer, crowd)
    left, top, right, _ = photo.canvas_box
    scale = (right - left) / 900
    layer = Image.new("RGBA", opened.CANVAS, (0, 0, 0, 0))
    corner = round(left + 600 * scale), round(top + 100 * scale)
    layer.paste((244, 63, 94, 140), (*corner, right, 400))
    hole = actions.hole_of(photo, sent(layer))
    rows, columns = np.flatnonzero(hole.any(axis=1)), np.flatnonzero(hole.any(axis=0))
    assert abs(int(columns[0]) - 600) <= 1
    assert abs(int(rows[0]) - 100) <= 1


@pytest.mark.parametrize("layer", [b"no picture", sent(Image.new("RGB", (8, 8)))], ids=["junk", "no alpha"])
def test_layers_that_are_none_are_refused(completer, astronaut, layer):
    """Broken: a hand-made request ends in a traceback, or fills the whole photo."""
    with pytest.raises(UserError, match="brush layer"):
        actions.hole_of(opening(completer, astronaut), layer)


def test_no_layer_is_no_hole(completer, astronaut):
    """Broken: Fill without a stroke does something."""
    photo = opening(completer, astronaut)
    with pytest.raises(UserError, match="nothing to complete"):
        actions.kept_inside(photo, actions.hole_of(photo, None))
    with pytest.raises(UserError, match="nothing to complete"):
        actions.fill(completer, photo, VALUES)


def test_strokes_out_of_view_are_left_out_and_counted(completer, crowd):
    """Broken: one stroke too far makes the page refuse, or the user is not told what stays."""
    photo = opening(completer, crowd)
    hole = actions.region(photo, "mouth")
    hole[:20, :20] = True
    kept, outside = actions.kept_inside(photo, hole)
    assert outside == 400
    np.testing.assert_array_equal(kept, actions.region(photo, "mouth"))
    far = np.zeros_like(hole)
    far[:20, :20] = True
    with pytest.raises(UserError, match="too far"):
        actions.kept_inside(photo, far)
    with pytest.raises(UserError, match="leave some"):
        actions.kept_inside(photo, np.ones_like(hole))


def test_only_the_hole_changes_and_the_file_says_what_was_done(completer, crowd, tmp_path):
    """Broken: the download differs from the photo outside the hole, or hides that it is partly synthetic."""
    photo = opening(completer, crowd, "../we two.png")
    photo = photo.with_hole(actions.region(photo, "mouth"))
    result = actions.fill(completer, photo, VALUES)
    path = actions.write_result(tmp_path, photo, result)
    assert path == tmp_path / "we two_completed.png"
    with Image.open(path) as image:
        written, mark = np.asarray(image), image.info["Software"]
    with Image.open(crowd) as image:
        before = np.asarray(image)
    hole = result.hole
    np.testing.assert_array_equal(written[~hole], before[~hole])
    assert (written[hole] != before[hole]).any()
    assert "synthetic" in mark
    assert "Smiling=0.25 Gray_Hair=0 Male=1" in mark


def test_contact_sheets_turn_every_attribute_or_step_through_one(completer, astronaut, tmp_path):
    """Broken: a cell of the sheet does not show what it says, or cannot be taken over."""
    photo = opening(completer, astronaut)
    photo = photo.with_hole(actions.region(photo, "face"))
    sheet = actions.vary(completer, photo, VALUES)
    assert [v.caption for v in sheet] == ["As set", "Smiling 1", "Gray hair 1", "Male 0"]
    assert [v.values for v in sheet] == [
        VALUES,
        {**VALUES, "Smiling": 1},
        {**VALUES, "Gray_Hair": 1},
        {**VALUES, "Male": 0},
    ]
    wanted = actions.fill(completer, photo, {**VALUES, "Male": 0})
    assert sheet[3].image.tobytes() == tile(wanted.completed, wanted.square).tobytes()
    assert sheet[0].image.tobytes() != sheet[3].image.tobytes()
    steps = actions.vary(completer, photo, VALUES, "Smiling")
    assert [v.values["Smiling"] for v in steps] == [0, 0.25, 0.5, 0.75, 1]
    with Image.open(
        actions.write_preview(tmp_path / "cell.png", steps[1].image, steps[1].values, steps[1].score)
    ) as image:
        assert "Smiling=0.25" in image.info["Software"]
    with pytest.raises(UserError, match="Hat"):
        actions.vary(completer, photo, VALUES, "Hat")


def test_all_faces_are_outlined(completer, crowd):
    """Broken: the user does not see which faces were found, or which one is chosen."""
    photo = opening(completer, crowd)
    image = np.asarray(opened.outlined(photo))
    left, top, right, _ = photo.canvas_box
    scale = (right - left) / 900
    assert photo.where is not None
    for face, colour in zip(photo.where.faces, (opened.OTHER, opened.CHOSEN), strict=True):
        x, y, w, h = face.box * scale
        at = round(top + y + h), round(left + x + w / 2)
        near = image[at[0] - 4 : at[0] + 5, at[1]]
        assert (near == colour).all(axis=1).any()
