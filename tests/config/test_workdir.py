"""A workdir and the config of the run in it belong together."""

import json

import pytest
import tiny

from configs import quickstart
from fec_jax.config import build, older
from fec_jax.config.workdir import bind, local
from fec_jax.io.lock import locked
from fec_jax.types import UserError


def run_with(**changes):
    config = quickstart.get_config()
    config.update_from_flattened_dict(changes)
    return build.build(config)


def rewrite(workdir, change):
    """Changes the workdir's config as a plain dict, in place."""
    path = workdir / "config.json"
    config = json.loads(path.read_text())
    change(config)
    path.write_text(json.dumps(config))


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
    for text in ("{", "[]", '{"resolution_px": 4, "schedule": {"px4": {"lr": 1}}, "batch": {}}'):
        (tmp_path / "config.json").write_text(text)
        with pytest.raises(UserError, match=r"config\.json cannot be read|holds a run with config"):
            bind(run_with(), tmp_path)


def of_version_0_1(config):
    """As version 0.1.0 wrote it."""
    del config["init_from"], config["max_skipped"], config["every"]["checkpoint_minutes"], config["mask"]["box_share"]
    del config["loss"]["feat_px"], config["schedule"]["px8"]["adv"], config["data"]["alignment"]
    config["data"]["test_split"] = "test"
    del config["data"]["validation_split"]
    config["loss"] |= {"attr_sees": "photo", "attr_on_kept": 1.0}
    config["ema"]["rampup"] = 0.05


def test_a_run_goes_on_under_newer_code(tmp_path):
    """Broken: an upgrade in the middle of a run of weeks is the end of it, though nothing about it has changed."""
    run = run_with()
    bind(run, tmp_path)
    rewrite(tmp_path, of_version_0_1)
    bind(run, tmp_path)
    assert json.loads((tmp_path / "config.json").read_text()) == run.config


@pytest.mark.parametrize(
    ("changes", "old", "message"),
    [
        ({"mask.box_share": 0.1}, of_version_0_1, r"config\.mask\.box_share = 0\.0, not 0\.1"),
        ({"schedule.px4.adv": 2.0}, lambda c: c["schedule"]["px4"].pop("adv"), r"schedule\.px4\.adv = 'absent', not 2"),
        ({}, lambda c: c["loss"].update(attr_sees="transplanted"), r"attr_sees = 'transplanted', which is gone"),
        ({}, lambda c: c["loss"].update(new=1), r"config\.loss\.new = 1, not 'absent'"),
    ],
)
def test_newer_code_that_would_train_otherwise(tmp_path, changes, old, message):
    """Broken: after an upgrade a run goes on as another one, in silence."""
    bind(run_with(), tmp_path)
    rewrite(tmp_path, old)
    with pytest.raises(UserError, match=message):
        bind(run_with(**changes), tmp_path)


def test_configs_of_any_version_are_read():
    """Broken: weights cannot be exported any more from workdirs of an earlier version."""
    config = run_with().config
    old = json.loads(json.dumps(config))
    of_version_0_1(old)
    old["loss"]["attr_sees"] = "transplanted"  # a run of it cannot go on, but its networks can be read
    read = build.networks_only(old, ("Smiling",))
    assert (read.recipe, read.phases) == (lambda r: (r.recipe, r.phases))(build.networks_only(config, ("Smiling",)))
    assert not older.to_read(old)["loss"].keys() - config["loss"].keys()


def test_a_schedule_goes_on(tmp_path):
    """Broken: a finished run cannot be trained for longer, or to a higher resolution, or its past can be rewritten."""
    bind(tiny.run(last_px=8), tmp_path)
    (tmp_path / "checkpoints" / "152").mkdir(parents=True)
    bind(tiny.run({"schedule.px8.stable_kimg": 0.08, "schedule.px8.lr_end": 1e-5}, last_px=8), tmp_path)
    with pytest.raises(UserError, match=r"config\.schedule\.px4\.lr = 0\.002, not 0\.5, and is at 0\.152 kimg"):
        bind(tiny.run({"schedule.px4.lr": 0.5}, last_px=8), tmp_path)
    bind(tiny.run({"schedule.px8.stable_kimg": 0.08, "schedule.px8.lr_end": 1e-5}), tmp_path)
    with pytest.raises(UserError, match=r"config\.resolution_px = 16, not 8"):
        bind(tiny.run(last_px=8), tmp_path)


@pytest.mark.parametrize("text", ["gs://bucket/run", "s3://b", "hdfs://h/x", "file:///tmp/x", "gs:/bucket"])
def test_addresses_are_no_workdirs(text):
    """Broken: a run writes its checkpoints into ./gs:/bucket, and the machine it was on is deleted with them."""
    with pytest.raises(UserError, match="is an address, not a folder") as caught:
        local(text)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["runs/a", "/tmp/x", "a:b"])
def test_folders_are_workdirs(text):
    """Broken: a folder with a colon in its name cannot be used."""
    assert str(local(text)) == text


def test_a_running_training_keeps_its_config(tmp_path):
    """Broken: a second command, refused in the end, leaves a config with which the first cannot go on."""
    bind(run_with(), tmp_path)
    with locked(tmp_path, "training", "--workdir"), pytest.raises(UserError, match="another training is running"):
        bind(run_with(**{"every.log_kimg": 7.0}), tmp_path)
    assert json.loads((tmp_path / "config.json").read_text()) == run_with().config
