"""A run that goes on: what its schedule may become, and the networks that grow along."""

import dataclasses

import pytest
import tiny

from fec_jax import schedule
from fec_jax.train import extending, facts
from fec_jax.types import UserError

ROWS = (schedule.Row(4, 0, 0.04, 8, 1e-3, 1e-3), schedule.Row(8, 0.08, 0.04, 8, 1e-3, 1e-4))
OLD = schedule.phases(ROWS)  # 0 to 40, the fade to 120, to 160


def changed(row, **changes):
    rows = list(ROWS)
    rows[row] = dataclasses.replace(rows[row], **changes)
    return schedule.phases(rows)


@pytest.mark.parametrize(
    ("nimg", "new"),
    [
        (160, OLD),
        (160, changed(1, stable_kimg=0.08)),
        (160, changed(1, lr_end=1e-3)),
        (136, changed(1, stable_kimg=0.02)),
        (80, changed(1, stable_kimg=0.2, lr_end=1e-5)),
        (16, changed(1, lr=0.5, batch=16, noise=0.1)),
        (160, schedule.phases([*ROWS, schedule.Row(16, 0.08, 0.08, 8, 1e-3, 1e-3)])),
    ],
)
def test_what_lies_ahead_may_change(nimg, new):
    """Broken: a run that was too short has to be begun again."""
    assert extending.change_behind(nimg, OLD, new) is None


@pytest.mark.parametrize(
    ("nimg", "new", "name"),
    [
        (160, changed(0, lr=0.5), "schedule.px4.lr"),
        (160, changed(0, lr_end=0.5), "schedule.px4.lr_end"),
        (40, changed(0, lr_end=0.5), "schedule.px4.lr_end"),
        (160, changed(0, stable_kimg=0.08), "schedule.px4.stable_kimg"),
        (40, changed(0, stable_kimg=0.08), "schedule.px4.stable_kimg"),
        (160, changed(1, noise=0.5), "schedule.px8.noise"),
        (80, changed(1, fade_kimg=0.16), "schedule.px8.fade_kimg"),
        (144, changed(1, stable_kimg=0.016), "schedule.px8.stable_kimg"),
        (144, changed(1, batch=4), "batch.px8"),
        (160, schedule.phases(ROWS[:1]), "schedule.px8"),
        (16, schedule.phases([schedule.Row(8, 0, 0.04, 8, 1e-3, 1e-3)]), "schedule.px4"),
    ],
)
def test_what_lies_behind_may_not(nimg, new, name):
    """Broken: a config says of a run what it did not do; or its state is read as that of another phase."""
    assert extending.change_behind(nimg, OLD, new) == name


@pytest.mark.parametrize(
    ("changes", "last_px"), [({"schedule.px4.stable_kimg": 0.024}, 16), ({"schedule.px4.stable_kimg": 0.024}, 4)]
)
def test_a_row_that_now_ends_where_the_run_is(changes, last_px):
    """Broken: the history and the optimisers of a smaller resolution go on in a larger one, or compiling fails."""
    saved = tiny.run(last_px=last_px)
    before = saved.new_state(saved.phases[0])
    after = tiny.run(changes).extended(before, saved, 24)
    assert before.history.images.shape[2:] == (4, 4, 3)
    assert after.history.images.shape[2:] == (8, 8, 3)
    assert tiny.run(last_px=16).extended(before, saved, 16).history.images.shape[2:] == (4, 4, 3)


def test_what_counts_as_other_data():
    """Broken: a run does not resume after its licence was stated; or it does on other labels under the same name."""
    run = tiny.run()
    sources = [tiny.run().train_source(4) for _ in range(3)]
    saved = facts._of_data(run, sources[0])
    sources[1].license = "CC0-1.0, stated later"
    facts.check_data(saved, run, sources[1])
    facts.check_data({**saved, "data": {"name": "drawn_faces", "license": "", "size": 40}}, run, sources[0])
    sources[2].fingerprint = "other labels"
    with pytest.raises(UserError, match="the data of this run has changed: fingerprint was drawn, is other labels"):
        facts.check_data(saved, run, sources[2])
    with pytest.raises(UserError, match="attribute_names was"):
        facts.check_data({**saved, "attribute_names": ["Male"]}, run, sources[0])
