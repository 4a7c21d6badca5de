"""`fec complete` on a photo as it is: the search, the ways to say what to fill, and what else is written."""

import json

import numpy as np
import pytest
from PIL import Image

from fec_jax.cli import main

ASTRONAUT = pytest.importorskip("skimage.data").astronaut()


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Image.fromarray(ASTRONAUT).save("photo.png")
    hole = np.zeros((512, 512), np.uint8)
    hole[95:125, 190:260] = 255
    Image.fromarray(hole).save("mask.png")
    return tmp_path


def fec(capsys, *args):
    """Runs `fec complete photo.png --out out.png` with more options: (exit code, stdout, stderr)."""
    with pytest.raises(SystemExit) as e:
        main.main(["complete", "photo.png", "--out", "out.png", *map(str, args)])
    return e.value.code, *capsys.readouterr()


def pixels(name):
    with Image.open(name) as image:
        return np.asarray(image)


def test_a_snapshot_needs_no_crop(folder, capsys):
    """Broken: a photo with a small face at its side is filled as if the face were in the middle, or refused."""
    code, _, err = fec(capsys, "--mask", "mask.png", "--set", "Eyeglasses=1")
    assert code == 0, err
    assert "score 0." in err
    hole = pixels("mask.png") > 0
    np.testing.assert_array_equal(pixels("out.png")[~hole], ASTRONAUT[~hole])
    assert (pixels("out.png")[hole] != ASTRONAUT[hole]).any(axis=-1).mean() > 0.8
    with Image.open("out.png") as image:
        assert "score 0." in image.info["Software"]


def test_region_with_mask_and_facts(folder, capsys):
    """Broken: --region needs a mask; --show-mask shows another hole than the one filled; the JSON lies."""
    code, _, err = fec(
        capsys, "--region", "mouth", "--show-mask", "hole.png", "--json", "facts.json", "--set", "Male=0.5"
    )
    assert code == 0, err
    hole = pixels("hole.png") > 0
    assert hole[150, 224]
    np.testing.assert_array_equal(pixels("out.png")[~hole], ASTRONAUT[~hole])
    facts = json.loads((folder / "facts.json").read_text())
    assert facts["hole_px"] == hole.sum()
    assert 0.5 < facts["score"] < 1
    assert facts["attributes"]["Male"] == 0.5
    np.testing.assert_allclose(facts["face"]["eyes"], [[203, 107], [244, 109.5]], atol=4)
    assert (facts["face"]["number"], facts["face"]["of"]) == (1, 1)


def test_box(folder, capsys):
    """Broken: --box fills other pixels than those named."""
    code, _, err = fec(capsys, "--box", "200,95,45,30")
    assert code == 0, err
    changed = (pixels("out.png") != ASTRONAUT).any(axis=-1)
    assert changed[95:125, 200:245].mean() > 0.8
    changed[95:125, 200:245] = False
    assert not changed.any()


