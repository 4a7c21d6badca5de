"""`fec complete` of a folder: every photo by its mask, a bad file costs only itself, it goes on where it stopped."""

import csv
import warnings

import jax
import numpy as np
import pytest
from PIL import Image

from fec_jax.cli import main
from fec_jax.complete import batch, photos
from fec_jax.complete.completer import BATCH, Completer
from fec_jax.complete.folder_report import HEADER
from fec_jax.io.lock import locked
from fec_jax.weights.format import Meta, Weights, save_weights

RNG = np.random.default_rng(0)
HOLE = np.zeros((24, 20), bool)
HOLE[8:15, 5:12] = True
N = BATCH + 2


@pytest.fixture(scope="module")
def weights_file(tmp_path_factory):
    meta = Meta(("Smiling",), 16, {"base": 64, "cap": 8, "latent": 8, "skip": "residual"}, {"base": 64, "cap": 8})
    g, d = jax.tree.map(lambda x: 0.3 * RNG.normal(size=x.shape).astype(np.float32), (meta.g_shapes(), meta.d_shapes()))
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    save_weights(path, Weights(g, d, meta))
    return path


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """`photos`, one more than fits a batch and then one; `masks`, each with its hole at its own place."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    (tmp_path / "masks").mkdir()
    for i in range(N):
        Image.fromarray(RNG.integers(0, 256, (24, 20, 3), np.uint8)).save(f"photos/{i:02}.png")
        Image.fromarray(hole(i) * np.uint8(255)).save(f"masks/{i:02}.png")
    Image.fromarray(HOLE * np.uint8(255)).save("mask.png")
    return tmp_path


def hole(i):
    return np.roll(HOLE, i % 5, axis=1)


@pytest.fixture
def run(folder, weights_file, capsys):
    """Runs `fec complete photos --out out` with more options: (exit code, stderr)."""

    def fec(*args, photos="photos", out="out"):
        with pytest.raises(SystemExit) as e:
            main.main(["complete", photos, "--out", out, "--weights", str(weights_file), "--align", "off", *args])
        return e.value.code, capsys.readouterr().err

    return fec


def pixels(path):
    with Image.open(path) as image:
        return np.asarray(image)


def report():
    with open("out/report.csv", newline="") as file:
        lines = list(csv.reader(file))
    assert tuple(lines[0]) == HEADER
    return {line[0]: dict(zip(HEADER, line, strict=True)) for line in lines[1:]}


def changed(name):
    return (pixels(f"out/{name}.png") != pixels(f"photos/{name}.png")).any(axis=-1)


def test_damaged_exif_is_not_shown(run, monkeypatch):
    """Broken: a photo's damaged EXIF puts a library's warning between the command's lines, when threads meet."""
    read = photos.read_photo

    def warns(path):
        warnings.warn_explicit("Corrupt EXIF data", UserWarning, "TiffImagePlugin.py", 1, "PIL.TiffImagePlugin")
        return read(path)

    monkeypatch.setattr(photos, "read_photo", warns)
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        code, err = run("--mask", "mask.png")
    assert code == 0, err
    assert not [str(warning.message) for warning in seen]


def test_every_photo_by_the_mask_of_its_name(folder, run, capsys):
    """Broken: photos get each other's masks or pixels, or other pixels than a call for one photo gives."""
    code, err = run("--masks", "masks", "--set", "Smiling=1")
    assert code == 0, err
    assert f"completing: {N} of {N} photos" in err
    assert f"wrote {N} photos to out" in err
    for i in range(N):
        assert not changed(f"{i:02}")[~hole(i)].any()
        assert changed(f"{i:02}")[hole(i)].mean() > 0.9
    assert sorted(x.name for x in (folder / "out").iterdir()) == [
        ".lock",
        *(f"{i:02}.png" for i in range(N)),
        "report.csv",
    ]
    rows = report()
    assert list(rows) == [f"{i:02}.png" for i in range(N)]
    assert all(
        row["status"] == "done" and float(row["score"]) <= 1 and float(row["seconds"]) > 0 for row in rows.values()
    )
    assert run("--mask", "masks/03.png", "--set", "Smiling=1", photos="photos/03.png", out="one.png")[0] == 0
    assert np.abs(pixels("one.png").astype(int) - pixels("out/03.png")).max() <= 1
    with Image.open("out/03.png") as image:
        assert "part of this picture is synthetic; score" in image.info["Software"]


