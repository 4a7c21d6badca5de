"""`fec doctor`: what it takes its target for, and its exit codes."""

import json

import numpy as np
import pytest
from PIL import Image

from fec_jax.cli import main
from fec_jax.io.lock import locked
from fec_jax.weights import load
from fec_jax.weights.shipped import load_shipped


def doctor(capfd, *args):
    """(exit code, stdout, stderr)"""
    with pytest.raises(SystemExit) as e:
        main.main(["doctor", *(str(a) for a in args)])
    return e.value.code, *capfd.readouterr()


def photo(path, side=64):
    pixels = np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8)
    Image.fromarray(pixels).resize((side, side), Image.Resampling.BICUBIC).save(path)


def test_this_machine(capfd):
    """Broken: `fec doctor` alone ends in an error, or in exit code 1 where nothing is wrong."""
    code, out, err = doctor(capfd)
    assert code == (1 if "problem: " in out else 0), err
    assert out.startswith("fec_jax ")
    assert out.splitlines()[-1].startswith("this machine: ")


def test_photos(tmp_path, capfd):
    """Broken: a good photo is said to be bad, or a bad one gives another exit code than 1."""
    photo(tmp_path / "a.png")
    assert doctor(capfd, tmp_path / "a.png", "--no-faces")[:2] == (
        0,
        f"64 x 64 px, RGB, 8 bits, without a colour profile\n{tmp_path / 'a.png'}: nothing is wrong\n",
    )
    (tmp_path / "b.png").write_text("no picture")
    code, out, err = doctor(capfd, tmp_path / "b.png")
    assert (code, err) == (1, "")
    assert "problem: " in out
    assert "not a PNG" in out
    assert out.endswith("b.png: 1 problem\n")


def test_a_photo_without_a_face(tmp_path, capfd):
    """Broken: a photo in which `fec complete` will find no face is said to be good."""
    photo(tmp_path / "a.png")
    code, out, _ = doctor(capfd, tmp_path / "a.png")
    assert code == 1
    assert "no face is found in it: mark the eyes with --eyes" in out


def test_folders(tmp_path, capfd):
    """Broken: a folder of photos is taken for something else, or options do nothing."""
    (tmp_path / "photos").mkdir()
    photo(tmp_path / "photos" / "a.png")
    photo(tmp_path / "photos" / "b.png", 100)
    (tmp_path / "table.csv").write_text("image_id,split,Male\na,train,1\nb,test,0\n")
    args = [tmp_path / "photos", "--no-faces", "--attributes", tmp_path / "table.csv"]
    code, out, _ = doctor(capfd, *args, "--resolution", 80)
    assert code == 1
    assert "1 photos are smaller than 80 px: a.png" in out
    assert "Male is 1 in all photos of train" in out
    assert out.endswith("photos: 2 problems\n")


@pytest.mark.parametrize(
    ("args", "text"),
    [
        (["none"], "none does not exist"),
        ([".", "--attributes", "none.csv"], "--attributes none.csv is not a file"),
        ([".", "--resolution", "2"], "resolution"),
        (["--nonsense"], "nonsense"),
    ],
)
def test_wrong_commands(tmp_path, capfd, monkeypatch, args, text):
    """Broken: a mistake in the command looks like a problem of the data (1), or like success."""
    monkeypatch.chdir(tmp_path)
    code, out, err = doctor(capfd, *args)
    assert (code, out) == (2, "")
    assert text in err


def test_a_folder_one_may_not_enter(tmp_path, capfd, monkeypatch):
    """Broken: a traceback. (Simulated: to root everything is allowed.)"""
    monkeypatch.setattr("os.access", lambda path, mode: False)
    code, out, err = doctor(capfd, tmp_path)
    assert (code, out, err) == (2, "", f"fec: {tmp_path} cannot be read: change its permissions\n")


def test_weights(tmp_path, capfd, monkeypatch):
    """Broken: good weights are refused; damaged ones, or a Git LFS pointer, pass."""
    monkeypatch.setattr(load, "load_weights", lambda path: load_shipped())
    (tmp_path / "w.safetensors").write_bytes(b"x")
    code, out, _ = doctor(capfd, tmp_path / "w.safetensors")
    assert code == 0
    assert "weights of 128 px; attributes: Male, Smiling" in out
    assert "splits train" in out
    monkeypatch.undo()
    (tmp_path / "w.safetensors").write_text("version https://git-lfs.github.com/spec/v1\n")
    code, out, _ = doctor(capfd, tmp_path / "w.safetensors")
    assert code == 1
    assert "Git LFS pointer" in out


def test_workdirs(tmp_path, capfd, monkeypatch):
    """Broken: a workdir whose config, log, data or checkpoints are damaged is said to be good."""
    run = tmp_path / "run"
    (run / "checkpoints" / "2000").mkdir(parents=True)
    (run / "config.json").write_text(json.dumps({"resolution_px": 64, "data": {"path": str(tmp_path)}}))
    (run / "metrics.jsonl").write_text('{"nimg": 1, "loss": 1.5}\n{"nimg": 2, "lo')
    monkeypatch.setattr("fec_jax.doctor.runs.weights_from", lambda path: load_shipped())
    code, out, _ = doctor(capfd, run)
    assert (code, out.splitlines()[-1]) == (0, f"{run}: nothing is wrong")
    assert "1 checkpoints, the newest at 2 kimg" in out
    with locked(run, "x", "y"):
        assert "a training is running in it" in doctor(capfd, run)[1]
    (run / "config.json").write_text(json.dumps({"resolution_px": 64, "data": {"path": str(tmp_path / "gone")}}))
    (run / "metrics.jsonl").write_text('{"nimg": 1, "loss": NaN}\n{"nimg": 2}\n')
    monkeypatch.undo()
    code, out, _ = doctor(capfd, run)
    assert code == 1
    for text in ("gone, is not there", "1 of 2 lines of metrics.jsonl", "no weights can be read from it"):
        assert text in out
    (run / "metrics.jsonl").write_bytes(b'\xff\n{"nimg": 1, "bad_steps": 4, "rollbacks": 1}\n{"nimg": 2}\n')
    out = doctor(capfd, run)[1]
    assert "1 of 3 lines of metrics.jsonl are damaged" in out
    assert "4 steps were left out since they were not finite, and 1 rollbacks" in out
    (run / "config.json").write_text("{")
    (run / "checkpoints" / "2000").rmdir()
    code, out, _ = doctor(capfd, run)
    assert code == 1
    assert "config.json cannot be read" in out
    assert "it has no checkpoints" in out
