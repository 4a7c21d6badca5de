"""Mask sets: the same for everyone, within their protocols' limits; and a folder's pictures."""

import math

import numpy as np
import pytest
from PIL import Image

from fec_jax.masks import holes, irregular
from fec_jax.masks import sets as mask_sets
from fec_jax.masks.irregular import PROTOCOLS, Canvas, Dice
from fec_jax.types import UserError

RANDOM = ("paper", *PROTOCOLS)
# Of version 1. When one of these changes, so do figures under that set: raise its version.
GOLDEN = {
    "center": ("1", "9edd7eb19111788322bf1d757814cbb949a8487ef0bd420ed06bdf30e480042d"),
    "wide": ("1", "ba2d98b084f6d437019daf87d2c92be1e7eaf79819737b3c18d65befa10b1807"),
    "paper": ("1", "042933ddcccd82c87b0c136c47cca169a989d8e349754d07c13aec2321934d47"),
    "lama-thin": ("1", "de874ab60ee0492d49ca70aad2ee1c326c03fac7f700ae60133c2084a24e1667"),
    "lama-medium": ("1", "45c7f24bb632c7a04e43117e3d044f01a3e6522ba6b7e429ac58629ae21e89c5"),
    "lama-thick": ("1", "6ece78b826bd53b3f34b7d2bc84fad481bd85611538d052f6a438c5e7435fb33"),
    "mat-small": ("1", "3c4e89aaa4d965847bf901c1e01ea5ac40e2d3e68bb51e30351222169672dca8"),
    "mat-large": ("1", "3591991420b6911778a0f28c5f9c8941028175e6333b83ca99eb19826d644ba7"),
}


@pytest.fixture(scope="module")
def sets():
    return {name: mask_sets.make(name, 8, 64, 0) for name in mask_sets.NAMES}


@pytest.fixture(scope="module")
def many():
    """50 of each protocol, as bool [n, 64, 64]."""
    return {name: np.stack([irregular.draw(name, 64, 0, i) for i in range(50)]) for name in PROTOCOLS}


@pytest.mark.parametrize("name", mask_sets.NAMES)
def test_the_masks_are_those_of_their_version(name, sets):
    """Broken: a set gives other masks than it did, and reports that say they compare do not."""
    assert (sets[name].version, sets[name].sha256) == GOLDEN[name]


@pytest.mark.parametrize("name", mask_sets.NAMES)
def test_layout(name, sets):
    """Broken: masks are not what metrics and networks expect."""
    found = sets[name].masks
    assert (sets[name].name, found.shape, found.dtype) == (name, (8, 64, 64, 1), np.float32)
    assert set(np.unique(found)) == {0, 1}


def test_the_squares(sets):
    """Broken: figures "of the centre square" are of another hole than in training."""
    np.testing.assert_array_equal(sets["center"].masks[3], holes.center(64))
    assert sets["center"].masks[0].sum() == 32**2
    assert sets["wide"].masks[7].sum() == 48**2


@pytest.mark.parametrize("name", RANDOM)
def test_a_mask_does_not_depend_on_how_many_there_are(name, sets):
    """Broken: with --limit other masks are used than without."""
    np.testing.assert_array_equal(mask_sets.make(name, 3, 64, 0).masks, sets[name].masks[:3])


@pytest.mark.parametrize("name", RANDOM)
def test_masks_differ_by_index_and_by_seed(name, sets):
    """Broken: one mask for all photos, or a seed without effect."""
    other = mask_sets.make(name, 8, 64, 1)
    assert other.sha256 != sets[name].sha256
    packed = {mask.tobytes() for one in (sets[name], other) for mask in one.masks}
    assert len(packed) == 16


def of(found):
    return mask_sets.MaskSet("a", "1", len(found), found.shape[1], lambda rows: found[list(rows)])


def test_the_hash_is_over_shape_and_pixels():
    """Broken: sets of other masks have the same hash, or the same masks another one."""
    square = np.zeros((4, 4, 4), bool)
    square[0, 1] = True
    assert of(square).sha256 == of(square.copy()).sha256
    assert of(square).sha256 != of(square[::-1]).sha256
    assert of(square).sha256 != of(square.reshape(1, 8, 8)).sha256


def test_papers_rectangles():
    """Broken: `paper` is not of rectangles with sides of 0.3 to 0.75, as the training's are."""
    for mask in mask_sets.make("paper", 32, 64, 0).masks[..., 0]:
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        assert np.ptp(rows) < 0.75 * 64 + 1
        assert np.ptp(columns) < 0.75 * 64 + 1


@pytest.mark.parametrize("name", PROTOCOLS)
def test_shares_of_hole(name, many):
    """Broken: masks that LaMa throws away, empty or full ones, or holes of another size than the protocol's."""
    share = many[name].mean(axis=(1, 2))
    assert share.min() > 0
    assert share.max() <= 0.5 if name.startswith("lama") else share.max() < 1
    # Means of 1000 masks of another seed.
    assert share.mean() == pytest.approx(MEANS[name], abs=0.06)


