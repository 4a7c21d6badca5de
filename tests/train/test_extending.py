"""A run that goes on: what its schedule may become, and the networks that grow along."""

import dataclasses

import pytest

from fec_jax import schedule
from fec_jax.train import extending

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
