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
