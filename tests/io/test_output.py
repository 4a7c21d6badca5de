"""Places where a result cannot be written: said in one line before any work is done."""

import os
import unicodedata

import pytest

from fec_jax.io import atomic, output
from fec_jax.types import UserError


def one_line(check, path, *more):
    """The message of a check that must refuse `path`."""
    with pytest.raises(UserError) as e:
        check(path, *more)
    assert "\n" not in str(e.value)
    return str(e.value)


@pytest.mark.parametrize("name", ["", ".", "/", "folder", "a/b/c.png", "x" * 256, "loop", "file/c.png", ".."])
def test_files_that_cannot_be(tmp_path, monkeypatch, name):
    """Broken: a traceback, or minutes of work before the path is found impossible."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    (tmp_path / "loop").symlink_to("loop")
    for force in (False, True):
        assert one_line(output.check_free, tmp_path.__class__(name), force)


@pytest.mark.parametrize(
    "name", ["", ".", "/", "file", "file/a", "x" * 256, "a/" + "x" * 256, "loop", "dangling", "..", "a/.."]
)
def test_folders_that_cannot_be(tmp_path, monkeypatch, name):
    """Broken: a traceback, or data sets spread over the folder that the user happens to stand in."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    (tmp_path / "a").mkdir()
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "dangling").symlink_to("gone")
    assert one_line(output.check_folder, tmp_path.__class__(name))


def test_folders_that_can_be(tmp_path):
    """Broken: a good folder is refused."""
    output.check_folder(tmp_path)
    output.check_folder(tmp_path / "new" / ("x" * 255))
    (tmp_path / "link").symlink_to(tmp_path)
    output.check_folder(tmp_path / "link")


def test_folders_one_may_not_enter(tmp_path, monkeypatch):
    """Broken: a folder without permission gives a traceback. (Simulated: to root everything is allowed.)"""
    real = os.stat

    def guarded(path, *args, **kwargs):
        if "secret" in os.fspath(path):
            raise PermissionError(13, "Permission denied")
        return real(path, *args, **kwargs)

    monkeypatch.setattr(os, "stat", guarded)
    for check in (lambda p: output.check_free(p, False), output.check_folder):
        assert "Permission denied" in one_line(check, tmp_path / "secret" / "a.png")
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    for check in (lambda p: output.check_free(p, False), output.check_folder):
        assert "no permission to write in" in one_line(check, tmp_path / "a.png")


def test_a_dangling_link_is_not_replaced_unasked(tmp_path):
    """Broken: a link of the user's, whose disk is not mounted at the moment, is lost."""
    link = tmp_path / "out.png"
    link.symlink_to(tmp_path / "not-mounted" / "out.png")
    assert "a link that leads nowhere" in one_line(output.check_free, link, False)
    output.check_free(link, True)


@pytest.mark.parametrize("name", ["n" * 255, unicodedata.normalize("NFC", "é") * 127])
def test_names_as_long_as_they_can_be(tmp_path, name):
    """Broken: a name that the system takes is refused because the unfinished file's is longer."""
    path = tmp_path / name
    output.check_free(path, False)
    atomic.write_whole(path, b"1")
    atomic.write_whole(path, b"2")
    assert path.read_bytes() == b"2"
    assert os.listdir(tmp_path) == [name]
