"""`--out` of every command: a place that cannot be is one line and exit code 2, and nothing is changed."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fec_jax.cli import main

LONG = "x" * 252 + ".png"


def fec(capfd, *args):
    with pytest.raises(SystemExit) as e:
        main.main([str(a) for a in args])
    return e.value.code, *capfd.readouterr()


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The working folder: a photo, a mask, a folder of photos, a link that leads nowhere."""
    monkeypatch.chdir(tmp_path)
    pixels = np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8)
    Image.fromarray(pixels).save("photo.png")
    mask = np.zeros((16, 16), np.uint8)
    mask[4:8, 4:8] = 255
    Image.fromarray(mask).save("mask.png")
    Path("photos").mkdir()
    for i in range(30):
        Image.fromarray(pixels).save(f"photos/{i}.png")
    for name in ("dangling.png", "dangling.safetensors", "dangling.onnx", "dangling.zip", "dangling"):
        Path(name).symlink_to("gone/away")
    Path("run").mkdir()
    return tmp_path


COMMANDS = {
    "complete": (["complete", "photo.png", "--mask", "mask.png"], "dangling.png"),
    "prepare": (["prepare", "folder", "photos", "--resolution", "4"], "dangling"),
    "evaluate": (["evaluate", "--weights", "none.safetensors", "--data", "none"], "dangling"),
    "export": (["export", "weights", "run"], "dangling.safetensors"),
    "export onnx": (["export", "onnx", "run"], "dangling.onnx"),
    "export stablehlo": (["export", "stablehlo", "run"], "dangling.zip"),
}


@pytest.mark.parametrize("out", ["", ".", "/", "x" * 252 + ".png", "x" * 300 + ".safetensors", "link"])
@pytest.mark.parametrize("command", COMMANDS)
def test_outputs_that_cannot_be(folder, capfd, command, out):
    """Broken: a traceback, another exit code, or a link of the user's is replaced."""
    args, link = COMMANDS[command]
    before = sorted(folder.rglob("*"))
    code, said, err = fec(capfd, *args, "--out", link if out == "link" else out)
    assert (code, said) == (2, ""), err
    assert err.startswith("fec: cannot write") or (out == "link" and "a link that leads nowhere" in err)
    assert err.count("\n") == 1
    assert sorted(folder.rglob("*")) == before


@pytest.mark.parametrize("command", COMMANDS)
def test_folders_one_may_not_enter(folder, capfd, monkeypatch, command):
    """Broken: a folder without permissions is a traceback or a page of usage. (Simulated: to root all is allowed.)"""
    args, link = COMMANDS[command]
    (folder / "closed").mkdir()
    access = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: "closed" not in os.fspath(path) and access(path, mode))
    code, said, err = fec(capfd, *args, "--out", "closed" if link == "dangling" else f"closed/{link}")
    assert (code, said) == (2, "")
    assert "no permission to write in closed; choose another --out" in err
    assert err.count("\n") == 1


INPUTS = {
    "photo": ["complete", LONG, "--mask", "mask.png", "--out", "out.png"],
    "json": ["complete", "photo.png", "--mask", "mask.png", "--out", "out.png", "--json", "x" * 252 + ".json"],
    "show mask": ["complete", "photo.png", "--mask", "mask.png", "--out", "out.png", "--show-mask", LONG],
    "masks": ["complete", "photos", "--masks", LONG, "--out", "out"],
    "weights": ["complete", "photo.png", "--mask", "mask.png", "--out", "out.png", "--weights", LONG],
    "workdir": ["export", "weights", LONG, "--out", "out.safetensors"],
    "report": ["evaluate", "--compare", LONG, LONG],
    "attributes": ["doctor", "photos", "--attributes", LONG],
}


@pytest.mark.parametrize("name", INPUTS)
def test_names_that_the_system_does_not_take(folder, capfd, name):
    """Broken: a path that cannot even be looked at is a traceback."""
    before = sorted(folder.rglob("*"))
    code, said, err = fec(capfd, *INPUTS[name])
    assert (code, said) == (2, ""), err
    assert err.startswith("fec: ")
    assert err.count("\n") == 1
    assert sorted(folder.rglob("*")) == before


def test_errors_stay_on_one_line(tmp_path, capfd):
    """Broken: a file's name with a line break in it makes two lines of one error."""
    code, _, err = fec(capfd, "prepare", "folder", tmp_path / "a\nb", "--out", tmp_path / "o", "--resolution", 4)
    assert code == 2
    assert err.count("\n") == 1


@pytest.mark.parametrize("name", ["out.webp", "out.jpg"])
def test_a_format_that_cannot_hold_the_photo(folder, capfd, name):
    """Broken: before the one line that says why, there are others; or a file is left."""
    Image.fromarray(np.random.default_rng(0).integers(0, 65536, (16, 16), np.uint16)).save("deep.png")
    before = set(folder.iterdir())
    code, out, err = fec(capfd, "complete", "deep.png", "--mask", "mask.png", "--align", "off", "--out", name)
    assert (code, out) == (2, "")
    assert err.startswith(f"fec: cannot write {name}: ")
    assert err.count("\n") == 1
    assert set(folder.iterdir()) == before
