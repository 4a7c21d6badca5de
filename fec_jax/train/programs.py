"""The state on the devices, and the compiled programs that change it."""

import functools
import logging
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh

from fec_jax import schedule
from fec_jax.train import compiling, parallel, penalty, steps
from fec_jax.train.run import Run
from fec_jax.train.state import State

log = logging.getLogger(__name__)


class Programs:
    """The programs of one resolution: the step, and D's penalty for the steps that have one."""

    def __init__(self, run: Run, phase: schedule.Phase, mesh: Mesh, args: tuple[Any, ...]):
        """args: state, batch, clock and constants, as in every call; compiles for arrays like these."""
        recipe, px = run.recipe_of(phase), phase.resolution_px
        state, batch, clock, _ = args
        self._recipe, self._none = recipe, None
        if recipe.r1_gamma:
            self._none = parallel.replicate(penalty.none(state.d_params.shape), mesh)
            function = functools.partial(penalty.penalty, recipe, px, parallel.AXIS)
            self._penalty = parallel.compile_penalty(function, mesh, (state.d_params, batch, clock))
        step = functools.partial(steps.train_step, recipe, px, parallel.AXIS)
        self._step = parallel.compile_step(step, mesh, run.mode, (*args, self._none))

    @property
    def compiled(self) -> dict[str, Any]:
        """The programs themselves, to ask them what they cost: `step`, and `penalty` if the recipe has one."""
        return {"step": self._step} | ({"penalty": self._penalty} if self._recipe.r1_gamma else {})

    def __call__(
        self, number: int, state: State, batch: steps.Batch, clock: steps.Clock, constants: steps.Constants
    ) -> tuple[State, steps.Metrics]:
        """The step of this number, counted from the run's first; `state` cannot be used again."""
        due = penalty.due(self._recipe, number)
        return self._step(
            state, batch, clock, constants, self._penalty(state.d_params, batch, clock) if due else self._none
        )


class Live:
    """A run's state on its devices, as vectors (see `state.Packing`), from step to step.

    after_compiling: called when a phase has been compiled.
    """

    def __init__(self, run: Run, mesh: Mesh, after_compiling: Callable[[], None]):
        self._run, self._mesh, self._after_compiling = run, mesh, after_compiling
        self._constants = parallel.replicate(run.constants(), mesh)
        self._seed = parallel.replicate(jax.random.key(run.seed), mesh)
        self._programs: dict[tuple[int, int], Programs] = {}
        self.state: State
        self._later: State

    def take(self, state: State, phase: schedule.Phase) -> None:
        """Holds a state, which is by name, from now on, as the steps of `phase` want it."""
        self._packing = self._run.packing(phase)
        packed, self._later = self._packing.packed(state)
        self.state = parallel.place(packed, self._mesh)

    def named(self) -> State:
        """The state by name, a copy on the host; all processes call it."""
        return self._packing.named(self.state, self._later)

    def drop(self) -> None:
        """Frees the devices' memory; `take` comes next."""
        jax.tree.map(lambda x: x.delete(), self.state)

    def step(self, moment: schedule.Moment, skipped: int, photos: dict[str, np.ndarray]) -> steps.Metrics:
        """One step with this host's part of the batch; its figures, which the devices may still be computing.

        skipped: examples left out so far. The first step of a phase is compiled first.
        """
        batch, clock = parallel.to_devices(photos, self._mesh), self._clock(moment, skipped)
        programs = self._compiled(moment.phase, batch, clock)
        with jax.transfer_guard("disallow"):
            self.state, metrics = programs(moment.nimg // moment.phase.batch, self.state, batch, clock, self._constants)
        return metrics

    def _clock(self, moment: schedule.Moment, skipped: int) -> steps.Clock:
        numbers = (np.float32(moment.alpha), np.float32(moment.lr), np.int32(moment.nimg + skipped))
        alpha, lr, stream = parallel.replicate(numbers, self._mesh)
        return steps.Clock(alpha=alpha, lr=lr, stream=stream, seed=self._seed)

    def _compiled(self, phase: schedule.Phase, batch: steps.Batch, clock: steps.Clock) -> Programs:
        """The programs of a phase; fade and stable phase of a resolution share them."""
        key = (phase.resolution_px, phase.batch)
        if key not in self._programs:
            args = self.state, batch, clock, self._constants
            what = f"{phase.resolution_px} px, batch {phase.batch}"
            with compiling.announced(what):
                self._programs = {key: Programs(self._run, phase, self._mesh, args)}
            if (mib := compiling.memory_mib(self._programs[key].compiled["step"])) is not None:
                log.info("the step of %s has %.1f MiB per device, as compiled", what, mib)
            self._after_compiling()
        return self._programs[key]
