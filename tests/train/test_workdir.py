"""A workdir and the config of the run in it belong together."""

import json

import pytest

from configs import quickstart
from fec_jax.config import build
from fec_jax.train.workdir import bind
from fec_jax.types import UserError


def run_with(**changes):
    config = quickstart.get_config()
    config.update_from_flattened_dict(changes)
    return build.build(config)


def test_a_workdir_belongs_to_one_config(tmp_path):
    """Broken: a run goes on with another config than it began with, and nobody notices."""
    run = run_with()
    bind(run, tmp_path)
    assert json.loads((tmp_path / "config.json").read_text()) == run.config
    bind(run, tmp_path)
    with pytest.raises(UserError, match=r"config\.loss\.rec = 60\.0, not 7\.0"):
        bind(run_with(**{"loss.rec": 7.0}), tmp_path)
    bind(run_with(**{"every.log_kimg": 7.0, "data.threads": 1}), tmp_path)
    assert json.loads((tmp_path / "config.json").read_text())["data"]["threads"] == 1


def test_a_broken_config_file_in_the_workdir(tmp_path):
    """Broken: a file that something else wrote there ends in a traceback."""
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(UserError, match=r"config\.json cannot be read"):
        bind(run_with(), tmp_path)
