"""Photos of the page's visitors: kept apart, bounded, and gone after use."""

import os
import time

import pytest

from fec_jax.app import desk
from fec_jax.app.desk import Desk
from fec_jax.types import UserError


def test_every_page_has_its_own_visit(completer, tmp_path):
    """Broken: one person sees another's photo."""
    found = Desk(completer, tmp_path, 10**6)
    one, other = found.visit("one"), found.visit("other")
    assert one is not other
    assert one.folder != other.folder
    assert found.visit("one") is one
    with pytest.raises(UserError, match="open it again"):
        one.photo  # noqa: B018


def test_folders_of_visits_cannot_be_guessed(completer, tmp_path):
    """Broken: whoever opens the page gets the photos of others, by counting."""
    found = Desk(completer, tmp_path, 10**6)
    names = {found.visit(session).folder.name.removeprefix(desk.VISIT) for session in ("one", "other")}
    assert len(names) == 2
    assert min(map(len, names)) >= 20


def test_uploads_alone_can_be_opened(completer, tmp_path):
    """Broken: a request opens, and so deletes, a file of another page or of the computer."""
    found = Desk(completer, tmp_path, 10**6)
    upload = tmp_path / "5eed" / "me.png"
    assert found.upload(str(upload)) == upload
    inside = found.visit("other").folder
    for path in (
        inside / "photo.png",
        inside / "0" / "photo.png",
        tmp_path / "5eed" / ".." / inside.name / "photo.png",
        tmp_path / "me.png",
        tmp_path.parent / "a" / "b" / "me.png",
        "me.png",
    ):
        with pytest.raises(UserError, match="choose it again"):
            found.upload(str(path))


def test_files_go_when_the_page_closes(completer, tmp_path):
    """Broken: photos stay on the disk after use."""
    found = Desk(completer, tmp_path, 10**6)
    folder = found.visit("one").new_folder("editor")
    (folder / "photo.png").write_bytes(b"x")
    found.visit("other").new_folder("editor")
    found.end("one")
    found.end("one")
    assert not folder.exists()
    assert len(list(tmp_path.iterdir())) == 1


def test_memory_is_bounded(completer, tmp_path):
    """Broken: every page that is opened and forgotten costs memory until none is left."""
    found = Desk(completer, tmp_path, 10**6)
    first = found.visit("0")
    for i in range(1, desk.VISITS):
        found.visit(str(i))
    assert found.visit("0") is first  # used again: no longer the oldest
    found.visit("one more")
    assert len(list(tmp_path.iterdir())) == desk.VISITS
    assert found.visit("0") is first


def test_old_answers_are_deleted_and_new_ones_kept(completer, tmp_path):
    """Broken: an hour of trying fills the disk; or a picture is gone before the browser has it."""
    visit = Desk(completer, tmp_path, 10**6).visit("one")
    folders = [visit.new_folder("answer") for _ in range(12)]
    visit.forget(2)
    assert [f.exists() for f in folders] == [False] * 10 + [True] * 2
    visit.in_view.clear()
    visit.forget()
    assert not any(f.exists() for f in folders)


@pytest.mark.parametrize("number", [1, 2, 3])
def test_few_answers_are_all_kept(completer, tmp_path, number):
    """Broken: the picture under the brush is dead after the first completion."""
    visit = Desk(completer, tmp_path, 10**6).visit("one")
    folders = [visit.new_folder("answer") for _ in range(number)]
    visit.in_view.clear()
    visit.forget(3)
    assert all(f.exists() for f in folders)


def test_what_is_in_view_stays(completer, tmp_path):
    """Broken: the download of the answer in view, or the picture under the brush, is dead after some sheets."""
    visit = Desk(completer, tmp_path, 10**6).visit("one")
    old = visit.new_folder("editor")
    shown = [visit.new_folder(part) for part in ("editor", "answer")]
    later = [visit.new_folder("sheet") for _ in range(5)]
    visit.forget(2)
    assert all(f.exists() for f in shown)
    assert [f.exists() for f in (old, *later)] == [False] * 4 + [True] * 2


def aged(path, seconds):
    """A file at `path`; it and its folder were last changed that long ago."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x")
    for changed in (path, path.parent):
        os.utime(changed, (time.time() - seconds,) * 2)
    return path


def test_uploads_that_nobody_opened_go_and_files_in_view_stay(completer, tmp_path):
    """Broken: a photo stays when the tab is closed during its upload; or a page left open over lunch is dead."""
    found = Desk(completer, tmp_path, 10**6)
    old = aged(tmp_path / "5eed" / "me.png", desk.UNOPENED_S + 60), aged(tmp_path / "tmp1", desk.UNOPENED_S + 60)
    late = aged(tmp_path / f"{desk.VISIT}gone" / "photo.png", desk.UNOPENED_S + 60)  # written as its visit ended
    waiting = aged(tmp_path / "f00d" / "me.png", desk.UNOPENED_S - 60)
    shown = aged(found.visit("one").new_folder("editor") / "photo.png", 10**6)
    found.sweep()
    assert not any(path.exists() for path in (*old, late))
    assert waiting.exists()
    assert shown.exists()
    found.end("one")
    assert not shown.exists()


def test_sweeping_goes_on_by_itself(completer, tmp_path, monkeypatch):
    """Broken: uploads that nobody opened stay until somebody comes, perhaps for ever."""
    monkeypatch.setattr(desk, "SWEEP_S", 0.01)
    with Desk(completer, tmp_path, 10**6).swept():
        for name in ("a", "b"):
            old = aged(tmp_path / name / "me.png", desk.UNOPENED_S + 60)
            for _ in range(1000):
                if not old.exists():
                    break
                time.sleep(0.02)
            assert not old.exists()
