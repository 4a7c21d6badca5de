import pickle
import threading
import time

import numpy as np
import pytest

from fec_jax.data.synthetic.people import People
from fec_jax.data.synthetic.source import ATTRIBUTES, SyntheticFaces, render
from fec_jax.types import UserError

PLAIN = {"Male": 1, "Smiling": 0, "Eyeglasses": 0, "Young": 1, "Gray_Hair": 0, "No_Beard": 1, "Bald": 0}

# Where (top, bottom, left, right of the crop) a flipped label may change pixels. Nothing outside may move.
REGIONS = {
    "Male": (0.0, 1.0, 0.0, 1.0),
    "Smiling": (0.5, 0.86, 0.2, 0.8),
    "Eyeglasses": (0.33, 0.6, 0.17, 0.83),
    "Young": (0.17, 0.9, 0.16, 0.84),
    "Gray_Hair": (0.0, 0.62, 0.1, 0.9),
    "No_Beard": (0.38, 0.95, 0.13, 0.87),
    "Bald": (0.0, 0.62, 0.1, 0.9),
}


def labels(n: int, **changed: int) -> np.ndarray:
    return np.tile(np.array([{**PLAIN, **changed}[name] for name in ATTRIBUTES], np.uint8), (n, 1))


def pooled(images: np.ndarray) -> np.ndarray:
    n, h, w, c = images.shape
    return images.reshape(n, h // 2, 2, w // 2, 2, c).mean(axis=(2, 4))


@pytest.mark.parametrize("resolution_px", [4, 8, 16, 32, 64, 128, 256])
def test_shapes_and_range(resolution_px):
    """A resolution of the growth schedule cannot be drawn, or comes out in the wrong type, or as a flat picture."""
    images, attrs = render(3, np.arange(3), resolution_px)
    assert images.shape == (3, resolution_px, resolution_px, 3)
    assert images.dtype == np.uint8
    assert attrs.shape == (3, len(ATTRIBUTES))
    assert attrs.dtype == np.uint8
    assert images.std() > 15


def test_largest_resolution():
    """1024 px, the paper's size, cannot be drawn, or has no more detail than 512 px."""
    large = render(3, [5], 1024)[0].astype(float)
    up = np.repeat(np.repeat(pooled(large), 2, axis=1), 2, axis=2)
    assert large.shape == (1, 1024, 1024, 3)
    assert np.abs(large - up).mean() > 0.15


def test_face_depends_on_seed_and_index_only():
    """A face depends on its batch, its place in it or on state: resumed runs would see other data."""
    indices = np.array([7, 0, 123456789, 7])
    images, attrs = render(1, indices, 64)
    np.testing.assert_array_equal(images[0], images[3])
    for k, index in enumerate(indices):
        alone, label = render(1, [int(index)], 64)
        np.testing.assert_array_equal(alone[0], images[k])
        np.testing.assert_array_equal(label[0], attrs[k])
    assert np.abs(render(2, indices, 64)[0].astype(float) - images).mean() > 10


def test_labels_do_not_depend_on_resolution():
    """Labels change with the resolution: the phases of one run would train on different labels."""
    np.testing.assert_array_equal(render(4, np.arange(50), 4)[1], render(4, np.arange(50), 64)[1])


@pytest.mark.parametrize(("small_px", "limit"), [(4, 1.1), (16, 1.1), (32, 1.1), (64, 2.0), (128, 2.0)])
def test_small_pictures_are_averages_of_large_ones(small_px, limit):
    """Growing by a factor two shows another picture: the fade would mix two different faces (differences in 0..255)."""
    indices = np.arange(12)
    small, large = render(0, indices, small_px)[0].astype(float), render(0, indices, 2 * small_px)[0]
    difference = np.abs(pooled(large) - small)
    assert difference.mean() < limit
    if small_px < 64:
        assert difference.max() <= 1


def test_every_label_value_is_common():
    """A value of a label is rarer than 15 %, or the labels are not what the module promises."""
    share = People(0, np.arange(4000)).attrs.mean(axis=0)
    expected = {"Male": 0.5, "Smiling": 0.5, "Eyeglasses": 0.3, "Young": 0.55, "Gray_Hair": 0.29, "No_Beard": 0.76}
    expected["Bald"] = 0.2
    for name, got in zip(ATTRIBUTES, share, strict=True):
        assert got == pytest.approx(expected[name], abs=0.03), name
        assert 0.15 < got < 0.85


@pytest.mark.parametrize("name", ATTRIBUTES)
def test_flipped_label_changes_its_region_only(name):
    """A label is not visible inside the centre square, or flipping it changes the picture where it has no business."""
    n, px = 16, 64
    off, on = (render(5, np.arange(n), px, labels(n, **{name: value}))[0].astype(float) for value in (0, 1))
    change = np.abs(on - off).max(axis=3)
    top, bottom, left, right = (round(x * px) for x in REGIONS[name])
    outside = np.ones((px, px), bool)
    outside[top:bottom, left:right] = False
    assert (change[:, outside] == 0).all()
    centre = change[:, px // 4 : 3 * px // 4, px // 4 : 3 * px // 4]
    assert (centre > 20).mean(axis=(1, 2)).min() > 0.01
    assert (change > 2).mean(axis=(1, 2)).max() < 0.6


@pytest.mark.parametrize("name", ["Gray_Hair", "Bald"])
def test_hair_labels_leave_the_middle_of_the_face(name):
    """Flipping a hair label repaints nose, cheeks or mouth."""
    px = 64
    off, on = (render(5, np.arange(16), px, labels(16, **{name: value}))[0] for value in (0, 1))
    box = slice(round(0.50 * px), round(0.80 * px)), slice(round(0.36 * px), round(0.64 * px))
    np.testing.assert_array_equal(on[:, *box], off[:, *box])


def test_given_labels_are_kept_exactly():
    """`attrs` is ignored or altered: attribute control could not be measured against it."""
    asked = np.random.default_rng(0).integers(0, 2, (20, len(ATTRIBUTES))).astype(np.uint8)
    np.testing.assert_array_equal(render(0, np.arange(20), 4, asked)[1], asked)
    images, own = render(0, np.arange(20), 16)
    np.testing.assert_array_equal(render(0, np.arange(20), 16, own)[0], images)


def test_eyes_are_where_the_alignment_puts_them():
    """Faces are not aligned like the photos: a model trained on one set would not carry over to the other."""
    n, px = 64, 128
    mean = render(9, np.arange(n), px, labels(n))[0].astype(float).mean(axis=(0, 3))
    for x in (0.38, 0.62):
        columns = mean[round(0.45 * px), round((x - 0.06) * px) : round((x + 0.06) * px)]  # the pupil is the darkest
        assert (np.argmin(columns) + 0.5) / px + x - 0.06 == pytest.approx(x, abs=0.016)
        rows = mean[round(0.40 * px) : round(0.52 * px), round((x - 0.02) * px) : round((x + 0.02) * px)].mean(axis=1)
        assert (np.argmin(rows) + 0.5) / px + 0.40 == pytest.approx(0.435, abs=0.025)  # from the lid to the pupil


def test_both_eyes_have_one_colour():
    """The irises differ: faces would not show the symmetry that the completed faces are checked for."""
    n, px = 24, 256
    images = render(2, np.arange(n), px, labels(n))[0].astype(float)
    row = slice(round(0.435 * px), round(0.475 * px))
    parts = [images[:, row, round((x - 0.03) * px) : round((x + 0.03) * px)] for x in (0.38, 0.62)]
    left, right = (part.mean(axis=(1, 2)) / part.mean(axis=(1, 2, 3))[:, None] for part in parts)
    own, other = np.abs(left - right).max(axis=1), np.abs(left - np.roll(right, 1, axis=0)).max(axis=1)
    assert np.median(own) < 0.4 * np.median(other)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((0, [0], 48), "48"),
        ((0, [0], 2048), "2048"),
        ((0, [0], 2), "2 px"),
        ((0, [-1], 4), "indices"),
        ((0, [0], 4, np.zeros((2, 7), np.uint8)), "attrs"),
        ((0, [0], 4, np.full((1, 7), 2, np.uint8)), "attrs"),
    ],
)
def test_bad_arguments_are_named(arguments, says):
    """A wrong argument ends in a traceback from deep inside, or in a silent wrong picture."""
    with pytest.raises(UserError, match=says):
        render(*arguments)


