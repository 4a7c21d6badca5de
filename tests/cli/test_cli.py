"""`fec`: the commands end to end, and every error of the user's: one line, exit code 2, nothing written."""

import functools
import hashlib
import subprocess
import sys

import jax
import numpy as np
import pytest
from PIL import Image

import fec_jax
from fec_jax.cli import main
from fec_jax.weights import export, load
from fec_jax.weights.format import Meta, Weights, load_weights, save_weights

NAMES = ("Smiling", "Eyeglasses")
RNG = np.random.default_rng(0)
PIXELS = RNG.integers(0, 256, (40, 36, 3), np.uint8)
HOLE = np.zeros((40, 36), bool)
HOLE[12:25, 9:20] = True


def random_like(shapes):
    """Parameters of the given shapes (`init` would compile for many seconds)."""
    return jax.tree.map(lambda x: 0.3 * RNG.normal(size=x.shape).astype(np.float32), shapes)


@functools.cache
def tiny_weights():
    meta = Meta(NAMES, 16, {"base": 64, "cap": 8, "latent": 8, "skip": "residual"}, {"base": 64, "cap": 8})
    return Weights(random_like(meta.g_shapes()), random_like(meta.d_shapes()), meta)


@pytest.fixture(scope="module")
def weights_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    save_weights(path, tiny_weights())
    return path


@pytest.fixture
def files(tmp_path, weights_file):
    """A folder with a photo and a mask."""
    Image.fromarray(PIXELS).save(tmp_path / "photo.png")
    Image.fromarray(HOLE * np.uint8(255)).save(tmp_path / "mask.png")
    return tmp_path


def fec(capsys, *args):
    """Runs a command in this process: (exit code, stdout, stderr)."""
    with pytest.raises(SystemExit) as e:
        main.main([str(a) for a in args])
    return e.value.code, *capsys.readouterr()


def complete_args(folder, weights, /, **changes):
    """The arguments of a `fec complete` that works, with some options exchanged."""
    options = {"mask": folder / "mask.png", "weights": weights, "out": folder / "out.png", **changes}
    photo = options.pop("photo", folder / "photo.png")
    return ["complete", photo, "--align", "off", *(x for name, value in options.items() for x in (f"--{name}", value))]


def test_complete(files, weights_file, capsys):
    """Broken: the main command does not fill the hole, touches known pixels, or hides what it assumed."""
    args = complete_args(files, weights_file)
    code, _, err = fec(capsys, *args, "--set", "Smiling=1")
    assert code == 0, err
    assert "Eyeglasses=" in err
    assert "Smiling=" not in err
    with Image.open(files / "out.png") as image:
        out, text = np.asarray(image), image.info["Software"]
    np.testing.assert_array_equal(out[~HOLE], PIXELS[~HOLE])
    assert (out[HOLE] != PIXELS[HOLE]).any(axis=-1).mean() > 0.9
    assert fec_jax.__version__ in text
    assert "synthetic" in text
    assert "Smiling=1" in text
    assert sorted(p.name for p in files.iterdir()) == ["mask.png", "out.png", "photo.png"]


@pytest.mark.parametrize("mode", ["L", "LA", "RGBA", "I;16"])
def test_complete_keeps_mode_and_context(files, weights_file, capsys, mode):
    """Broken: grey, transparent or 16-bit photos come back changed outside the hole."""
    image = Image.fromarray(RNG.integers(0, 65536, (40, 36), np.uint16)) if mode == "I;16" else None
    image = image or Image.fromarray(RNG.integers(0, 256, (40, 36, 4), np.uint8)).convert(mode)
    image.save(files / "photo.png")
    code, _, err = fec(capsys, *complete_args(files, weights_file))
    assert code == 0, err
    with Image.open(files / "out.png") as out:
        assert out.mode == mode
        np.testing.assert_array_equal(np.asarray(out)[~HOLE], np.asarray(image)[~HOLE])
        assert (np.asarray(out)[HOLE] != np.asarray(image)[HOLE]).any()


def test_hole_comes_from_the_network(files, weights_file, capsys):
    """Broken: the hole is completed without the network: other weights or other attributes give the same pixels."""
    other = tiny_weights()
    g_params = jax.tree.map(lambda x: -x, other.g_params)
    save_weights(files / "other.safetensors", Weights(g_params, other.d_params, other.meta))
    pictures = []
    for i, (weights, smiling) in enumerate([(weights_file, 0), (weights_file, 1), (files / "other.safetensors", 0)]):
        args = complete_args(files, weights, out=files / f"{i}.png")
        assert fec(capsys, *args, "--set", f"Smiling={smiling}", "--set", "Eyeglasses=0")[0] == 0
        with Image.open(files / f"{i}.png") as image:
            pictures.append(np.asarray(image))
    assert (pictures[0][HOLE] != pictures[1][HOLE]).any()
    assert (pictures[0][HOLE] != pictures[2][HOLE]).any()