MEANS = {"lama-thin": 0.263, "lama-medium": 0.238, "lama-thick": 0.275, "mat-small": 0.217, "mat-large": 0.404}


def test_strokes_of_thin_are_thin(many):
    """Broken: strokes are wider than 14 of 256 px. Eroded by 5 of 64 px only places where strokes meet are left."""

    def eroded(hole, px):
        windows = np.lib.stride_tricks.sliding_window_view(hole, (px, px), axis=(1, 2))
        return windows.all(axis=(3, 4)).mean()

    assert eroded(many["lama-thin"], 6) < 0.05 * many["lama-thin"].mean()
    assert eroded(many["lama-thick"], 6) > 0.3 * many["lama-thick"].mean()


@pytest.mark.parametrize("name", [name for name, one in PROTOCOLS.items() if name.startswith("lama")])
def test_lamas_strokes(name, monkeypatch):
    """Broken: number of strokes, width, length or direction leave the protocol's ranges, or do not fill them."""
    drawn = []
    monkeypatch.setattr(Canvas, "stroke", lambda self, start, end, width: drawn.append((start, end, width)))
    lama, counts = PROTOCOLS[name], []
    for i in range(120):
        before = len(drawn)
        lama.draw(Dice(0, name, i), Canvas(8, 256))
        ends = [None] + [end for _, end, _ in drawn[before:]]
        counts.append(sum(start != last for (start, _, _), last in zip(drawn[before:], ends, strict=False)))
    strokes = [n for n in counts if n]  # the others are of boxes
    assert len(counts) - len(strokes) == (0 if lama.boxes is None else pytest.approx(120 * 0.3 / 1.3, abs=15))
    assert lama.strokes[0] == min(strokes)
    assert lama.strokes[1] - 1 <= max(strokes) <= lama.strokes[1]
    widths = [width for _, _, width in drawn]
    assert (min(widths), max(widths)) == lama.widths
    inside = [(s, e) for s, e, _ in drawn if all(1 < x < 256 for x in e)]  # ends on the border were cut off
    lengths = [math.dist(s, e) for s, e in inside]
    assert lama.lengths[0] - 1.5 <= min(lengths) < max(lengths) <= lama.lengths[1] + 1.5
    angles = [abs(math.atan2(e[0] - s[0], e[1] - s[1])) for s, e in inside if math.dist(s, e) > 40]
    assert {round(angle, 0) for angle in angles} == {0, 1, 2, 3}


def test_mats_brushes(monkeypatch):
    """Broken: a zigzag has other widths, lengths or numbers of pieces than MAT's."""
    drawn = []
    monkeypatch.setattr(Canvas, "stroke", lambda self, start, end, width: drawn.append((start, end, width)))
    pieces = []
    for i in range(150):
        before = len(drawn)
        PROTOCOLS["mat-large"]._brush(Dice(0, "mat-large", i), Canvas(8, 512))
        pieces.append(len(drawn) - before)
        assert len({width for _, _, width in drawn[before:]}) == 1
    assert (min(pieces), max(pieces)) == (4, 17)
    assert (min(width for _, _, width in drawn), max(width for _, _, width in drawn)) == (12, 47)
    lengths = [math.dist(s, e) for s, e, _ in drawn if all(1 < x < 511 for x in e)]
    assert np.median(lengths) == pytest.approx(512 * math.sqrt(2) / 8, rel=0.1)
    assert max(lengths) <= 512 * math.sqrt(2) / 4 + 2


def test_resolution_changes_the_drawing_not_the_shape():
    """Broken: widths and lengths do not grow with the image: a mask at 128 px, averaged, is not that at 64 px."""
    for name in PROTOCOLS:
        for i in range(4):
            small, large = irregular.draw(name, 64, 0, i), irregular.draw(name, 128, 0, i)
            pooled = large.reshape(64, 2, 64, 2).mean(axis=(1, 3))
            assert (np.abs(pooled - small) > 0.75).mean() < 0.01
            assert pooled.mean() == pytest.approx(small.mean(), abs=0.02)


def test_strokes_by_hand():
    """Broken: the rasteriser is off by a pixel, has no round ends, or divides by a length of 0."""
    canvas = Canvas(8, 8)
    canvas.stroke((2.5, 3.5), (5.5, 3.5), 2)
    expected = np.zeros((8, 8), bool)
    expected[3, 1:7] = True  # the ends' caps reach a pixel further
    expected[2:5, 2:6] = True
    np.testing.assert_array_equal(canvas.hole, expected)

    dot = Canvas(8, 8)
    dot.stroke((4.5, 4.5), (4.5, 4.5), 2)
    assert sorted(zip(*map(list, np.nonzero(dot.hole)), strict=True)) == [(3, 4), (4, 3), (4, 4), (4, 5), (5, 4)]

    hair = Canvas(8, 8)
    hair.stroke((0.5, 0.5), (7.5, 7.5), 0.001)
    assert hair.hole.diagonal().all()

    outside = Canvas(8, 8)
    outside.stroke((20, 20), (30, 30), 3)
    assert not outside.hole.any()


