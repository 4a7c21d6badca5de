"""What is on disk survives: which checkpoints stay, and what happens to broken and foreign ones."""

import gc
import logging
import resource
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fec_jax.train import hosts
from fec_jax.train.checkpoints import Checkpoints
from fec_jax.types import UserError

FACTS = {
    "nimg": 7,
    "window": {"sums": {"raw/rec": 0.1 + 0.2, "tiny": 5e-324}, "count": 3},
    "names": ["a"],
    "none": {},
}


def state(nimg, width=3):
    return {"params": {"kernel": jnp.full((width, 2), nimg + 0.1)}, "nimg": jnp.int32(nimg)}


def shape(facts, width=3):
    return jax.eval_shape(lambda: state(facts["nimg"], width))


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "checkpoints"


@pytest.fixture
def opened(folder):
    """Opens the folder's checkpoints, and closes them all when the test is over."""
    all_opened = []

    def opened(**options):
        all_opened.append(Checkpoints(folder, **options))
        return all_opened[-1]

    yield opened
    for checkpoints in all_opened:
        checkpoints.close()


@pytest.fixture
def leftovers():
    """Orbax leaves coroutines unfinished where reading fails; they complain when they are collected, which is here."""
    yield
    gc.collect()


def write(checkpoints, *steps):
    for nimg in steps:
        checkpoints.save(nimg, state(nimg), FACTS | {"nimg": nimg})
    checkpoints.wait()


def spoil(folder, nimg):
    """As a full disk leaves it: the arrays' files are cut off."""
    files = [path for path in (folder / str(nimg) / "state").rglob("*") if path.is_file()]
    for path in files:
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def test_borders_and_the_newest_stay(opened):
    """A disk fills up, or the checkpoints at the borders of the growth phases are lost."""
    checkpoints = opened(keep=2, kept_nimg=(0, 20))
    write(checkpoints, 0, 10, 20, 30, 40, 50)
    assert checkpoints.saved() == [0, 20, 40, 50]


def test_round_trip(opened):
    """Numbers come back changed: a resumed run is no longer the same run."""
    write(opened(), 10)
    restored, facts = opened().restore(shape)
    assert facts == FACTS | {"nimg": 10}
    assert restored["nimg"] == 10
    np.testing.assert_array_equal(restored["params"]["kernel"], np.full((3, 2), np.float32(10.1)))
    assert opened(read_only=True).facts(10) == facts


def test_nothing_there_is_no_error(opened):
    """A new run cannot start."""
    assert opened().restore(shape) is None


def test_a_folder_half_written_is_not_a_checkpoint(opened, folder):
    """A run killed while it saves cannot be resumed, or goes on from half a state."""
    write(opened(), 10)
    shutil.copytree(folder / "10", folder / "20.orbax-checkpoint-tmp-123")
    shutil.rmtree(folder / "20.orbax-checkpoint-tmp-123" / "state")
    checkpoints = opened()
    assert checkpoints.saved() == [10]
    assert checkpoints.restore(shape)[1]["nimg"] == 10
    write(checkpoints, 20)
    assert opened().restore(shape)[1]["nimg"] == 20


@pytest.mark.usefixtures("leftovers")
def test_a_broken_one_falls_back_to_the_one_before(opened, folder, caplog):
    """A checkpoint cut off by a full disk ends the run, though there is an older one."""
    write(opened(keep=3), 10, 20, 30)
    spoil(folder, 30)
    shutil.rmtree(folder / "20" / "facts")
    checkpoints = opened(keep=3)
    with caplog.at_level(logging.WARNING, "fec_jax"):
        restored, facts = checkpoints.restore(shape)
    assert (int(restored["nimg"]), facts["nimg"]) == (10, 10)
    warnings = [record.getMessage() for record in caplog.records if record.name.startswith("fec_jax")]
    assert len(warnings) == 2
    assert str(folder / "30") in warnings[0]
    assert str(folder / "20") in warnings[1]
    # They make room: else what is saved from here on would be passed over in favour of them.
    checkpoints.set_aside_after(10)
    assert checkpoints.saved() == [10]
    assert sorted(path.name for path in (folder.parent / "unreadable").iterdir()) == ["20", "30"]
    write(checkpoints, 20)
    assert opened().restore(shape)[1]["nimg"] == 20


@pytest.mark.usefixtures("leftovers")
def test_one_that_does_not_fit_is_a_clear_error(opened):
    """A checkpoint of other networks is loaded in part, or ends in a long traceback."""
    write(opened(), 10)
    with pytest.raises(UserError, match=r"none of the checkpoints in .*checkpoints fits this config") as caught:
        opened().restore(lambda facts: shape(facts, width=4))
    assert "\n" not in str(caught.value)


@pytest.mark.usefixtures("leftovers")
def test_a_full_disk_is_one_line_and_costs_one_checkpoint(opened):
    """A full disk ends a run of days in a page of the checkpoint library's, or takes the last good checkpoint along."""
    write(opened(), 10)
    checkpoints = opened()

    def save():
        checkpoints.save(20, state(20), FACTS | {"nimg": 20})
        checkpoints.wait()

    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (64, limits[1]))  # as on a full disk, every larger file fails
    try:
        with pytest.raises(UserError, match=r"could not be written to .*checkpoints \(.*\): make room") as caught:
            save()
        checkpoints.close()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert "\n" not in str(caught.value)
    again = opened()
    assert again.restore(shape)[1]["nimg"] == 10
    write(again, 20)
    assert opened().restore(shape)[1]["nimg"] == 20


def test_processes_agree_on_a_checkpoint(opened, monkeypatch):
    """One process goes on from a checkpoint that another could not read, or does not see: their networks differ."""
    write(opened(keep=3), 10, 20, 30)
    votes = iter((False, True))  # another process cannot read the newest one
    monkeypatch.setattr(hosts, "every", lambda flag: flag and next(votes))
    assert opened(keep=3).restore(shape)[1]["nimg"] == 20
    monkeypatch.setattr(hosts, "every", lambda flag: flag)
    monkeypatch.setattr(hosts, "least", lambda value: min(value, 10))  # another process sees only the first one
    assert opened(keep=3).restore(shape)[1]["nimg"] == 10


def test_one_already_there_is_left(opened):
    """A run stopped at the moment of a checkpoint fails when it saves again."""
    checkpoints = opened()
    write(checkpoints, 10)
    checkpoints.save(10, state(99), FACTS)
    checkpoints.wait()
    assert opened().restore(shape)[1]["nimg"] == 10