def test_bad_files_cost_only_themselves(folder, run):
    """Broken: one damaged photo ends the run, leaves an output, is passed over in silence, or spoils its batch."""
    (folder / "photos/01.png").write_bytes((folder / "photos/01.png").read_bytes()[:300])
    (folder / "photos/10.jpg").write_text("no picture")
    Image.fromarray(HOLE * np.uint8(255)).save("masks/10.png")
    Image.fromarray(pixels("photos/09.png")).save("photos/09.webp")
    (folder / "photos/notes.txt").write_text("not listed")
    (folder / "photos/.hidden.png").write_text("not listed")
    (folder / "photos/sub.png").mkdir()
    (folder / "masks/04.png").unlink()
    Image.new("L", (9, 7), 255).save("masks/05.png")
    Image.new("L", (20, 24), 255).save("masks/06.jpg")
    code, err = run("--masks", "masks")
    assert code == 1
    assert err.endswith(f"6 of {N + 2} photos failed: the reasons are in out/report.csv\n")
    assert "Traceback" not in err
    rows = report()
    reasons = {
        "01.png": "damaged or incomplete",
        "04.png": "there is no mask of this name in masks: give one, 04.png",
        "05.png": "is 9 x 7 px but the photo is 20 x 24 px",
        "06.png": "06.jpg, 06.png are all masks of this name",
        "09.webp": "09.png is written under the same name: rename one",
        "10.jpg": "not a PNG, JPEG",
    }
    for name, reason in reasons.items():
        assert rows[name]["status"] == "failed"
        assert "\n" not in rows[name]["message"]
        assert reason in rows[name]["message"]
    assert sorted(x.name for x in (folder / "out").glob("*.png")) == [
        "00.png",
        "02.png",
        "03.png",
        *(f"{i:02}.png" for i in range(7, N)),
    ]
    assert len(rows) == N + 2


def test_a_mistake_of_ours_in_one_photo(folder, run, monkeypatch):
    """Broken: an unforeseen error in one photo loses the whole night's work."""
    pixels_of = Completer.prepare

    def prepare(self, photo, *args, **options):
        if (photo == pixels("photos/02.png")).all():
            raise ZeroDivisionError("division\nby zero")
        return pixels_of(self, photo, *args, **options)

    monkeypatch.setattr(Completer, "prepare", prepare)
    code, _ = run("--mask", "mask.png")
    assert code == 1
    assert report()["02.png"]["message"] == "ZeroDivisionError: division by zero"
    assert [row["status"] for row in report().values()].count("done") == N - 1


def test_goes_on_where_it_stopped(folder, run, monkeypatch):
    """Broken: a stopped run begins again, leaves out what was half done, or overwrites a file of the user's."""
    good = (folder / "photos/02.png").read_bytes()
    (folder / "photos/02.png").write_text("no picture")
    assert run("--mask", "mask.png")[0] == 1
    with open("out/report.csv", "a") as file:  # killed while it wrote 05, and while it wrote this row
        file.write("05.png,started,,,\r\n06.p")
    (folder / "out/03.png").unlink()
    (folder / "photos/new.png").write_bytes(good)
    (folder / "out/new.png").write_text("mine")
    (folder / "photos/02.png").write_bytes(good)
    read = []
    listed = batch.photos.read_photo
    monkeypatch.setattr(batch.photos, "read_photo", lambda path: read.append(path.name) or listed(path))
    code, err = run("--mask", "mask.png")
    assert code == 1
    assert sorted(read) == ["02.png", "03.png", "05.png"]
    assert f"wrote 3 photos to out, {N - 3} were done before" in err
    rows = report()
    assert "exists" in rows.pop("new.png")["message"]
    assert (folder / "out/new.png").read_text() == "mine"
    assert {row["status"] for row in rows.values()} == {"done"}
    assert len((folder / "out/report.csv").read_text().splitlines()) == N + 2
    read.clear()
    assert run("--mask", "mask.png", "--force")[0] == 0
    assert len(read) == N + 1


