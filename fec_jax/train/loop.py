"""The training loop: the one place where the clock advances, data meets the step, and things are written."""

import collections
import contextlib
import logging
import time
from pathlib import Path
from typing import Any

import jax

from fec_jax import schedule
from fec_jax.data import pipeline
from fec_jax.io.lock import locked
from fec_jax.train import facts, hosts, parallel, prior, starting, steps, writers
from fec_jax.train import state as states
from fec_jax.train.checkpoints import Checkpoints
from fec_jax.train.programs import Live
from fec_jax.train.progress import Counts, Missing, Rates, Window, figures_line, memory_mib
from fec_jax.train.run import Run
from fec_jax.train.stopping import Stop
from fec_jax.train.viewer import Viewer, print_figures
from fec_jax.types import UserError

log = logging.getLogger(__name__)


class NotFiniteError(Exception):
    """Too many steps in a row were not finite, or the networks no longer are; `nimg` is where the last one began."""

    def __init__(self, nimg: int):
        super().__init__(f"the step at {nimg} images is not finite")
        self.nimg = nimg


class Trainer:
    """One run in one workdir. `train` is what to call; the rest are its parts."""

    def __init__(self, run: Run, workdir: Path, start: starting.Start | None = None):
        self.run, self.workdir, self.start = run, workdir, start
        self.mesh = parallel.mesh()
        self.count = parallel.counter(self.mesh)
        if hosts.several():
            # Links between all devices are made when first used. Now all processes are here; after compiling, which
            # takes some longer than others, Gloo would give up on the last ones after 30 s.
            jax.block_until_ready(self.count((False, False)))
        borders = {phase.start_nimg for phase in run.phases} | {schedule.total_nimg(run.phases)}
        self.checkpoints = Checkpoints(workdir / "checkpoints", keep=run.keep_checkpoints, kept_nimg=borders)
        self.viewer = Viewer(run)
        self.rates = Rates(run.phases)
        self.live = Live(run, self.mesh, after_compiling=self.rates.pause)
        self.stop_agreed = False  # whether one of several processes was asked to stop
        self.late = False  # whether a checkpoint is due by the clock on the wall
        self.saved_at = time.monotonic()
        self.source = run.train_source(run.phases[-1].resolution_px)
        self.counts, self.window, self.missing = Counts(), Window(), Missing()
        self.tries, self.failed_at = 0, -1  # rollbacks since the run last came past this place
        self.started_from: dict[str, Any] | None = start.facts() if start else None

    def train(self, stop: Stop) -> None:
        """Trains from the newest checkpoint, or from the start, to the end of the schedule or to a signal."""
        nimg = self._restore()
        self.metrics = writers.MetricsLog(self.workdir, nimg) if hosts.first() else None
        self.screen = writers.Screen(schedule.total_nimg(self.run.phases), nimg, bar=hosts.first())
        with self.screen.shown():
            try:
                while not self.run.at(nimg).done and not self._stopping(stop):
                    try:
                        nimg = self._phase(nimg, stop)
                    except NotFiniteError as error:
                        nimg = self._roll_back(error)
                if self._stopping(stop):
                    self._save(nimg, self.live.named())
                    self.checkpoints.wait()
                    log.info("stopped at %.3f kimg, saved: the same command resumes", nimg / 1000)
                else:
                    self._finish(nimg)
                for line in self.missing.lines():
                    log.warning("not shown: %s", line)
            finally:
                if self.metrics:
                    self.metrics.close()
                self.checkpoints.close()

    def _stopping(self, stop: Stop) -> bool:
        """Whether to save and end. Several processes agree on it with the same step."""
        return self.stop_agreed if hosts.several() else stop.asked

    def _restore(self) -> int:
        saved: dict[int, Run] = {}

        def shape_of(facts: dict[str, Any]) -> states.State:
            saved[facts["nimg"]] = self.run.saved_as(facts["config"])
            return saved[facts["nimg"]].state_shape(facts["nimg"], self.mesh)

        found = self.checkpoints.restore(shape_of)
        if found:
            state, known = found
            nimg = known["nimg"]
            facts.check_data(known, self.run, self.source)
            self.live.take(self.run.extended(state, saved[nimg], nimg), self.run.at(nimg).phase)
            self.counts, self.window = Counts.from_facts(known), Window.from_facts(known["window"])
            self.started_from = known.get("started_from")
            self.checkpoints.set_aside_after(nimg)  # newer ones that could not be read
            log.info("resumed at %.3f kimg, %s", nimg / 1000, self.run.at(nimg).phase.name)
            return nimg
        state = prior.fitted(self.run.new_state(self.run.phases[0]), self.run, self.start)
        if self.start:
            state = starting.begin(state, self.start)
            log.info("begins with the weights %s", self.start.name)
        self.live.take(state, self.run.phases[0])
        self._save(0, self.live.named())
        return 0

    def _save(self, nimg: int, state: states.State) -> None:
        known = facts.facts(nimg, self.run, self.source, self.counts, self.window, self.started_from)
        self.checkpoints.save(nimg, state, known)
        self.saved_at, self.late = time.monotonic(), False
        if nimg > self.failed_at:
            self.tries = 0

    def _phase(self, nimg: int, stop: Stop) -> int:
        """Trains to the end of the phase that `nimg` lies in, or to a signal. Returns the images seen."""
        phase = self.run.at(nimg).phase
        log.info("%s: %.3f to %.3f kimg, batch %d", phase.name, nimg / 1000, phase.end_nimg / 1000, phase.batch)
        source = self.run.train_source(phase.resolution_px)
        # The data's position is a function of the clock, so a checkpoint holds it by holding `nimg` and `skipped`.
        data = pipeline.batches(
            source,
            seed=self.run.seed,
            first_image=nimg + self.counts.skipped,
            batch=phase.batch,
            process_index=jax.process_index(),
            process_count=jax.process_count(),
            threads=self.run.threads,
        )
        running: collections.deque[tuple[schedule.Moment, steps.Metrics, Any]] = collections.deque()
        try:
            while nimg < phase.end_nimg and not self._stopping(stop):
                moment = self.run.at(nimg)
                metrics = self.live.step(moment, self.counts.skipped, next(data))
                signs = (stop.asked, self._is_late())
                running.append((moment, metrics, self.count(signs) if hosts.several() else (False, signs[1])))
                if len(running) > 1:  # one step behind, so that the device never waits for the host
                    self._account(*running.popleft())
                before, nimg = nimg, nimg + phase.batch
                if nimg >= phase.end_nimg or self._due(before, nimg):
                    while running:
                        self._account(*running.popleft())
                    self._act(before, nimg, phase)
            while running:
                self._account(*running.popleft())
        finally:
            data.close()
        return nimg

    def _account(self, moment: schedule.Moment, metrics: steps.Metrics, stops: Any) -> None:
        """Takes the figures of a finished step, and whether a process was asked to stop. Raises NotFiniteError."""
        values, (asked, late) = jax.device_get((metrics, stops))
        self.stop_agreed, self.late = self.stop_agreed or bool(asked), self.late or bool(late)
        if values.finite:
            self.counts.in_a_row = 0
            self.window.add(values)
        else:
            self.counts.bad_steps, self.counts.in_a_row = self.counts.bad_steps + 1, self.counts.in_a_row + 1
            log.warning("the step at %.3f kimg is not finite: left out", moment.nimg / 1000)
        if not values.sound or self.counts.in_a_row >= self.run.max_skipped:
            raise NotFiniteError(moment.nimg)
        self.rates.add(moment.phase)
        nimg = moment.nimg + moment.phase.batch
        self.screen.step(nimg, f"{moment.phase.name} {self.rates.speed(moment.phase):.0f} img/s")
        if schedule.crossed(moment.nimg, nimg, self.run.every.log_kimg) or nimg == moment.phase.end_nimg:
            self._log(moment, nimg)

    def _log(self, moment: schedule.Moment, nimg: int) -> None:
        means = self.window.flush()
        where: dict[str, Any] = {"phase": moment.phase.name, "alpha": moment.alpha, "lr": moment.lr}
        speed, to_phase, to_run = self.rates.outlook(nimg)
        figures = {"images_per_s": speed, "eta_phase_s": to_phase, "eta_run_s": to_run, "memory_mib": memory_mib()}
        if self.metrics:
            troubles = {"rollbacks": self.counts.rollbacks, "bad_steps": self.counts.bad_steps}
            self.metrics.write(nimg, {**where, **means, **figures, **troubles})
        if means:
            self.screen.line("%s", figures_line(moment, nimg, means, figures))

    def _is_late(self) -> bool:
        """Whether a checkpoint is due by the clock on the wall, as this process has it."""
        minutes = self.run.every.checkpoint_minutes
        return bool(minutes) and time.monotonic() - self.saved_at >= 60 * minutes

    def _due(self, before: int, nimg: int) -> bool:
        e = self.run.every
        often = (e.checkpoint_kimg, e.grid_kimg, e.eval_kimg)
        return self.late or any(schedule.crossed(before, nimg, kimg) for kimg in often)

    def _act(self, before: int, nimg: int, phase: schedule.Phase) -> None:
        """Grid, figures and checkpoint, in this order: what belongs to `nimg` is on disk before its checkpoint is."""
        e, border = self.run.every, nimg >= phase.end_nimg
        alpha = self.run.at(nimg).alpha if not border else 1.0
        state = self.live.named()
        # One process shows; the others wait for it in the next step.
        if hosts.first() and (border or schedule.crossed(before, nimg, e.grid_kimg)):
            path = self.workdir / f"grids/{nimg:09d}.png"
            self._try("grids", nimg, self.viewer.grid, path, state, alpha, phase.resolution_px)
        if hosts.first() and (schedule.crossed(before, nimg, e.eval_kimg) or (border and e.eval_kimg)):
            self._try("figures", nimg, self._evaluate, nimg, state, alpha, phase.resolution_px)
        done = self.run.at(nimg).done
        if border and not done:
            r, following = self.run.recipe, self.run.at(nimg).phase
            self.live.take(states.enter(state, following, r.g_adam, r.d_adam, self.run.history_depth), following)
            state = self.live.named()
        # Not within a stretch of bad steps: a rollback is to go back to where it was well.
        due = self.late or schedule.crossed(before, nimg, e.checkpoint_kimg)
        if border or (due and not self.counts.in_a_row):
            self._save(nimg, state)
        self.rates.pause()

    def _evaluate(self, nimg: int, state: states.State, alpha: float, resolution_px: int) -> None:
        figures = self.viewer.figures(state, alpha, resolution_px)
        if self.metrics:
            self.metrics.write(nimg, {f"eval/{name}": value for name, value in figures.items()})
        print_figures(figures, self.screen.line, resolution_px=resolution_px, whole=False)

    def _try(self, what: str, nimg: int, show: Any, *args: Any) -> None:
        """Pictures and figures never stop a training."""
        try:
            show(*args)
        except Exception as error:
            self.missing.add(what, nimg, error)
            log.exception("this could not be shown; training continues")

    def _roll_back(self, error: NotFiniteError) -> int:
        """Returns to the last checkpoint, and skips the examples on which the step failed."""
        self.failed_at, self.tries = max(self.failed_at, error.nimg), self.tries + 1
        if self.tries > self.run.max_rollbacks:
            raise UserError(
                f"gave up after {self.run.max_rollbacks} rollbacks: losses are not finite again at "
                f"{error.nimg / 1000:.3f} kimg; the last good checkpoint is in {self.checkpoints.directory}; "
                f"go on from it in a new --workdir with --config.init_from={self.workdir} and lower learning rates, or "
                "here with a larger config.max_rollbacks"
            )
        self.checkpoints.wait()
        self.live.drop()  # room for the one that is read
        counts, phase, tries = self.counts, self.run.at(error.nimg).phase, self.tries
        nimg = self._restore()
        skipped = counts.skipped + error.nimg - nimg + phase.batch
        self.counts, self.tries = Counts(skipped, counts.rollbacks + 1, counts.bad_steps), tries
        if self.metrics:
            self.metrics.rewind(nimg)
        text = "loss not finite at %.3f kimg: rolled back to %.3f kimg, skipping ahead in the data (%d of at most %d)"
        log.warning(text, error.nimg / 1000, nimg / 1000, self.tries, self.run.max_rollbacks)
        return nimg

    def _finish(self, nimg: int) -> None:
        self.checkpoints.wait()
        log.info("done: %.3f kimg", nimg / 1000)
        state = self.live.named()
        if hosts.first():
            self._try("figures", nimg, self._show_final, state, self.run.phases[-1].resolution_px)

    def _show_final(self, state: states.State, px: int) -> None:
        print_figures(self.viewer.figures(state, 1.0, px), self.screen.line, resolution_px=px)


def train(run: Run, workdir: Path, start: starting.Start | None = None) -> None:
    """Trains `run` in `workdir`, or resumes there; a new run begins with the networks of `start`.

    Raises UserError for checkpoints that do not fit, and when losses stay non-finite.
    """
    try:
        with Stop() as stop, contextlib.ExitStack() as claim:
            with hosts.all_or_none():
                if hosts.first():
                    workdir.mkdir(parents=True, exist_ok=True)
                    claim.enter_context(locked(workdir, "training", "--workdir"))
            Trainer(run, workdir, start).train(stop)
    except OSError as error:
        if hosts.several() and isinstance(error, TimeoutError):
            raise  # of a wait for the others, not of a disk
        raise UserError(f"reading or writing failed ({error}): fix that, then the same command resumes") from error
