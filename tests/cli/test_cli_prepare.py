"""`fec prepare`: the command line of `data/prepare.py`."""

import warnings

import numpy as np
import pytest
from PIL import Image

from fec_jax.cli import main

RNG = np.random.default_rng(0)
PIXELS = RNG.integers(0, 256, (40, 36, 3), np.uint8)


def fec(capsys, *args):
    """Runs a command in this process: (exit code, stdout, stderr)."""
    with pytest.raises(SystemExit) as e:
        main.main([str(a) for a in args])
    return e.value.code, *capsys.readouterr()


def test_prepare_folder(tmp_path, capsys):
    """Broken: photos cannot be made into a data set from the command line, or bad files are not reported."""
    src = tmp_path / "src"
    src.mkdir()
    names = [f"{i}.png" for i in range(40)]
    for name in names:
        Image.fromarray(RNG.integers(0, 256, (16, 16, 3), np.uint8)).save(src / name)
    (src / names[-1]).write_text("broken")
    rows = [f"{name},{i % 2},{i // 2 % 2}" for i, name in enumerate(names)]
    (src / "attributes.csv").write_text("\n".join(["image,Smiling,Male", *rows]) + "\n")
    args = [
        "prepare",
        "folder",
        src,
        "--out",
        tmp_path / "out",
        "--resolution",
        8,
        "--keep",
        "Male",
        "--license",
        "CC0-1.0",
    ]
    code, out, err = fec(capsys, *args)
    assert code == 0, err
    assert "attributes: Male" in out
    assert names[-1] in out
    assert (tmp_path / "out" / "8px").is_dir()


def test_damaged_exif_is_not_shown(tmp_path, capsys):
    """Broken: for a photo with damaged EXIF the command prints a library's warning, with paths of its source."""
    src = tmp_path / "src"
    src.mkdir()
    for i in range(40):
        Image.fromarray(PIXELS).save(src / f"{i}.png", exif=b"Exif\0\0II*\0\x08\0\0\0\x05\0")
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        code, _, err = fec(capsys, "prepare", "folder", src, "--out", tmp_path / "out", "--resolution", 8)
        assert code == 0, err
    assert not [str(warning.message) for warning in seen]


@pytest.mark.parametrize(
    ("kind", "resolution", "text"),
    [("folder", 8, "none"), ("celebamask-hq", 8, "none"), ("celeb_a", 8, "none"), ("folder", 12, "power of two")],
)
def test_errors_of_prepare(tmp_path, capsys, kind, resolution, text):
    """Broken: a wrong folder or resolution is a traceback, or leaves a half-made data set."""
    src = tmp_path / ("none" if text == "none" else "src")
    (tmp_path / "src").mkdir()
    Image.fromarray(PIXELS).save(tmp_path / "src" / "a.png")
    code, _, err = fec(capsys, "prepare", kind, src, "--out", tmp_path / "out", "--resolution", resolution)
    assert code == 2
    assert text in err
    assert err.count("\n") == 1
    assert not (tmp_path / "out").exists()