def test_raw_writes_the_whole_square(files, weights_file, capsys):
    """Broken: --raw does not show the network's context, or touches what the network never saw."""
    assert fec(capsys, *complete_args(files, weights_file), "--raw")[0] == 0
    with Image.open(files / "out.png") as image:
        out = np.asarray(image)
    assert (out[2:38] != PIXELS[2:38]).any(axis=-1).mean() > 0.9
    np.testing.assert_array_equal(out[:2], PIXELS[:2])
    np.testing.assert_array_equal(out[38:], PIXELS[38:])


def test_invert_mask_and_force(files, weights_file, capsys):
    """Broken: --invert-mask or --force does nothing."""
    Image.fromarray(~HOLE * np.uint8(255)).save(files / "mask.png")
    args = complete_args(files, weights_file)
    (files / "out.png").write_bytes(b"mine")
    assert fec(capsys, *args, "--invert-mask", "--force")[0] == 0
    with Image.open(files / "out.png") as image:
        np.testing.assert_array_equal(np.asarray(image)[~HOLE], PIXELS[~HOLE])


def test_erased_pixels_are_filled(files, weights_file, capsys):
    """Broken: a photo whose face has been erased needs a mask painted by hand, or its hole stays transparent."""
    Image.fromarray(np.dstack([PIXELS, ~HOLE * np.uint8(255)])).save(files / "photo.png")
    args = [x for x in complete_args(files, weights_file) if x not in ("--mask", files / "mask.png")]
    code, _, err = fec(capsys, *args, "--mask-from", "alpha")
    assert code == 0, err
    with Image.open(files / "out.png") as image:
        out = np.asarray(image)
    assert (out[..., 3] == 255).all()
    np.testing.assert_array_equal(out[~HOLE][:, :3], PIXELS[~HOLE])
    code, _, err = fec(capsys, *args, "--force")
    assert code == 2
    assert err.startswith("fec: no hole is given")
    assert err.endswith("--mask-from alpha for what is transparent\n")


def test_jpeg_output_says_what_it_costs(files, weights_file, capsys):
    """Broken: a JPEG is written as if known pixels stayed exact."""
    code, _, err = fec(capsys, *complete_args(files, weights_file, out=files / "out.jpg"))
    assert code == 0, err
    assert "as JPEG, pixels outside the hole are close, not exact" in err


ERRORS = {
    "missing photo": ({"photo": "none.png"}, [], "none.png does not exist"),
    "unreadable photo": ({"photo": "text.png"}, [], "not a PNG"),
    "truncated photo": ({"photo": "half.png"}, [], "damaged"),
    "missing mask": ({"mask": "none.png"}, [], "mask none.png does not exist"),
    "wrong mask size": ({"mask": "small.png"}, [], "9 x 7 px but the photo is 36 x 40"),
    "empty mask": ({"mask": "black.png"}, [], "nothing to complete"),
    "full mask": ({"mask": "white.png"}, [], "no context"),
    "hole outside the square": ({"mask": "corner.png"}, [], "centred 36 x 36 square"),
    "missing weights": ({"weights": "none.safetensors"}, [], "weights none.safetensors do not exist"),
    "foreign weights": ({"weights": "text.png"}, [], "text.png cannot be read"),
    "unknown attribute": ({}, ["--set", "Eyeglases=1"], "did you mean Eyeglasses?"),
    "bad value": ({}, ["--set", "Smiling=2"], "Smiling=2.0: an attribute's value is 0"),
    "not a number": ({}, ["--set", "Smiling=yes"], "NAME=0"),
    "no value": ({}, ["--set", "Smiling"], "NAME=0"),
    "set twice": ({}, ["--set", "Smiling=1", "--set", "Smiling=0"], "twice"),
    "not set": ({}, ["--set", "Smiling=1", "--unset", "ask"], "attributes not set: Eyeglasses"),
    "no discriminator": ({"weights": "blind.safetensors"}, [], "no discriminator"),
    "lossy output": ({"out": "out.bmp"}, [], "known pixels exactly"),
    "no such folder": ({"out": "nowhere/out.png"}, [], "does not exist"),
    "output exists": ({"out": "half.png"}, [], "--force"),
    "output is an input": ({"out": "photo.png"}, ["--force"], "it is an input"),
}


