"""`fec train`: the same training as `python -m fec_jax.main`, by a config's name."""

import pytest

from fec_jax import main as program
from fec_jax.cli import main
from fec_jax.config import workdir
from fec_jax.train import loop


@pytest.fixture
def trained(monkeypatch):
    """What would be trained: [(run, workdir), ...]."""
    runs = []
    monkeypatch.setattr(loop, "train", lambda run, folder, start=None: runs.append((run, folder)))
    monkeypatch.setattr(program, "log_plainly", lambda: None)
    return runs


def test_a_name_and_changes_are_enough(trained, tmp_path):
    """Broken: `fec train quickstart` after `pip install` does not find the config, or drops what was changed."""
    with pytest.raises(SystemExit) as ended:
        main.main(["train", "quickstart", "seed=3", "batch.px4=8", "--workdir", str(tmp_path / "run")])
    assert ended.value.code == 0
    [(run, folder)] = trained
    assert (run.seed, run.phases[0].batch, run.phases[-1].resolution_px) == (3, 8, 32)
    assert folder == tmp_path / "run"
    assert workdir.newest(folder) is None
    assert (folder / "config.json").is_file()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["quickstart", "--workdir", "gs://bucket/run"], "--workdir=gs://bucket/run is an address, not a folder"),
        (["quickstrat", "--workdir", "run"], "there is no config 'quickstrat'"),
        (["quickstart", "seed", "--workdir", "run"], "'seed' is no change of a config"),
        (["quickstart", "init_from=no.safetensors", "--workdir", "run"], "weights no.safetensors do not exist"),
    ],
)
def test_mistakes_are_one_line(trained, tmp_path, monkeypatch, capsys, words, told):
    """Broken: a mistyped command is a traceback, or leaves a folder behind."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        main.main(["train", *words])
    assert ended.value.code == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("fec: ")
    assert told in line
    assert not trained
    assert not list(tmp_path.iterdir())


def test_a_used_workdir_does_not_need_the_weights_again(trained, tmp_path):
    """Broken: a run begun with weights cannot go on when their file has moved."""
    (tmp_path / "checkpoints" / "16").mkdir(parents=True)
    with pytest.raises(SystemExit) as ended:
        main.main(["train", "quickstart", "init_from=gone.safetensors", "--workdir", str(tmp_path)])
    assert ended.value.code == 0
    assert trained
