"""The loop when things go wrong: losses that are not numbers, figures that cannot be made."""

import dataclasses
import gc
import logging
import time
import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny

from fec_jax import schedule
from fec_jax.train import loop, parallel
from fec_jax.train.checkpoints import Checkpoints
from fec_jax.train.stopping import Stop
from fec_jax.train.viewer import Viewer
from fec_jax.types import UserError
from fec_jax.weights import published

# Of `tiny.run(last_px=8)`: phases end at 40, 112 and 152; a checkpoint every 24 images, a line every 16.
NO_FIGURES = {"every.eval_kimg": 0.0, "every.grid_kimg": 0.0}
COMPILED = {}  # by the shape of the batch: all runs here have the same recipe


@pytest.fixture
def steps(monkeypatch):
    """Lets a test watch and change what the compiled steps give.

    `steps.spoil(stream, nimg) -> bool` poisons the networks, `steps.miss` is a step that was left out.
    """
    never = lambda stream, nimg: False  # noqa: E731
    watched = types.SimpleNamespace(taken=[], spoil=never, miss=never)
    compile_step = parallel.compile_step

    def watched_compile(function, mesh, mode, args):
        key = args[1].real.shape
        if key not in COMPILED:
            COMPILED[key] = compile_step(function, mesh, mode, args)
        step = COMPILED[key]

        def call(state, batch, clock, constants, penalty):
            with jax.transfer_guard("allow"):
                stream, nimg = int(clock.stream), int(state.nimg)
                watched.taken.append((nimg, stream))
                state, metrics = step(state, batch, clock, constants, penalty)
                if watched.spoil(stream, nimg):
                    state = state.replace(g_params=jax.tree.map(lambda x: x * jnp.nan, state.g_params))
                    metrics = metrics.replace(g_loss=metrics.g_loss * jnp.nan, sound=jnp.zeros((), bool))
                if watched.miss(stream, nimg):
                    metrics = metrics.replace(g_loss=metrics.g_loss * jnp.nan, finite=jnp.zeros((), bool))
                return state, metrics

        return call

    monkeypatch.setattr(parallel, "compile_step", watched_compile)
    # The pictures at the borders would take most of the time.
    monkeypatch.setattr(Viewer, "grid", lambda *_: None)
    monkeypatch.setattr(Viewer, "figures", lambda *_: {})
    monkeypatch.setattr(loop, "print_figures", lambda *_, **__: None)
    return watched


def finite(state):
    return all(bool(jnp.isfinite(x).all()) for x in jax.tree.leaves((state.g_params, state.d_params, state.g_ema)))


def train(workdir, **changes):
    trainer = loop.Trainer(dataclasses.replace(tiny.run(NO_FIGURES, last_px=8), **changes), workdir)
    trainer.train(Stop())
    return trainer


def training_lines(workdir):
    return [line for line in tiny.lines(workdir) if "g_loss" in line]


def facts_at(workdir, nimg):
    saved = Checkpoints(workdir / "checkpoints", read_only=True)
    facts = saved.facts(nimg)
    saved.close()
    return facts


def test_a_step_that_was_left_out_is_counted(steps, tmp_path, caplog):
    """One bad batch makes a run go back, or nobody is told of it, or its losses spoil the means of the log."""
    steps.miss = lambda stream, nimg: nimg in (80, 128)
    with caplog.at_level(logging.WARNING, "fec_jax"):
        train(tmp_path)
    assert steps.taken == [(n, n) for n in range(0, 152, 8)]
    assert "the step at 0.080 kimg is not finite: left out" in caplog.text
    lines = training_lines(tmp_path)
    assert [line["bad_steps"] for line in lines] == [0] * 6 + [1] * 3 + [2] * 2
    assert {line["rollbacks"] for line in lines} == {0}
    assert all(np.isfinite(line["g_loss"]) for line in lines)
    assert (facts_at(tmp_path, 152)["bad_steps"], facts_at(tmp_path, 152)["in_a_row"]) == (2, 0)


