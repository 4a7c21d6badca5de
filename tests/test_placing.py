"""Files are put in place whole, or not at all."""

import pytest

from fec_jax import placing


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