def test_drawing_is_fast():
    """Drawing slows training down: 64 px faces come at under 100 per second of one core (several hundred are usual)."""
    render(0, np.arange(2), 64)
    took = []
    for k in range(3):
        start = time.thread_time()
        render(0, np.arange(64 * k, 64 * k + 64), 64)
        took.append(time.thread_time() - start)
    assert 64 / min(took) > 100


def test_source_is_a_source():
    """The drawn faces cannot stand in for a photo data set."""
    source = SyntheticFaces(10, 16, seed=4)
    images, attrs = source.load([3, 9, 3])
    expected = render(4, [3, 9, 3], 16)
    np.testing.assert_array_equal(images, expected[0])
    np.testing.assert_array_equal(attrs, expected[1])
    assert (source.name, len(source), source.resolution_px) == ("drawn_faces", 10, 16)
    assert source.attribute_names == ATTRIBUTES
    assert source.license.startswith("CC0")
    with pytest.raises(IndexError):
        source.load([10])
    with pytest.raises(UserError, match="split"):
        SyntheticFaces(10, 16, split="valid")  # type: ignore[arg-type]
    with pytest.raises(UserError, match="size"):
        SyntheticFaces(0, 16)


def test_splits_share_no_face():
    """The test split repeats training faces: its figures would be worthless."""
    train = {image.tobytes() for image in SyntheticFaces(40, 16, split="train").load(range(40))[0]}
    test = {image.tobytes() for image in SyntheticFaces(40, 16, split="test").load(range(40))[0]}
    assert len(train) == len(test) == 40
    assert not train & test