def test_a_failure_leaves_no_output_of_an_earlier_run(folder, run):
    """Broken: a photo that is called failed has an old output, which is in the way of every later run."""
    assert run("--masks", "masks")[0] == 0
    mask = (folder / "masks/03.png").read_bytes()
    (folder / "masks/03.png").unlink()
    Image.fromarray(pixels("photos/04.png")).save("photos/new.png")
    (folder / "out/new.png").write_text("mine")
    assert run("--masks", "masks", "--force")[0] == 1
    assert report()["03.png"]["status"] == "failed"
    assert not (folder / "out/03.png").exists()
    assert (folder / "out/new.png").read_text() == "mine"
    (folder / "photos/new.png").unlink()
    (folder / "masks/03.png").write_bytes(mask)
    code, err = run("--masks", "masks")
    assert code == 0, err
    assert changed("03")[hole(3)].mean() > 0.9


def test_one_run_at_a_time(folder, run):
    """Broken: two runs into one folder do all work twice, and lose rows of each other's report."""
    (folder / "out").mkdir()
    with locked(folder / "out", "completion", "--out"):
        code, err = run("--mask", "mask.png")
    assert code == 2
    assert "another completion is running in out: stop it, or use another --out" in err
    assert [x.name for x in (folder / "out").iterdir()] == [".lock"]
    assert run("--mask", "mask.png")[0] == 0


def test_few_large_photos_at_a_time(folder, run, monkeypatch):
    """Broken: a folder of large photos is read into memory at once, or waits for a batch that never fills."""
    monkeypatch.setattr(batch, "IN_MEMORY_PX", 3 * batch.LEAST_PX)
    held = most = 0
    prepare, leave = Completer.prepare, batch._Line._leave

    def reading(self, *args, **options):
        nonlocal held, most
        held += 1
        most = max(most, held)
        return prepare(self, *args, **options)

    def leaving(self, *args):
        nonlocal held
        held -= 1
        leave(self, *args)

    monkeypatch.setattr(Completer, "prepare", reading)
    monkeypatch.setattr(batch._Line, "_leave", leaving)
    code, err = run("--mask", "mask.png")
    assert code == 0, err
    assert 2 <= most <= 3


def test_box_for_all(run):
    """Broken: a folder of crops needs a mask drawn for a plain box."""
    assert run("--box", "5,8,7,7")[0] == 0
    assert changed("04")[8:15, 5:12].mean() > 0.9
    assert not changed("04")[~HOLE].any()


ERRORS = {
    "no photos": (["--mask", "mask.png"], {"photos": "empty"}, "no photos in empty"),
    "out is a file": (["--mask", "mask.png"], {"out": "mask.png"}, "it is a file"),
    "out is the photos": (["--mask", "mask.png"], {"out": "photos"}, "is the folder of the photos or masks"),
    "out is the masks": (["--masks", "masks"], {"out": "masks"}, "is the folder of the photos or masks"),
    "masks are the photos": (["--masks", "photos"], {}, "put the masks into one of their own"),
    "no such masks": (["--masks", "nowhere"], {}, "cannot read the folder nowhere"),
    "nothing to complete": ([], {}, "no hole is given"),
    "two holes": (["--masks", "masks", "--mask", "mask.png"], {}, "more than one"),
    "eyes": (["--mask", "mask.png", "--eyes", "1,2,9,2"], {}, "--eyes with a folder of photos"),
    "masks for one photo": (
        ["--masks", "masks"],
        {"photos": "photos/00.png", "out": "o.png"},
        "--masks with photos/00",
    ),
    "wish": (["--mask", "mask.png", "--set", "Smile=1"], {}, "did you mean Smiling?"),
    "unset": (["--mask", "mask.png", "--unset", "ask"], {}, "attributes not set: Smiling"),
    "foreign report": (["--mask", "mask.png"], {"out": "taken"}, "is not a report of fec complete"),
}


@pytest.mark.parametrize("name", ERRORS)
def test_errors_of_folders(folder, run, name):
    """Broken: what is wrong with the whole command is found out photo by photo, or something is written."""
    (folder / "empty").mkdir()
    (folder / "taken").mkdir()
    (folder / "taken/report.csv").write_text("my,own,table\n1,2,3\n")
    before = {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    args, options, text = ERRORS[name]
    code, err = run(*args, **options)
    assert code == 2
    assert err.startswith("fec: ")
    assert err.count("\n") == 1
    assert text in err
    assert {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()} == before
    assert not (folder / "out").exists()