@pytest.mark.parametrize("name", ERRORS)
def test_errors_of_complete(files, weights_file, capsys, monkeypatch, name):
    """Broken: a traceback, another exit code, an error that does not say what was wrong, or a file left behind."""
    monkeypatch.chdir(files)
    (files / "text.png").write_text("not a picture, not weights")
    (files / "half.png").write_bytes((files / "photo.png").read_bytes()[:1000])
    Image.new("L", (9, 7), 255).save("small.png")
    Image.new("L", (36, 40), 0).save("black.png")
    Image.new("L", (36, 40), 255).save("white.png")
    corner = Image.new("L", (36, 40), 0)
    corner.putpixel((0, 0), 255)
    corner.save("corner.png")
    tiny = tiny_weights()
    save_weights(files / "blind.safetensors", Weights(tiny.g_params, None, tiny.meta))
    before = {p: p.read_bytes() for p in files.iterdir()}
    changes, extra, text = ERRORS[name]
    code, out, err = fec(capsys, *complete_args(files, weights_file, **changes), *extra)
    assert (code, out) == (2, "")
    assert err.startswith("fec: ")
    assert err.count("\n") == 1
    assert text in err
    assert {p: p.read_bytes() for p in files.iterdir()} == before


def test_full_disk_leaves_nothing(files, weights_file, capsys, monkeypatch):
    """Broken: a failed write leaves half a picture, or the old picture is lost."""

    def full(fd):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    (files / "out.png").write_bytes(b"old")
    code, _, err = fec(capsys, *complete_args(files, weights_file), "--force")
    assert code == 2
    assert "No space left" in err
    assert (files / "out.png").read_bytes() == b"old"
    assert sorted(p.name for p in files.iterdir()) == ["mask.png", "out.png", "photo.png"]


@pytest.fixture
def workdir(files, monkeypatch):
    """A folder that `export.from_workdir` takes for a workdir."""
    (files / "run").mkdir()
    monkeypatch.setattr(export, "from_workdir", {files / "run": tiny_weights()}.__getitem__)
    return files / "run"


def test_export_weights(files, workdir, capsys):
    """Broken: a run's weights cannot be handed out, or the printed checksum is not the file's."""
    path = files / "w.safetensors"
    code, out, err = fec(capsys, "export", "weights", workdir, "--out", path)
    assert code == 0, err
    assert out.split() == [hashlib.sha256(path.read_bytes()).hexdigest(), str(path)]
    assert load_weights(path).meta == tiny_weights().meta
    size = path.stat().st_size
    args = ["export", "weights", workdir, "--out", path, "--no-discriminator", "--half", "--force"]
    assert fec(capsys, *args)[0] == 0
    assert load_weights(path).d_params is None
    assert path.stat().st_size < size / 2


def test_complete_from_a_workdir(files, workdir, weights_file, capsys):
    """Broken: a run must be exported before it can be tried, or gives another picture than its export."""
    for name, weights in (("a.png", workdir), ("b.png", weights_file)):
        assert fec(capsys, *complete_args(files, weights, out=files / name))[0] == 0
    assert (files / "a.png").read_bytes() == (files / "b.png").read_bytes()


@pytest.mark.parametrize(
    ("source", "out", "text"),
    [
        ("run", "w.pt", ".safetensors"),
        ("run", "taken.safetensors", "--force"),
        ("none", "w.safetensors", "not a folder"),
    ],
)
def test_errors_of_export(files, workdir, capsys, source, out, text):
    """Broken: an export overwrites a file of the user's, or fails with a traceback."""
    (files / "taken.safetensors").write_bytes(b"mine")
    code, _, err = fec(capsys, "export", "weights", files / source, "--out", files / out)
    assert code == 2
    assert text in err
    assert err.count("\n") == 1
    assert (files / "taken.safetensors").read_bytes() == b"mine"
    assert not (files / "w.pt").exists()


def test_a_mistake_of_ours_keeps_its_traceback(files, weights_file, monkeypatch):
    """Broken: bugs are reported as if the user had caused them."""
    monkeypatch.setattr(load, "weights_from", lambda path: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        main.main([str(a) for a in complete_args(files, weights_file)])


def test_installed_command(files):
    """Broken: the entry point is missing, exits with another code, or prints a traceback."""
    run = [sys.executable, "-c", "from fec_jax.cli.main import main; main()"]
    version = subprocess.run([*run, "--version"], capture_output=True, text=True, check=True)
    assert version.stdout.strip() == f"fec_jax {fec_jax.__version__}"
    bad = subprocess.run(
        [*run, *map(str, complete_args(files, "none", photo="none.png"))], capture_output=True, text=True, check=False
    )
    assert bad.returncode == 2
    assert bad.stderr == "fec: photo none.png does not exist: check the path\n"


def test_help_does_not_wait_for_jax():
    """Broken: `fec --help` takes seconds because it imports what only the commands need."""
    heavy = "{'jax', 'numpy', 'PIL'} & set(sys.modules)"
    code = f"import sys; from fec_jax.cli import main; assert not {heavy}, {heavy}"
    subprocess.run([sys.executable, "-c", code], check=True)
