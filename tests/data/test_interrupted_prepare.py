"""`fec prepare` cut off at any moment: what is kept, what is made again, and what is said about it."""

import errno
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from photo_folders import photo_folder, picture

from fec_jax.data.builders import convert, records
from fec_jax.data.prepare import prepare_folder
from fec_jax.data.source import open_source
from fec_jax.types import UserError


def cut_off(src, out, monkeypatch, after=9):
    """Interrupts a preparation at 8 px when `after` photos have been opened; shards have 4."""
    monkeypatch.setattr(records, "_SHARD_PHOTOS", 4)
    opened, real_open = [], convert.open_photo

    def stop(content):
        opened.append(content.name)
        if len(opened) == after:
            raise KeyboardInterrupt
        return real_open(content)

    with monkeypatch.context() as patch:
        patch.setattr(convert, "open_photo", stop)
        with pytest.raises(KeyboardInterrupt):
            prepare_folder(src, out, 8, workers=1, progress=False)


def test_interrupted_run_goes_on(tmp_path, monkeypatch):
    """Breaks if an interrupted run starts again, repeats or loses photos, or leaves something that looks finished."""
    monkeypatch.setattr(records, "_SHARD_PHOTOS", 4)
    src = photo_folder(tmp_path / "src")
    whole = prepare_folder(src, tmp_path / "whole", 8, progress=False)
    opened = []
    real_open = convert.open_photo

    def stop_at_ninth(content):
        opened.append(content.name)
        if len(opened) == 9:
            raise KeyboardInterrupt
        return real_open(content)

    monkeypatch.setattr(convert, "open_photo", stop_at_ninth)
    with pytest.raises(KeyboardInterrupt):
        prepare_folder(src, tmp_path / "out", 8, workers=1, progress=False)
    assert records.resolutions_in(tmp_path / "out") == []
    with pytest.raises(UserError, match="interrupted: run the same"):
        open_source(tmp_path / "out", 8)
    # What a killed process leaves behind: a file that nobody closed.
    (records.config_dir(tmp_path / "out" / ".partial", 8) / "out-train.array_record-00002-of-00004.writing-1").touch()
    opened.clear()
    monkeypatch.setattr(convert, "open_photo", lambda content: opened.append(content.name) or real_open(content))
    report = prepare_folder(src, tmp_path / "out", 8, workers=1, progress=False)
    assert report.resumed_photos == 8
    assert len(opened) == 12
    assert report.counts == whole.counts
    for px in (4, 8):
        a, b = open_source(tmp_path / "out", px), open_source(tmp_path / "whole", px)
        assert a.ids(range(15)) == b.ids(range(15))
        np.testing.assert_array_equal(a.load(range(15))[0], b.load(range(15))[0])
    assert not list((tmp_path / "out").rglob("*.writing*"))


def test_kill_while_publishing(tmp_path, monkeypatch):
    """Breaks if a crash between two resolutions loses the second, or makes it of other photos."""
    src, replace = photo_folder(tmp_path / "src"), os.replace

    def crash(source, target):
        if Path(target).name == "8px":
            raise KeyboardInterrupt
        replace(source, target)

    monkeypatch.setattr(os, "replace", crash)
    with pytest.raises(KeyboardInterrupt):
        prepare_folder(src, tmp_path / "out", 8, progress=False)
    assert records.resolutions_in(tmp_path / "out") == [4]
    monkeypatch.setattr(os, "replace", replace)
    report = prepare_folder(src, tmp_path / "out", 8, progress=False)
    assert report.already_done == (4,)
    assert report.resumed_photos == 20
    assert open_source(tmp_path / "out", 4).ids(range(15)) == open_source(tmp_path / "out", 8).ids(range(15))


@pytest.mark.parametrize("damage", ["empty", "cut", "binary", "list", "no bytes", "shard gone"])
def test_a_damaged_note_means_not_done(tmp_path, monkeypatch, damage):
    """Breaks if a power cut leaves an empty note, and then every later run ends in a traceback."""
    src, out = photo_folder(tmp_path / "src"), tmp_path / "out"
    cut_off(src, out, monkeypatch)
    notes = sorted((out / ".partial" / "done").glob("*.json"))
    assert len(notes) == 2
    text = notes[0].read_text()
    if damage == "shard gone":
        shards = sorted(records.config_dir(out / ".partial", 8).glob("*.array_record-*"))
        shards[0].unlink()
    else:
        contents = {"empty": b"", "cut": text[:20].encode(), "binary": b"\xff\x00", "list": b"[]"}
        notes[0].write_bytes(contents.get(damage, b'{"bad": [], "num_bytes": {}}'))
    report = prepare_folder(src, out, 8, progress=False)
    assert report.resumed_photos == 4
    assert report.counts == {"train": 15, "test": 5}
    assert len(open_source(out, 8).load(range(15))[0]) == 15


def test_killed_between_the_last_move_and_the_sweep(tmp_path, monkeypatch):
    """Breaks if the work folder of a finished data set stays for ever, or one that is still needed is removed."""
    src, out = photo_folder(tmp_path / "src"), tmp_path / "out"

    def killed(path, **_):
        if Path(path).joinpath("plan.json").exists():
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", killed)
        with pytest.raises(KeyboardInterrupt):
            prepare_folder(src, out, 8, progress=False)
    assert records.resolutions_in(out) == [4, 8]
    assert (out / ".partial").is_dir()
    prepare_folder(src, out, 8, progress=False)
    assert not (out / ".partial").exists()

    def stop(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(convert, "publish", stop)
        with pytest.raises(KeyboardInterrupt):
            prepare_folder(src, out, 16, progress=False)
    prepare_folder(src, out, 8, progress=False)
    assert (out / ".partial").is_dir()
    assert prepare_folder(src, out, 16, progress=False).resumed_photos == 20


def test_work_on_other_photos_is_dropped_with_a_word(tmp_path, monkeypatch):
    """Breaks if shards of photos that have changed since are kept, or hours of work vanish without a word."""
    src, out = photo_folder(tmp_path / "src"), tmp_path / "out"
    cut_off(src, out, monkeypatch)
    picture(99, 40).save(src / "images" / "p00.png")
    report = prepare_folder(src, out, 8, progress=False)
    assert (report.dropped_shards, report.resumed_photos) == (2, 0)
    said = [line for line in report.lines() if "dropped 2 finished parts of an interrupted run" in line]
    assert len(said) == 1
    assert json.loads((out / "report.json").read_text())["dropped_shards"] == 2
    assert not any("dropped" in line for line in prepare_folder(src, out, 8, progress=False).lines())


def test_a_report_that_cannot_be_written(tmp_path, monkeypatch):
    """Breaks if a disk that fills up at the very end gives a traceback."""
    real = convert.write_json

    def full(path, content):
        if path.name == "report.json":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(path, content)

    monkeypatch.setattr(convert, "write_json", full)
    with pytest.raises(UserError, match=r"cannot write to .*No space left on device; run the same command again"):
        prepare_folder(photo_folder(tmp_path / "src"), tmp_path / "out", 4, progress=False)


def test_notes_are_on_the_disk_before_they_have_their_name(tmp_path, monkeypatch):
    """Breaks if a power cut can leave a note with its final name and nothing in it."""
    events, fsync, replace = [], os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda fd: (events.append("synced"), fsync(fd)))
    monkeypatch.setattr(os, "replace", lambda a, b: (events.append("named"), replace(a, b)))
    convert.write_json(tmp_path / "note.json", {"a": 1})
    assert events == ["synced", "named"]
    assert json.loads((tmp_path / "note.json").read_text()) == {"a": 1}
