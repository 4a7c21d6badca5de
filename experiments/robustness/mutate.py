"""Damages photos, masks, tables and weights at random and runs the commands on them: no traceback, nothing lost.

python experiments/robustness/mutate.py
python experiments/robustness/mutate.py --seed 0 --only 137 --keep FOLDER

Runs `fec complete` and `fec prepare folder` in this process, with a network of 8 px and random weights. What a command
must do with any files is in `verdict.py`. Prints a table of kinds and outcomes, and for every fault the command that
repeats it; `--only` shows its traceback, `--keep` leaves its files. Ctrl-C: the table of the cases so far. Exit code:
1 if there was a fault.
"""

import argparse
import contextlib
import faulthandler
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from experiments.robustness import cases, verdict
from fec_jax.complete import completer
from fec_jax.weights.format import Weights

OUTCOMES = ("done", "some failed", "refused", "fault")


@dataclass(frozen=True)
class Tried:
    """What became of a case; `fault` is empty, or says what was wrong."""

    number: int
    kind: str
    damage: str
    outcome: str
    fault: str
    seconds: float


@contextlib.contextmanager
def compiled_once() -> Iterator[None]:
    """Lets all `Completer`s of equal networks share their compiled programs: without it each case compiles its own."""
    programs: dict[str, tuple[Any, Any]] = {}
    real = completer.Completer

    class Shared(real):
        def __init__(self, weights: Weights) -> None:
            super().__init__(weights)
            meta = weights.meta
            key = repr((meta.resolution_px, len(meta.attribute_names), meta.generator, meta.discriminator))
            self._g, self._d = programs.setdefault(key, (self._g, self._d))

    setattr(completer, real.__name__, Shared)
    try:
        yield
    finally:
        setattr(completer, real.__name__, real)


def attempt(whole: cases.Whole, seed: int, number: int, folder: Path) -> Tried:
    """Writes case `number` into `folder`, which is empty, and runs it there."""
    case = cases.case(whole, seed, number)
    began = time.monotonic()
    here = os.getcwd()
    os.chdir(folder)
    try:
        outcome, fault = verdict.judged(case, Path())
    finally:
        os.chdir(here)
    return Tried(number, case.kind, case.damage, outcome, fault, time.monotonic() - began)


def attempts(seed: int, numbers: Sequence[int]) -> Iterator[Tried]:
    """The cases `numbers`, each in a folder of its own that is gone afterwards."""
    with tempfile.TemporaryDirectory() as folder, compiled_once():
        whole = cases.Whole.made(Path(folder))
        for number in numbers:
            with tempfile.TemporaryDirectory(dir=folder) as own:
                yield attempt(whole, seed, number, Path(own))


def table(tried: Sequence[Tried], what: str) -> str:
    """Outcomes by `kind` or by `damage`, in Markdown."""
    counts = Counter((getattr(t, what), t.outcome) for t in tried)
    rows = [f"| {what} | cases | {' | '.join(OUTCOMES)} |", "|---" * (2 + len(OUTCOMES)) + "|"]
    for name in (*sorted({getattr(t, what) for t in tried}), "all"):
        of = [sum(n for (k, o), n in counts.items() if o == outcome and name in (k, "all")) for outcome in OUTCOMES]
        rows.append(f"| {name} | {sum(of)} | {' | '.join(map(str, of))} |")
    return "\n".join(rows)


def _tell(one: Tried, seed: int) -> None:
    if one.fault:
        print(f"case {one.number} ({one.kind}; {one.damage}): {one.fault}")
        print(f"  python experiments/robustness/mutate.py --seed {seed} --only {one.number}", flush=True)
    if one.number % 100 == 99:
        print(f"{one.number + 1} cases", file=sys.stderr)


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=2000, help="how many cases")
    parser.add_argument("--seed", type=int, default=0, help="which ones")
    parser.add_argument("--only", type=int, metavar="N", help="this case alone")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="with --only: leave its files there")
    args = parser.parse_args(argv)
    if args.keep is not None and args.only is None:
        parser.error("--keep needs --only N")
    if args.keep is not None:
        args.keep.mkdir(parents=True)
        with tempfile.TemporaryDirectory() as folder, compiled_once():
            tried = [attempt(cases.Whole.made(Path(folder)), args.seed, args.only, args.keep)]
    else:
        tried = []
        with contextlib.suppress(KeyboardInterrupt):
            for one in attempts(args.seed, range(args.count) if args.only is None else [args.only]):
                tried.append(one)
                _tell(one, args.seed)
    if not tried:
        return 130
    for what in ("kind", "damage"):
        print(f"\n{table(tried, what)}")
    slowest = max(tried, key=lambda t: t.seconds)
    print(f"\nslowest: case {slowest.number}, {slowest.seconds:.1f} s ({slowest.kind}; {slowest.damage})")
    return int(any(t.fault for t in tried))


if __name__ == "__main__":
    faulthandler.enable()  # a decoder may end the whole process
    sys.exit(main())
