"""`fec prepare` on folders as people have them: links, names in other encodings, other files, two runs at once."""

import json
import os
import subprocess
import sys
import unicodedata
from pathlib import Path

import pytest
from photo_folders import photo_folder, picture, write_photos

from fec_jax.cli import main
from fec_jax.data.builders.folder import list_folder
from fec_jax.data.prepare import prepare_folder
from fec_jax.data.source import open_source
from fec_jax.io.lock import locked
from fec_jax.types import UserError

COMPOSED, DECOMPOSED = (unicodedata.normalize(form, "José") for form in ("NFC", "NFD"))


def test_whatever_is_no_photo_is_listed_with_its_reason(tmp_path):
    """Broken: a file is left out in silence, or stops the preparation of all others."""
    src = photo_folder(tmp_path / "src", count=40)
    images = src / "images"
    (images / "more").mkdir()
    (images / "more.png").mkdir()
    (images / ".DS_Store").write_bytes(b"x")
    (images / "notes.txt").write_text("x")
    (images / "raw.cr2").write_text("x")
    (images / "line\nbreak.md").write_text("x")
    picture(1).save(src / "stray.png")
    Path(os.fsdecode(os.fsencode(images) + b"/caf\xe9.png")).write_bytes((images / "p00.png").read_bytes())
    report = prepare_folder(src, tmp_path / "out", 4, progress=False)
    assert sum(report.counts.values()) == 40
    skipped = dict(report.skipped)
    assert len(skipped) == len(report.skipped) == 8
    assert "folder" in skipped["more"]
    assert "folder" in skipped["more.png"]
    assert "dot" in skipped[".DS_Store"]
    assert "not a photo by its name" in skipped["notes.txt"]
    assert skipped["raw.cr2"] == skipped["line\\nbreak.md"] == skipped["notes.txt"]
    assert "UTF-8" in skipped["caf\\xe9.png"]
    assert "beside images/" in skipped["stray.png"]
    lines = report.lines()
    assert any(line.startswith("3 skipped, not a photo by its name") and "raw.cr2" in line for line in lines)
    assert all(line.isprintable() for line in lines)
    assert json.loads((tmp_path / "out" / "report.json").read_text())["skipped"] == [list(x) for x in report.skipped]


def test_the_table_itself_is_not_listed(tmp_path):
    """Broken: every report of a folder with its table beside the photos speaks of a file that was read."""
    write_photos(tmp_path, ["a.png"], 8)
    (tmp_path / "attributes.csv").write_text("image_id,split\na,train\n")
    assert list_folder(tmp_path).skipped == ()


def test_links_that_lead_nowhere_or_in_a_circle(tmp_path):
    """Broken: one dangling or looping link ends the preparation in a traceback, or is dropped without a word."""
    src = photo_folder(tmp_path / "src", count=40)
    images = src / "images"
    for name, target in (("p01.png", "gone.png"), ("p02.png", "p02.png")):
        (images / name).unlink()
        (images / name).symlink_to(images / target)
    (images / "circle").symlink_to(images / "circle")
    os.mkfifo(images / "pipe.png")
    report = prepare_folder(src, tmp_path / "out", 4, progress=False)
    found = dict(report.unreadable)
    assert found["p01.png"] == "a link that leads nowhere"
    assert "symbolic links" in found["p02.png"]
    assert "pipe.png" in report.unlabelled
    assert "circle" in dict(report.skipped)
    assert sum(report.counts.values()) == 38
    again = prepare_folder(src, tmp_path / "out", 4, progress=False)
    assert again.already_done == (4,)


def test_a_pipe_among_the_photos_does_not_block(tmp_path):
    """Broken: opening a named pipe waits for ever."""
    write_photos(tmp_path / "src", [f"{i}.png" for i in range(60)], 8)
    os.mkfifo(tmp_path / "src" / "pipe.png")
    report = prepare_folder(tmp_path / "src", tmp_path / "out", 4, progress=False)
    assert report.unreadable == (("pipe.png", "not a file"),)


@pytest.mark.parametrize(("in_table", "on_disk"), [(COMPOSED, DECOMPOSED), (DECOMPOSED, COMPOSED)])
def test_accents_written_in_two_ways_match(tmp_path, in_table, on_disk):
    """Broken: a folder copied from a Mac loses all photos whose names have accents."""
    write_photos(tmp_path / "src", [f"{on_disk}.png", "b.png"], 8)
    (tmp_path / "src" / "attributes.csv").write_text(f"image_id,split\n{in_table}.png,train\nb,test\n", "utf-8")
    report = prepare_folder(tmp_path / "src", tmp_path / "out", 4, progress=False)
    assert report.unlabelled == report.absent_photos == ()
    assert open_source(tmp_path / "out", 4, "train").ids([0]) == [COMPOSED]


def test_one_name_in_two_encodings_is_refused(tmp_path):
    """Broken: of two photos with one name in Unicode, one is dropped without a word."""
    write_photos(tmp_path, [f"{COMPOSED}.png", f"{DECOMPOSED}.png"], 8)
    with pytest.raises(UserError, match="have the same id"):
        list_folder(tmp_path)


def test_two_runs_in_one_folder(tmp_path, capsys):
    """Broken: two preparations write into each other's files."""
    src = photo_folder(tmp_path / "src")
    (tmp_path / "out").mkdir()
    code = (
        "import sys, time\nfrom pathlib import Path\nfrom fec_jax.io.lock import locked\n"
        "with locked(Path(sys.argv[1]), 'x', 'y'):\n    print('in', flush=True)\n    time.sleep(60)\n"
    )
    first = subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "out")], stdout=subprocess.PIPE, text=True)
    try:
        assert first.stdout is not None
        assert first.stdout.readline() == "in\n"
        with pytest.raises(SystemExit) as e:
            main.main(["prepare", "folder", str(src), "--out", str(tmp_path / "out"), "--resolution", "4"])
        assert e.value.code == 2
        error = capsys.readouterr().err
        assert "another fec prepare is running in" in error
        assert "use another --out" in error
        assert error.count("\n") == 1
    finally:
        first.kill()
        first.wait()
    assert sum(prepare_folder(src, tmp_path / "out", 4, progress=False).counts.values()) == 20
    with locked(tmp_path / "out", "x", "y"):
        pass


def test_a_folder_whose_own_name_is_odd(tmp_path, capfd):
    """Broken: a folder's name that is not UTF-8, or is as long as a name can be, ends in a traceback."""
    odd = os.fsdecode(os.fsencode(tmp_path) + b"/f\xe9tes\nde")
    write_photos(Path(odd), [f"{i}.png" for i in range(60)], 8)
    ends = {}
    for out in (odd + "_out", str(tmp_path / "line\nbreak"), str(tmp_path / ("n" * 250))):
        with pytest.raises(SystemExit) as e:
            main.main(["prepare", "folder", odd, "--out", out, "--resolution", "4"])
        said = capfd.readouterr()
        ends[e.value.code] = ends.get(e.value.code, 0) + 1
        if e.value.code == 0:
            assert "50 train, 2 validation, 8 test" in said.out
            assert said.out.count("\n") == 2
        else:
            assert said.err.endswith("not text in UTF-8; choose another --out\n")
            assert said.err.count("\n") == 1
    assert ends == {2: 1, 0: 2}


def test_subfolders_only(tmp_path):
    """Broken: a folder of folders is said to hold nothing, and why is left to the user."""
    (tmp_path / "person1").mkdir()
    with pytest.raises(UserError, match=r"no photos .*1 other entries, such as person1: give the folder they lie in"):
        list_folder(tmp_path)