def test_many_steps_left_out_in_a_row_are_a_rollback(steps, tmp_path, caplog):
    """A run whose networks give no more numbers marks time to its end, or saves them over the last good checkpoint."""
    steps.miss = lambda stream, nimg: stream in (80, 88, 96)
    with caplog.at_level(logging.WARNING, "fec_jax"):
        train(tmp_path, max_skipped=3, keep_checkpoints=20)
    assert "not finite at 0.096 kimg: rolled back to 0.072 kimg" in caplog.text
    assert steps.taken[12:15] == [(96, 96), (104, 104), (72, 104)] or steps.taken[12:14] == [(96, 96), (72, 104)]
    facts = facts_at(tmp_path, 152)
    assert (facts["bad_steps"], facts["rollbacks"], facts["skipped"]) == (3, 1, 32)


def test_rollbacks_are_counted_anew_when_the_run_has_come_past(steps, tmp_path):
    """A run of weeks is given up because of a few bad moments that it came over, each of them."""
    places = {16, 64, 128}

    def spoil(stream, nimg):
        hit = nimg in places
        places.discard(nimg)
        return hit

    steps.spoil = spoil
    trainer = train(tmp_path, max_rollbacks=1)
    assert int(trainer.live.state.nimg) == 152
    assert trainer.counts.rollbacks == 3


def test_checkpoints_by_the_clock_on_the_wall(steps, tmp_path, monkeypatch):
    """A slow phase loses hours of work when it is killed, though checkpoints by minutes were asked for."""
    monkeypatch.setattr(loop.Trainer, "_is_late", lambda self: int(self.live.state.nimg) == 80)
    trainer = train(tmp_path, keep_checkpoints=20)
    assert set(trainer.checkpoints.saved()) - {0, 24, 40, 48, 72, 96, 112, 120, 144, 152} <= {80, 88}
    assert len(trainer.checkpoints.saved()) == 11
    gc.collect()


def test_minutes_are_minutes():
    """The key of the config counts in another unit, or 0 means always."""
    trainer = types.SimpleNamespace(
        run=tiny.run({"every.checkpoint_minutes": 2.0}, last_px=4), saved_at=time.monotonic()
    )
    assert not loop.Trainer._is_late(trainer)
    trainer.saved_at -= 119
    assert not loop.Trainer._is_late(trainer)
    trainer.saved_at -= 2
    assert loop.Trainer._is_late(trainer)
    trainer.run = tiny.run(last_px=4)
    assert not loop.Trainer._is_late(trainer)


def test_a_step_that_is_not_finite_is_undone_and_passed_over(steps, tmp_path, caplog):
    """One bad batch ends a run of days, or its poison stays in the parameters, the checkpoints or the log."""
    steps.spoil = lambda stream, nimg: stream == 88  # from 88 to 96 images, where a checkpoint is due
    with caplog.at_level(logging.WARNING, "fec_jax"):
        trainer = train(tmp_path, keep_checkpoints=20)
    assert "not finite at 0.088 kimg: rolled back to 0.072 kimg, skipping ahead in the data (1 of" in caplog.text
    # The examples from the checkpoint to the bad step are not seen again: the stream goes on after them.
    assert steps.taken == [(n, n) for n in range(0, 96, 8)] + [(n, n + 24) for n in range(72, 152, 8)]
    lines = training_lines(tmp_path)
    assert [line["nimg"] for line in lines] == [16, 32, 40, 48, 64, 80, 96, 112, 128, 144, 152]
    assert [line["rollbacks"] for line in lines] == [0] * 5 + [1] * 6
    assert all(np.isfinite(line["g_loss"]) for line in lines)
    assert finite(trainer.live.state)
    saved = Checkpoints(tmp_path / "checkpoints", read_only=True)
    assert saved.saved() == [0, 24, 40, 48, 72, 96, 112, 120, 144, 152]
    for nimg in saved.saved():
        state, facts = saved.read(nimg, trainer.run.state_shape(nimg, trainer.mesh))
        assert finite(state)
        assert (facts["skipped"], facts["rollbacks"]) == ((24, 1) if nimg > 72 else (0, 0))
    saved.close()


