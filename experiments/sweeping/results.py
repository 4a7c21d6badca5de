"""What finished runs gave: read from their workdirs, and put together over seeds."""

import json
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments.sweeping import running
from experiments.sweeping.table import Measure, Planned, Table
from fec_jax.io.atomic import write_whole
from fec_jax.types import UserError

MEASURED = "figures.json"
"""In the workdir: what the table's `measure` gave."""


@dataclass(frozen=True)
class Point:
    """A figure in the middle of a run. px: resolution then; train_s: see `Result`."""

    nimg: int
    px: int
    train_s: float
    value: float


@dataclass(frozen=True)
class Result:
    """A finished run. figures: the last ones of `metrics.jsonl` and those of `measure`. curve: of the first figure.

    train_s: seconds of training steps by the run's own clock (images of each resolution over the speed it ended with):
    compilation, pictures, figures and checkpoints are not counted. wall_s: all seconds from start to end.
    commits: the code's, each time that the run was started.
    """

    planned: Planned
    figures: Mapping[str, float]
    curve: Sequence[Point]
    train_s: float
    wall_s: float | None
    commits: Sequence[str] = ()

    def figure(self, name: str) -> float:
        """Raises UserError if the run has no such figure."""
        if name not in self.figures:
            raise UserError(
                f"{self.planned.name} has no figure {name!r} (see FIGURES in the table); it has: "
                f"{', '.join(sorted(self.figures))}"
            )
        return self.figures[name]


@dataclass(frozen=True)
class Spread:
    """Mean, sample standard deviation (None for one value only) and the values themselves, one per seed."""

    mean: float
    std: float | None
    values: tuple[float, ...]

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread | None":
        """None without values, or if one of them is not a number."""
        if not values or not all(map(math.isfinite, values)):
            return None
        return cls(statistics.fmean(values), statistics.stdev(values) if len(values) > 1 else None, tuple(values))


def measure(planned: Planned, function: Measure, out: Path) -> None:
    """Calls the table's `measure` for a finished run and keeps what it says beside it."""
    figures = {name: float(value) for name, value in function(planned.workdir, out).items()}
    write_whole(planned.workdir / MEASURED, (json.dumps(figures, indent=1) + "\n").encode())


def measured(planned: Planned, table: Table) -> bool:
    """Whether every figure of the table is there; not before `measure` has run, or if the table has got another one."""
    try:
        figures = json.loads((planned.workdir / MEASURED).read_text())
        while_training = (planned.workdir / "metrics.jsonl").read_text()
    except (OSError, ValueError):
        return False
    return all(figure.name in figures or f'"eval/{figure.name}"' in while_training for figure in table.figures)


def read(planned: Planned, table: Table) -> Result:
    """Reads a finished run. Raises UserError if its files are damaged or lack a figure of the table."""
    try:
        lines = [json.loads(line) for line in (planned.workdir / "metrics.jsonl").read_text().splitlines()]
        path = planned.workdir / MEASURED
        measured = json.loads(path.read_text()) if table.measure else {}
        held_out = [line for line in lines if any(name.startswith("eval/") for name in line)]
        speeds = _speeds(planned, lines)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{planned.workdir} cannot be read ({error}): remove that folder and start again") from error
    last = held_out[-1] if held_out else {}
    figures = {name.removeprefix("eval/"): float(last[name]) for name in last if name.startswith("eval/")} | measured
    key = f"eval/{table.figures[0].name}"
    curve = [
        Point(line["nimg"], _px(planned, line["nimg"]), _train_s(planned, speeds, line["nimg"]), line[key])
        for line in held_out
        if key in line
    ]
    seconds = _train_s(planned, speeds, planned.total_nimg)
    result = Result(planned, figures, curve, seconds, running.wall_s(planned), running.commits(planned))
    for figure in table.figures:
        result.figure(figure.name)
    return result


def spread(results: Sequence[Result], row: str, name: str) -> Spread | None:
    """A figure of a row over the seeds."""
    return Spread.of([result.figure(name) for result in results if result.planned.row == row])


def difference(results: Sequence[Result], row: str, reference: str, name: str) -> Spread | None:
    """What a row has more than the reference row, seed by seed: chance that both share cancels."""
    by_seed = [
        {result.planned.seed: result.figure(name) for result in results if result.planned.row == each}
        for each in (row, reference)
    ]
    both = sorted(by_seed[0].keys() & by_seed[1].keys())
    return Spread.of([by_seed[0][seed] - by_seed[1][seed] for seed in both])


def _speeds(planned: Planned, lines: Sequence[Mapping[str, Any]]) -> dict[int, float]:
    """Images per second at every resolution, as last logged."""
    return {_px(planned, line["nimg"]): line["images_per_s"] for line in lines if line.get("images_per_s")}


def _px(planned: Planned, nimg: int) -> int:
    """The resolution of the step that ended at `nimg` images."""
    return next(phase.resolution_px for phase in planned.phases if nimg <= phase.end_nimg)


def _train_s(planned: Planned, speeds: Mapping[int, float], nimg: int) -> float:
    images: dict[int, int] = {}
    for phase in planned.phases:
        px = phase.resolution_px
        images[px] = images.get(px, 0) + max(0, min(nimg, phase.end_nimg) - phase.start_nimg)
    return sum(count / speeds[px] if px in speeds else math.nan for px, count in images.items() if count)
