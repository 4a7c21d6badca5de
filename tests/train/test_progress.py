"""Means, speeds and remaining times, on a clock made by hand."""

import dataclasses
import json

import jax.numpy as jnp
import pytest

from fec_jax import schedule
from fec_jax.train import progress
from fec_jax.train.progress import Rates, Window
from fec_jax.train.recipe import Metrics

PHASES = schedule.phases([schedule.Row(4, 0, 1, 10, 1, 1), schedule.Row(8, 1, 1, 10, 1, 1)])


def metrics(value):
    x = jnp.float32(value)
    numbers = dict.fromkeys(Metrics.__dataclass_fields__, x)
    return Metrics(
        **{
            **numbers,
            "raw": {"rec": 2 * x, "adv": x},
            "share": {"rec": x},
            "finite": jnp.bool_(True),
            "sound": jnp.bool_(True),
        }
    )


def test_means_over_the_steps_since_the_last_line():
    """Broken: the log shows sums, the last step, or steps of a line before."""
    window = Window()
    window.add(metrics(1.0))
    window.add(metrics(3.0))
    means = window.flush()
    assert means["g_loss"] == 2
    assert means["raw/rec"] == 4
    assert means["share/rec"] == 2
    assert not {"finite", "sound"} & means.keys()
    window.add(metrics(7.0))
    assert window.flush()["g_loss"] == 7


def test_what_a_step_did_not_measure_does_not_count():
    """Broken: one NaN spoils a mean, or counts as 0 in it."""
    window = Window()
    window.add(metrics(4.0))
    window.add(dataclasses.replace(metrics(2.0), share={"rec": jnp.float32(jnp.nan)}))
    means = window.flush()
    assert (means["share/rec"], means["g_loss"]) == (4, 3)


def test_a_window_of_version_0_1_is_read():
    """Broken: runs that were started before cannot be resumed."""
    window = Window.from_facts({"sums": {"g_loss": 6.0, "share/rec": 2.0}, "count": 2})
    window.add(metrics(3.0))
    means = window.flush()
    assert (means["g_loss"], means["share/rec"]) == (3, pytest.approx(5 / 3))


def test_a_window_comes_back_from_a_checkpoint_as_it_was():
    """Broken: a resumed run logs other figures than one that was never stopped."""
    window = Window()
    window.add(metrics(0.1))
    window.add(metrics(1 / 3))
    again = Window.from_facts(json.loads(json.dumps(window.facts())))
    for w in (window, again):
        w.add(metrics(0.7))
    assert again.flush() == window.flush()


def test_what_a_checkpoint_holds_does_not_change_afterwards():
    """Broken: a checkpoint written in the background holds figures of later steps."""
    window = Window()
    window.add(metrics(1.0))
    facts = window.facts()
    window.add(metrics(1.0))
    assert facts["sums"]["g_loss"] == 1
    assert facts["counts"]["g_loss"] == 1


@pytest.fixture
def clock(monkeypatch):
    """Time stands still unless it is told to go on."""

    class Clock:
        now = 0.0

    monkeypatch.setattr(progress.time, "monotonic", lambda: Clock.now)
    return Clock


def ticked(rates, clock, phase, steps, seconds):
    for _ in range(steps):
        clock.now += seconds
        rates.add(phase)


def test_images_per_second(clock):
    """Broken: the speed is of steps, or of something else than training."""
    rates = Rates(PHASES)
    assert rates.speed(PHASES[0]) == 0
    ticked(rates, clock, PHASES[0], 5, 2.0)
    assert rates.speed(PHASES[0]) == pytest.approx(5)


def test_pauses_are_not_counted(clock):
    """Broken: compiling or drawing a grid looks like slow training."""
    rates = Rates(PHASES)
    ticked(rates, clock, PHASES[0], 3, 1.0)
    rates.pause()
    clock.now += 1000
    ticked(rates, clock, PHASES[0], 3, 1.0)
    assert rates.speed(PHASES[0]) == pytest.approx(10)


def test_outlook(clock):
    """Broken: the time left leaves out phases, or counts those gone by."""
    rates = Rates(PHASES)
    ticked(rates, clock, PHASES[0], 11, 1.0)
    speed, phase, run = rates.outlook(500)
    # 500 images left at 10/s; then 2000 at 8 px, taken to go at half the speed.
    assert (speed, phase, run) == pytest.approx((10, 50, 50 + 2000 / 5))
    ticked(rates, clock, PHASES[1], 1, 1.0)
    rates.pause()
    ticked(rates, clock, PHASES[1], 11, 0.5)
    assert rates.outlook(1500)[2] < 100, "once met, a resolution's own speed counts"
    assert rates.outlook(3000)[1:] == (0, 0)
