"""Runs a table of trainings, every row with every seed, and reports mean and standard deviation over the seeds.

python experiments/sweep.py experiments/sweeps/ablation.py --jobs 2

Each run is `python -m fec_jax.main` in a folder of its own, OUT/ROW/seedN. The same command resumes: a finished run is
not repeated, an interrupted one resumes from its checkpoint, a failed one is tried again. Ctrl-C and SIGTERM let the
running ones save first. The report is in OUT/report: table.md, table.csv, results.json, curves.png, bars.png.
`experiments/sweeping/table.py` says how a table is written. Exit code: 2 and one line for a mistake, 1 if a run failed.
"""

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from experiments.sweeping import report, results, running
from experiments.sweeping import table as tables
from experiments.sweeping.table import Planned, Table
from fec_jax.io.lock import locked
from fec_jax.metrics.extra import need
from fec_jax.train.stopping import Stop
from fec_jax.types import UserError


def main(argv: Sequence[str] | None = None) -> int:
    """Does what the command line says. Returns the exit code."""
    try:
        return _main(_arguments(argv))
    except UserError as error:
        print(f"sweep: {error}", file=sys.stderr)
        return 2


def _main(args: argparse.Namespace) -> int:
    table = tables.read(args.table)
    out = (args.out or Path("runs") / table.name).absolute()
    rows = args.only or list(table.rows)
    for row in rows:
        if row not in table.rows:
            raise UserError(f"--only {row!r}: {args.table} has no such row; it has: {', '.join(table.rows)}")
    if args.jobs < 1:
        raise UserError(f"--jobs is {args.jobs}: it must be at least 1")
    need("matplotlib.figure")  # fail now, not after the last run
    plan = tables.plan(table, out)
    chosen = [planned for planned in plan if planned.row in rows]
    if args.dry_run:
        for planned in chosen:
            print(f"{_standing(planned)}: {planned.command}")
        return 0
    try:
        out.mkdir(parents=True, exist_ok=True)
        with locked(out, "sweep", "--out"):
            return _sweep(table, plan, chosen, out, args.jobs)
    except OSError as error:
        raise UserError(f"reading or writing failed ({error}): fix that, then the same command resumes") from error


def _sweep(table: Table, plan: Sequence[Planned], chosen: Sequence[Planned], out: Path, jobs: int) -> int:
    todo = [planned for planned in chosen if not planned.finished()]
    _say(f"{table.name}: {len(chosen)} runs, {len(chosen) - len(todo)} of them finished before; in {out}")
    with Stop() as stop:
        progress = _Progress(len(todo), jobs, stop)
        running.run_all(todo, jobs, _environment(out), progress.ended, stop)
        stopped = stop.asked
    finished = [planned for planned in plan if planned.finished()]
    if not stopped and table.measure:
        for planned in finished:
            if not results.measured(planned, table):
                _say(f"measuring {planned.name}")
                results.measure(planned, table.measure, out)
    if table.measure:
        finished = [planned for planned in finished if results.measured(planned, table)]
    if finished:
        folder = out / "report"
        report.write(table, [results.read(planned, table) for planned in finished], folder)
        _say("", (folder / "table.md").read_text(), f"{len(finished)} of {len(plan)} runs are in {folder}")
    if progress.failed:
        _say(f"{len(progress.failed)} runs failed: {'; '.join(progress.failed)}. The same command tries them again.")
    if stopped:
        _say("stopped: the same command resumes")
    return 1 if progress.failed else 0


class _Progress:
    """Says how each run ended, and how long the rest will take."""

    def __init__(self, total: int, jobs: int, stop: Stop):
        self.failed: list[str] = []
        self._total, self._jobs, self._stop = total, jobs, stop
        self._seconds: list[float] = []
        self._count = 0

    def ended(self, end: running.Ended) -> None:
        self._count += 1
        name, at = end.planned.name, f"[{self._count}/{self._total}]"
        if end.finished:
            self._seconds.append(end.wall_s)
            left = sum(self._seconds) / len(self._seconds) * (self._total - self._count) / self._jobs
            _say(f"{at} {name}: finished in {end.wall_s:.0f} s; about {left / 60:.0f} min left")
        elif self._stop.asked and end.code in (0, -signal.SIGTERM):  # saved, or nothing to save yet
            _say(f"{at} {name}: stopped at {end.planned.reached() / 1000:g} kimg")
        else:
            self.failed.append(name)
            _say(f"{at} {name}: FAILED with exit code {end.code}; the end of {end.planned.workdir / running.LOG}:")
            _say(*(f"    {line}" for line in end.last_lines()))


def _standing(planned: Planned) -> str:
    if planned.finished():
        return f"{planned.name}, finished"
    nimg = planned.reached()
    return f"{planned.name}, {nimg / 1000:g} of {planned.total_nimg / 1000:g} kimg"


def _environment(out: Path) -> dict[str, str]:
    """For the runs. Seeds share compiled programs through the cache."""
    cache = {
        "JAX_COMPILATION_CACHE_DIR": str(out / ".jax_cache"),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
        "XLA_PYTHON_CLIENT_PREALLOCATE": "false",  # several share an accelerator
    }
    return cache | os.environ


def _say(*lines: str) -> None:
    for line in lines:
        print(line, flush=True)


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", type=Path, help="a Python file: rows of changes, seeds, figures")
    parser.add_argument("--out", type=Path, help="folder of the sweep; default: runs/NAME, after the table's file")
    parser.add_argument("--jobs", type=int, default=1, help="runs at a time, each on its share of the cores")
    parser.add_argument("--only", action="append", metavar="ROW", help="run this row only; may be repeated")
    parser.add_argument("--dry-run", action="store_true", help="list what would run, and run nothing")
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main())