@pytest.mark.parametrize(("what", "tiles"), [("all", 10), ("Smiling", 7)])
def test_contact_sheet(folder, capsys, what, tiles):
    """Broken: --vary shows the same face everywhere, or leaves one out."""
    code, _, err = fec(capsys, "--region", "face", "--vary", what)
    assert code == 0, err
    sheet = pixels("out.png").astype(int)
    assert sheet.shape == (2 * 278 + 4, 5 * 260 + 4, 3)
    cells = [sheet[22 + 278 * (i // 5) :][:256, 4 + 260 * (i % 5) :][:, :256] for i in range(10)]
    assert [bool((cell < 250).any()) for cell in cells] == [True] * tiles + [False] * (10 - tiles)
    assert all((cells[i] != cells[j]).any() for i in range(tiles) for j in range(i))


def test_raw_shows_the_turned_square(folder, capsys):
    """Broken: --raw pastes the upright square, or changes what the network never saw."""
    assert fec(capsys, "--region", "eyes", "--raw")[0] == 0
    changed = (pixels("out.png") != ASTRONAUT).any(axis=-1)
    assert changed.sum() > 20_000
    assert not changed[300:].any()
    assert not changed[:, 350:].any()


def test_deep_grey_photo(folder, capsys):
    """Broken: a 16-bit photo loses bits outside the hole when its face is found and turned."""
    deep = np.asarray(Image.fromarray(ASTRONAUT).convert("L")).astype(np.uint16) * 256 + 77
    Image.fromarray(deep).save("photo.png")
    code, _, err = fec(capsys, "--mask", "mask.png")
    assert code == 0, err
    hole = pixels("mask.png") > 0
    assert pixels("out.png").dtype == np.uint16
    np.testing.assert_array_equal(pixels("out.png")[~hole], deep[~hole])
    assert (pixels("out.png")[hole] != deep[hole]).mean() > 0.8


ERRORS = {
    "nothing to complete": ([], "no hole is given"),
    "two holes": (["--mask", "mask.png", "--region", "eyes"], "more than one"),
    "bad box": (["--box", "1,2,3"], "--box 1,2,3: write X,Y,W,H, four whole numbers"),
    "box outside": (["--box", "500,0,50,50"], "leaves the photo of 512 x 512 px"),
    "box away from the face": (["--box", "400,400,20,20"], "the hole touches no face found (1: "),
    "bad eyes": (["--region", "eyes", "--eyes", "a,b,c,d"], "--eyes a,b,c,d: write X,Y,X,Y"),
    "eyes nan": (["--region", "eyes", "--eyes", "1,2,nan,3"], "outside the photo"),
    "no such face": (["--region", "eyes", "--face", "2"], "--face 2: 1 found (1: "),
    "eyes without search": (["--mask", "mask.png", "--align", "off", "--eyes", "1,2,30,4"], "drop --eyes and --face"),
    "vary unknown": (["--region", "eyes", "--vary", "Smile"], "--vary Smile: write all or one of Male, Smiling"),
    "vary with metadata": (["--region", "eyes", "--vary", "all", "--keep-metadata"], "exclude each other"),
    "face and eyes": (
        ["--region", "eyes", "--face", "1", "--eyes", "1,2,30,4"],
        "--face and --eyes exclude each other",
    ),
    "resized without a mask": (["--mask-from", "alpha", "--mask-resize"], "--mask-resize without a --mask"),
    "vary raw": (["--region", "eyes", "--vary", "all", "--raw"], "exclude each other"),
    "inverted region": (["--region", "eyes", "--invert-mask"], "--invert-mask without a --mask"),
    "mask is the output": (["--region", "eyes", "--show-mask", "out.png"], "it is an input or the output"),
    "mask exists": (["--region", "eyes", "--show-mask", "mask.png"], "--force"),
    "JSON is the photo": (["--region", "eyes", "--json", "photo.png"], "ends in .json"),
    "too much": (["--region", "eyes", "--set", "Smiling=7"], "Smiling=7"),
    "not a number": (["--region", "eyes", "--set", "Smiling=nan"], "Smiling=nan"),
}


@pytest.mark.parametrize("name", ERRORS)
def test_errors(folder, capsys, name):
    """Broken: a traceback, an error that does not say what was wrong, or a file left behind."""
    before = {p: p.read_bytes() for p in folder.iterdir()}
    extra, text = ERRORS[name]
    code, out, err = fec(capsys, *extra)
    assert (code, out) == (2, "")
    assert err.startswith("fec: ")
    assert err.count("\n") == 1
    assert text in err
    assert {p: p.read_bytes() for p in folder.iterdir()} == before


def test_no_face(folder, capsys):
    """Broken: a photo without a face is filled anyway, without a word."""
    Image.new("RGB", (512, 512), (90, 120, 150)).save("photo.png")
    code, _, err = fec(capsys, "--mask", "mask.png")
    assert code == 2
    assert "no face found" in err
    assert "--eyes X,Y,X,Y" in err
    assert "--align off" in err
    assert fec(capsys, "--mask", "mask.png", "--align", "off")[0] == 0
    assert fec(capsys, "--mask", "mask.png", "--eyes", "200,110,240,110", "--force")[0] == 0