def test_cache_changes_nothing_and_callers_cannot_spoil_it(monkeypatch):
    """A picture read a second time differs from the first, or an edit by a caller reaches later readers."""
    source = SyntheticFaces(6, 16)
    first, _ = source.load([0, 1])
    kept = first.copy()
    first[:] = 0
    np.testing.assert_array_equal(source.load([0, 1])[0], kept)
    monkeypatch.setattr("fec_jax.data.synthetic.source._CACHE_BYTES", 0)
    np.testing.assert_array_equal(SyntheticFaces(6, 16).load([0, 1])[0], kept)


def test_source_travels_to_worker_processes():
    """Worker processes of the input pipeline cannot get the source, or a resumed run takes it for another one."""
    source = SyntheticFaces(6, 16, seed=3, split="test")
    source.load([0])
    copy = pickle.loads(pickle.dumps(source))
    np.testing.assert_array_equal(copy.load([0, 5])[0], source.load([0, 5])[0])
    assert repr(copy) == repr(source) == "SyntheticFaces(6, 16, seed=3, split='test')"


def test_load_from_many_threads():
    """Threads of the input pipeline read half-drawn pictures."""
    source, expected = SyntheticFaces(64, 16), render(0, np.arange(64), 16)[0]
    wrong: list[int] = []

    def read(k: int) -> None:
        order = np.random.default_rng(k).permutation(64)
        for part in np.split(order, 8):
            if not np.array_equal(source.load(part)[0], expected[part]):
                wrong.append(k)

    threads = [threading.Thread(target=read, args=(k,)) for k in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
