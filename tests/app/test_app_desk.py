"""Photos of the page's visitors: kept apart, bounded, and gone after use."""

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
