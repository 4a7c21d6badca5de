"""One writer in a folder."""

import pytest

from fec_jax.io.lock import locked
from fec_jax.types import UserError


def test_one_at_a_time(tmp_path):
    """Broken: two write into one folder, or a lock outlives whoever had it."""
    with locked(tmp_path, "training", "--workdir"):
        message = r"another training is running in .*: stop it, or use another --workdir"
        with pytest.raises(UserError, match=message), locked(tmp_path, "training", "--workdir"):
            raise AssertionError("locked twice")
    with locked(tmp_path, "training", "--workdir"):
        pass


def test_a_lock_that_cannot_be_had(tmp_path):
    """Broken: a folder in which there can be no lock is a traceback."""
    (tmp_path / ".lock").mkdir()
    with pytest.raises(UserError, match=r"cannot lock .*\.lock: .*; use another --out"), locked(tmp_path, "x", "--out"):
        raise AssertionError("locked a folder")


def test_errors_within_stay_what_they_are(tmp_path):
    """Broken: a full disk while the lock is held is told as a lock that cannot be had."""
    with pytest.raises(OSError, match="disk full"), locked(tmp_path, "x", "--out"):
        raise OSError("disk full")
