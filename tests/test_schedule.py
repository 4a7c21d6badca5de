"""The growth table: phases, alpha, learning rates, as functions of images seen."""

import math

import pytest

from fec_jax import schedule
from fec_jax.schedule import Row

ROWS = (Row(4, 0, 1, 16, 1e-2, 1e-3), Row(8, 2, 3, 16, 4e-3, 4e-3), Row(16, 1, 0.5, 8, 2e-3, 0.0))
PHASES = schedule.phases(ROWS)


def at(nimg, **kwargs):
    return schedule.at(PHASES, nimg, **kwargs)


def test_phases_of_a_table():
    """Broken: phases come in another order or length than the config's table says."""
    table = [(p.name, p.start_nimg, p.end_nimg, p.batch, p.grows) for p in PHASES]
    assert table == [
        ("stable 4 px", 0, 1008, 16, False),
        ("fade 8 px", 1008, 3008, 16, True),
        ("stable 8 px", 3008, 6016, 16, False),
        ("fade 16 px", 6016, 7016, 8, True),
        ("stable 16 px", 7016, 7520, 8, False),
    ]
    assert [p.index for p in PHASES] == list(range(5))
    assert schedule.total_nimg(PHASES) == 7520


def test_phases_are_whole_batches():
    """Broken: a phase ends in the middle of a batch, and the clock never meets its border."""
    for p in PHASES:
        assert (p.end_nimg - p.start_nimg) % p.batch == 0


def test_phases_without_a_length_are_left_out():
    """Broken: a resolution without a fade, or without a stable phase, gets an empty phase or does not grow."""
    phases = schedule.phases([Row(4, 0, 1, 8, 1, 1), Row(8, 0, 1, 8, 1, 1), Row(16, 1, 0, 8, 1, 1)])
    assert [(p.kind, p.resolution_px, p.grows) for p in phases] == [
        ("stable", 4, False),
        ("stable", 8, True),
        ("fade", 16, True),
    ]


def test_alpha_rises_from_0_to_1_in_a_fade_only():
    """Broken: layers fade out instead of in, or alpha is not 1 in a stable phase (defects of public ports)."""
    assert [at(n).alpha for n in (0, 992)] == [1.0, 1.0]
    assert [at(n).alpha for n in (1008, 1508, 2008, 2992)] == [0.0, 0.25, 0.5, 0.992]
    assert [at(n).alpha for n in (3008, 6000)] == [1.0, 1.0]
    assert at(6016).alpha == 0.0
    assert [at(n).alpha for n in (7016, 7520, 9999)] == [1.0, 1.0, 1.0]


def test_on_a_border_the_later_phase_counts():
    """Broken: a run restored at a border takes up the phase before (a defect of public ports)."""
    assert at(1007).phase.index == 0
    assert [at(p.start_nimg).phase.index for p in PHASES] == [0, 1, 2, 3, 4]
    assert [at(p.end_nimg - 1).phase.index for p in PHASES] == [0, 1, 2, 3, 4]


def test_done_at_the_end_and_not_before():
    """Broken: a run stops early, or never."""
    assert [at(n).done for n in (0, 7016, 7512, 7520, 8000)] == [False, False, False, True, True]
    assert at(8000).phase.index == 4


def test_a_run_that_ends_in_a_fade_ends_at_alpha_1():
    """Broken: the last figures of such a run are those of a half-blended network."""
    phases = schedule.phases([Row(4, 0, 1, 8, 1, 1), Row(8, 1, 0, 8, 1, 1)])
    end = schedule.at(phases, 2000)
    assert end.done
    assert end.alpha == 1.0


def test_learning_rate_along_a_half_cosine_in_the_stable_phase():
    """Broken: the rate jumps, does not reach `lr_end`, or decays while the layers fade in."""
    assert at(0).lr == pytest.approx(1e-2)
    assert at(504).lr == pytest.approx((1e-2 + 1e-3) / 2)
    assert at(252).lr == pytest.approx(1e-3 + 9e-3 * (1 + math.cos(math.pi / 4)) / 2)
    assert at(992).lr == pytest.approx(1e-3, rel=0.01)
    assert [at(n).lr for n in (1008, 2000, 3007)] == [4e-3] * 3
    assert at(6500).lr == 2e-3
    assert at(7520).lr == 0.0


def test_warmup_at_the_start_of_every_resolution():
    """Broken: fresh optimiser statistics meet the full rate and throw the older layers off."""

    def lr(nimg):
        return at(nimg, warmup_kimg=0.2).lr / at(nimg).lr

    assert lr(0) == pytest.approx(16 / 200)
    assert lr(84) == pytest.approx(0.5)
    assert [lr(n) for n in (184, 992)] == [1.0, 1.0]
    assert lr(1008) == pytest.approx(16 / 200)
    assert lr(3008) == 1.0, "the stable phase of a resolution does not warm up again"
    assert lr(6016) == pytest.approx(8 / 200)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "no rows"),
        ([Row(4, 0, 1, 8, 1, 1), Row(16, 1, 1, 8, 1, 1)], "16 px follows 4 px"),
        ([Row(8, 0, 1, 8, 1, 1), Row(4, 1, 1, 8, 1, 1)], "4 px follows 8 px"),
        ([Row(4, 0, 1, 8, 1, 1), Row(4, 1, 1, 8, 1, 1)], "4 px follows 4 px"),
        ([Row(4, 0, 0, 8, 1, 1)], "not both 0"),
        ([Row(4, 0, 1, 8, 1, 1), Row(8, -1, 2, 8, 1, 1)], "8 px: fade_kimg"),
        ([Row(4, 1, 1, 8, 1, 1)], "first resolution"),
    ],
)
def test_impossible_tables(rows, message):
    """Broken: a table with a gap trains something else than was meant, without a word."""
    with pytest.raises(ValueError, match=message):
        schedule.phases(rows)


def test_crossed():
    """Broken: checkpoints, grids or lines come at other moments after a resume, twice, or never."""
    assert [schedule.crossed(n, n + 8, 0.02) for n in range(0, 48, 8)] == [False, False, True, False, True, False]
    assert not schedule.crossed(0, 1000, 0.0)