def test_gives_up_after_some_rollbacks(steps, tmp_path):
    """A run that cannot go on burns hours in a circle, or ends with a traceback, or spoils its last good checkpoint."""
    steps.spoil = lambda stream, nimg: nimg >= 120
    with pytest.raises(UserError, match=r"gave up after 2 rollbacks.*0\.120 kimg.*checkpoints") as caught:
        train(tmp_path, max_rollbacks=2)
    assert "\n" not in str(caught.value)
    assert f"in a new --workdir with --config.init_from={tmp_path}" in str(caught.value)
    # Every try began at the newest checkpoint, with other examples.
    tries = [stream for nimg, stream in steps.taken if nimg == 120]
    assert len(tries) == len(set(tries)) == 3
    assert [line["nimg"] for line in training_lines(tmp_path)][-1] == 112
    steps.spoil = lambda stream, nimg: False
    trainer = train(tmp_path)
    assert finite(trainer.live.state)
    assert [line["nimg"] for line in training_lines(tmp_path)] == [16, 32, 40, 48, 64, 80, 96, 112, 128, 144, 152]


def test_a_rollback_past_a_border(steps, tmp_path):
    """The first step at a new resolution fails, and the rollback brings a state of another shape."""
    steps.spoil = lambda stream, nimg: stream == 40
    trainer = train(tmp_path)
    assert finite(trainer.live.state)
    assert trainer.counts.skipped == 8
    assert int(trainer.live.state.nimg) == 152


def test_a_broken_checkpoint_is_written_again(steps, tmp_path):
    """After a full disk the run goes on from an older checkpoint for ever: broken ones stand in the way of new ones."""
    train(tmp_path)
    for nimg in (144, 152):
        for path in (tmp_path / "checkpoints" / str(nimg) / "state").rglob("*"):
            if path.is_file():
                path.write_bytes(path.read_bytes()[:20])
    first = len(steps.taken)
    trainer = train(tmp_path)
    assert steps.taken[first:] == [(n, n) for n in range(112, 152, 8)]
    assert [line["nimg"] for line in training_lines(tmp_path)][-3:] == [128, 144, 152]
    saved = Checkpoints(tmp_path / "checkpoints", read_only=True)
    assert saved.read(152, trainer.run.state_shape(152, trainer.mesh))[1]["nimg"] == 152
    saved.close()
    gc.collect()


def test_figures_that_fail_stop_nothing(steps, tmp_path, monkeypatch, caplog):
    """An evaluation that goes wrong (disk full, out of memory) ends a run of days, or the run's last line."""

    def fail(*_):
        raise RuntimeError("no figures today")

    monkeypatch.setattr(Viewer, "figures", fail)
    monkeypatch.setattr(Viewer, "grid", fail)
    with caplog.at_level(logging.INFO, "fec_jax"):
        trainer = train(tmp_path, every=tiny.run(last_px=8).every)
    assert int(trainer.live.state.nimg) == 152
    assert 152 in trainer.checkpoints.saved()
    assert "no figures today" in caplog.text
    said = [record.getMessage() for record in caplog.records][-2:]
    # Borders at 40, 112 and 152 images, figures and grids every 80, and the figures of the end.
    assert said == [
        "not shown: grids: failed 4 x, last at 0.152 kimg: no figures today",
        "not shown: figures: failed 5 x, last at 0.152 kimg: no figures today",
    ]
    assert [line["nimg"] for line in training_lines(tmp_path)][-1] == 152


def test_what_a_row_says_reaches_the_step(monkeypatch, tmp_path):
    """Broken: a number of a row of a config's schedule is a knob that does nothing."""

    class CompiledError(Exception):
        pass

    def look(function, *_):
        recipe = function.args[0]
        raise CompiledError(
            f"{recipe.d_terms} {recipe.feature} {recipe.lambdas.feat} {recipe.lambdas.adv} {recipe.d_augment.noise}"
        )

    run = tiny.run({**NO_FIGURES, "loss.adv": 2.0, "d_augment.noise": 0.4}, last_px=8)
    changes = {"d_terms": 0.25, "lpips": 7.5, "adv": 3.0, "noise": 0.5}
    rows = [dataclasses.replace(phase.row, **changes) for phase in run.phases if phase.kind == "stable"]
    monkeypatch.setattr(parallel, "compile_step", look)
    monkeypatch.setattr(published, "load_params", published.load_relu2_2)  # the extra `eval` need not be there
    with pytest.raises(CompiledError, match=r"0\.25 lpips 7\.5 6\.0 0\.2$"):
        loop.train(dataclasses.replace(run, phases=schedule.phases(rows)), tmp_path)