def test_boxes_by_hand():
    """Broken: boxes are a pixel too large, or wrap around where they leave the image."""
    canvas = Canvas(4, 8)
    canvas.box(-4, 2, 6, 4)
    np.testing.assert_array_equal(np.argwhere(canvas.hole), [[1, 0], [2, 0]])


def test_dice():
    """Broken: numbers leave their ranges or are not as frequent as they should."""
    dice = Dice(7, "x", 0)
    faces = np.bincount([dice.integer(1, 6) for _ in range(6000)], minlength=7)
    assert faces[0] == 0
    assert faces[1:] == pytest.approx(1000, abs=150)
    normal = [dice.normal(3, 2) for _ in range(4000)]
    assert (np.mean(normal), np.std(normal)) == pytest.approx((3, 2), abs=0.15)


def test_bins():
    """Broken: photos are counted under another share of hole; borders belong to the bin below, as in PConv."""
    found = np.zeros((6, 10, 10), bool)
    for hole, pixels in zip(found, (1, 10, 11, 25, 60, 100), strict=True):
        hole.flat[:pixels] = True
    assert of(found).bins == ["0.0-0.1", "0.0-0.1", "0.1-0.2", "0.2-0.3", "0.5-0.6", "0.9-1.0"]
    assert mask_sets.make("wide", 1, 64, 0).bins == ["0.5-0.6"]


def left(px, columns):
    picture = np.zeros((px, px), np.uint8)
    picture[:, :columns] = 255
    return picture


def folder_of(tmp_path, **pictures):
    for name, picture in pictures.items():
        Image.fromarray(picture).save(tmp_path / f"{name}.png")
    return f"folder:{tmp_path}"


def columns(mask_set):
    """How many columns of each mask are hole, all of each being so or not."""
    hole = mask_set.masks[..., 0] == 1
    assert (hole == hole[:, :1]).all()
    return hole[:, 0].sum(axis=1).tolist()


def test_a_folders_masks_in_the_order_of_names(tmp_path):
    """Broken: masks go to other photos than their names say, or a short folder fails."""
    name = folder_of(tmp_path, b=left(8, 2), a=left(8, 1), c=left(8, 3))
    (tmp_path / "notes.txt").write_text("not a mask")
    found = mask_sets.make(name, 5, 8, 0)
    assert columns(found) == [1, 2, 3, 1, 2]
    assert (found.name, found.version, found.masks.dtype) == (f"folder:{tmp_path.name}", "1", np.float32)
    assert columns(mask_sets.make(name, 2, 8, 9)) == [1, 2]


def test_a_folders_masks_of_other_sizes(tmp_path):
    """Broken: a mask is stretched or cut when it is fitted; half a pixel of hole is hole."""
    name = folder_of(tmp_path, larger=left(32, 6), smaller=left(4, 1), wider=left(32, 5))
    assert columns(mask_sets.make(name, 3, 8, 0)) == [2, 2, 1]


def test_modes_of_mask_pictures(tmp_path):
    """Broken: a brush on an empty layer, a 16-bit or a colour picture is read as another hole than it shows."""
    brush = np.full((8, 8, 4), 255, np.uint8)
    brush[:, 1:, 3] = 0
    name = folder_of(
        tmp_path,
        a=brush,
        b=np.repeat(left(8, 2)[:, :, None], 3, axis=2),
        c=left(8, 3).astype(np.uint16) * 257,
        d=np.where(left(8, 4) > 0, np.uint8(128), np.uint8(127)),
    )
    assert columns(mask_sets.make(name, 4, 8, 0)) == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("picture", "says"),
    [
        (left(8, 0), "no hole"),
        (left(8, 8), "all hole"),
        (left(8, 3)[:4], "8 x 4 px: masks must be square"),
        (left(12, 3), "neither a whole multiple nor a whole part of 8 px"),
        (left(64, 1), "no hole at 8 px"),
    ],
)
def test_mask_pictures_that_cannot_be_used(tmp_path, picture, says):
    """Broken: figures of no hole, of no context, or a traceback; the message does not name the file."""
    with pytest.raises(UserError, match=says) as caught:
        mask_sets.make(folder_of(tmp_path, one=picture), 1, 8, 0)
    assert "one.png" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_damaged_absent_and_empty(tmp_path):
    """Broken: a traceback instead of one line."""
    with pytest.raises(UserError, match="does not exist"):
        mask_sets.make(f"folder:{tmp_path / 'nowhere'}", 1, 8, 0)
    with pytest.raises(UserError, match="has no pictures: put masks into it"):
        mask_sets.make(f"folder:{tmp_path}", 1, 8, 0)
    (tmp_path / "one.png").write_bytes(b"no picture")
    with pytest.raises(UserError, match=r"one\.png \(not a PNG"):
        mask_sets.make(f"folder:{tmp_path}", 1, 8, 0)


def test_unknown_name():
    """Broken: a misspelt set gives a traceback, or is not told the right names."""
    with pytest.raises(UserError, match=r"'lama-think': give one of center, .*lama-thick.* or folder:PATH"):
        mask_sets.make("lama-think", 1, 8, 0)
