"""Files are put in place whole, or not at all; a folder has one writer."""

import pytest

from fec_jax.io import atomic


def test_whole_or_not_at_all(tmp_path, monkeypatch):
    """Broken: a full disk leaves half a file where a whole one was."""
    path = tmp_path / "config.json"
    atomic.write_whole(path, b"old")

    def full(_):
        raise OSError("no space left on device")

    monkeypatch.setattr(atomic.os, "fsync", full)
    with pytest.raises(OSError, match="no space"):
        atomic.write_whole(path, b"new")
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["config.json"]
    monkeypatch.undo()
    atomic.write_whole(path, b"new")
    assert path.read_text() == "new"
