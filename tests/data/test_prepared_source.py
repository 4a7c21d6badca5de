"""Opening prepared data: random access, threads, and errors that say what there is instead."""

import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from photo_folders import photo_folder, truncate

from fec_jax.data import source as source_module
from fec_jax.data.prepare import prepare_folder
from fec_jax.data.source import Source, open_source
from fec_jax.types import UserError


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    root = tmp_path_factory.mktemp("prepared")
    prepare_folder(photo_folder(root / "src"), root / "out", 16, license="CC0", progress=False)
    return root / "out"


def test_it_is_a_source(prepared):
    """Breaks if training cannot use prepared photos in the place of drawn faces."""
    source = open_source(prepared, 16)
    assert isinstance(source, Source)
    assert (source.name, source.resolution_px, source.attribute_names) == ("out", 16, ("Male", "Bald"))
    assert (source.license, len(source)) == ("CC0", 15)
    images, attrs = source.load(np.array([3, 0, 3]))
    assert (images.shape, images.dtype, attrs.shape, attrs.dtype) == ((3, 16, 16, 3), np.uint8, (3, 2), np.uint8)
    np.testing.assert_array_equal(images[0], images[2])
    assert (images[0] != images[1]).any()
    assert source.load([])[0].shape == (0, 16, 16, 3)


@pytest.mark.parametrize("bad", [[15], [-1], [0, 99]])
def test_indices_outside_are_refused(prepared, bad):
    """Breaks if a wrong index wraps around to another photo."""
    with pytest.raises(IndexError):
        open_source(prepared, 16).load(bad)


def test_kept_photos_equal_decoded_ones(prepared, monkeypatch):
    """Breaks if what is kept in memory differs from the file, or a caller who changes a batch spoils it."""
    kept = open_source(prepared, 16)
    monkeypatch.setattr(source_module, "_KEEP_BYTES", 0)
    fresh = open_source(prepared, 16)
    for indices in ([1, 2, 1], range(15), [14, 0], []):
        for _ in range(2):
            images, attrs = kept.load(indices)
            expected_images, expected_attrs = fresh.load(indices)
            np.testing.assert_array_equal(images, expected_images)
            np.testing.assert_array_equal(attrs, expected_attrs)
            assert images.shape == expected_images.shape
            images[:] = 0
            attrs[:] = 9


def test_loading_from_many_threads(prepared):
    """Breaks if two threads that read at once get each other's photos."""
    expected = open_source(prepared, 16).load(range(15))
    shared = open_source(prepared, 16)
    orders = [np.random.default_rng(i).permutation(15) for i in range(64)]
    with ThreadPoolExecutor(8) as pool:
        for order, (images, attrs) in zip(orders, pool.map(shared.load, orders), strict=True):
            np.testing.assert_array_equal(images, expected[0][order])
            np.testing.assert_array_equal(attrs, expected[1][order])


def test_attributes_are_selected_in_order(prepared):
    """Breaks if labels come under the wrong name when a config asks for some of them."""
    swapped = open_source(prepared, 4, attributes=["Bald", "Male"])
    np.testing.assert_array_equal(swapped.load(range(15))[1], open_source(prepared, 4).load(range(15))[1][:, ::-1])
    assert swapped.attribute_names == ("Bald", "Male")
    with pytest.raises(UserError, match="has no attribute Hat; it has: Male, Bald"):
        open_source(prepared, 4, attributes=["Hat"])


def test_errors_say_what_there_is(prepared, tmp_path):
    """Breaks if a typing error in a config gives a traceback, or hides which resolutions and splits exist."""
    with pytest.raises(UserError, match="does not exist: make it with `fec prepare folder"):
        open_source(tmp_path / "nowhere", 16)
    with pytest.raises(UserError, match="is not a prepared data set"):
        open_source(tmp_path, 16)
    with pytest.raises(UserError, match="not prepared at 32 px, only at 4, 8, 16 px"):
        open_source(prepared, 32)
    with pytest.raises(UserError, match=r"no split 'validation'; it has: train \(15\), test \(5\)"):
        open_source(prepared, 16, "validation")
    foreign = tmp_path / "16px" / "1.0.0"
    foreign.mkdir(parents=True)
    (foreign / "metadata.json").write_text('{"something": "else"}')
    with pytest.raises(UserError, match="is not a prepared data set"):
        open_source(tmp_path, 16)


def _shard(root, split="train"):
    return next((root / "16px" / "1.0.0").glob(f"*-{split}.array_record*"))


@pytest.mark.parametrize("what", ["missing", "half", "few bytes", "empty", "noise", "info", "no info", "features"])
def test_damaged_data_is_one_line(prepared, tmp_path, what):
    """Breaks if a half-copied data set gives a traceback of a library, hours into a training."""
    root = tmp_path / "data"
    shutil.copytree(prepared, root)
    shard, info = _shard(root), root / "16px" / "1.0.0" / "dataset_info.json"
    content = shard.read_bytes()
    match what:
        case "missing":
            shard.unlink()
        case "half":
            truncate(shard)
        case "few bytes":
            shard.write_bytes(content[:-50])
        case "empty":
            shard.write_bytes(b"")
        case "noise":
            shard.write_bytes(np.random.default_rng(0).bytes(len(content)))
        case "info":
            info.write_text('{"name": ')
        case "no info":
            info.unlink()
        case "features":
            (info.parent / "features.json").write_text("[]")
    with pytest.raises(UserError, match=r"the prepared data in .*1\.0\.0 is damaged .*`fec prepare` again") as caught:
        open_source(root, 16)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("keep_bytes", [0, 2**20])
def test_damage_in_the_middle_is_found_when_it_is_read(prepared, tmp_path, monkeypatch, keep_bytes):
    """Breaks if a damaged record becomes a training image, or a traceback."""
    monkeypatch.setattr(source_module, "_KEEP_BYTES", keep_bytes)
    root = tmp_path / "data"
    shutil.copytree(prepared, root)
    shard = _shard(root)
    content = bytearray(shard.read_bytes())
    places = [i for i in range(len(content)) if content[i : i + 4] == b"IHDR"]
    content[places[7] : places[7] + 200] = bytes(200)
    shard.write_bytes(bytes(content))
    source = open_source(root, 16)
    with pytest.raises(UserError, match=r"is damaged \(record \d+: ") as caught:
        source.load(range(15))
    assert "\n" not in str(caught.value)


def test_tensorflow_is_never_imported(tmp_path):
    """Breaks if preparing, opening or streaming pulls TensorFlow in."""
    script = f"""
import sys
sys.path.insert(0, {str(__file__.rsplit("/", 1)[0])!r})
from pathlib import Path
from photo_folders import photo_folder
from fec_jax.data.builders import celeb_a, celebamask_hq
from fec_jax.data.pipeline import batches
from fec_jax.data.prepare import prepare_folder
from fec_jax.data.source import open_source
root = Path({str(tmp_path)!r})
prepare_folder(photo_folder(root / "src"), root / "out", 8, progress=False)
stream = batches(open_source(root / "out", 8), seed=0, first_image=0, batch=4, num_batches=5)
assert len(list(stream)) == 5
stream.close()
assert "tensorflow" not in sys.modules
print("clean")
"""
    done = subprocess.run([sys.executable, "-W", "error", "-c", script], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "clean"
