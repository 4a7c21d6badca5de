"""Files are put in place whole, or not at all; a folder has one writer."""

import pytest

from fec_jax import placing
from fec_jax.types import UserError


def test_whole_or_not_at_all(tmp_path, monkeypatch):
    """Broken: a full disk leaves half a file where a whole one was."""
    path = tmp_path / "config.json"
    placing.write_whole(path, b"old")

    def full(_):
        raise OSError("no space left on device")

    monkeypatch.setattr(placing.os, "fsync", full)
    with pytest.raises(OSError, match="no space"):
        placing.write_whole(path, b"new")
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["config.json"]
    monkeypatch.undo()
    placing.write_whole(path, b"new")
    assert path.read_text() == "new"


def test_one_at_a_time(tmp_path):
    """Broken: two write into one folder, or a lock outlives whoever had it."""
    with placing.locked(tmp_path, "training", "--workdir"):
        message = r"another training is running in .*: stop it, or use another --workdir"
        with pytest.raises(UserError, match=message), placing.locked(tmp_path, "training", "--workdir"):
            raise AssertionError("locked twice")
    with placing.locked(tmp_path, "training", "--workdir"):
        pass
