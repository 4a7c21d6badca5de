"""Speed against PyTorch and against the machine: completions and training steps, same weights, same run, A B A B.

python experiments/bench/bench.py --out experiments/bench

Needs the extras `parity` (CPU torch) and `eval` (matplotlib). For every row both sides' results are compared first;
then they are timed in turn, `--rounds` times, and medians are reported; torch's is the faster of its two memory
formats. Each side has a process of its own, as it has when it is used, and its turn is `--calls` calls in a row after
one that is not timed: on a shared machine the first call after a wait is slower.
Writes results.json, table.md and plot.png; rows that are there already are kept, unless `--force`.

matmul_fraction: operations of the textbook networks, as torch counts them in the twin, over our time, over the rate of
a float32 matrix product in this run. A form with fewer operations can come out above 1.
"""

import argparse
import io
import json
import pickle
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import jax
import jax.numpy as jnp
import numpy as np

from experiments.bench.cases import COMPLETIONS, STEPS
from fec_jax.io.atomic import write_whole
from fec_jax.metrics.extra import need

REPO = Path(__file__).resolve().parents[2]
SIDES = ("ours", "contiguous", "channels_last")
# Largest difference of results, as part of the largest: of images, and of the losses of a step.
TOLERANCES = {"completion": 1e-4, "train_step": 1e-3}


def matmul_rate(n: int = 3072) -> float:
    """FLOP/s of a float32 matrix product, the best of some."""
    a = jnp.ones((n, n))
    product = jax.jit(lambda a: a @ a)

    def seconds(f: Callable[[], Any]) -> float:
        begun = time.perf_counter()
        f()
        return time.perf_counter() - begun

    return 2 * n**3 / min(seconds(lambda: product(a).block_until_ready()) for _ in range(6))


def measure(what: str, width: str, px: int, batch: int, rounds: int, calls: int, rate: float) -> dict[str, Any]:
    """One row of the table. Ends the program if the results differ: such times are not comparable."""
    case = (what, width, str(px), str(batch))
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        processes, ready = [], {}
        for side in SIDES:
            process = stack.enter_context(
                subprocess.Popen(
                    [sys.executable, "-m", "experiments.bench.side", side, *case, folder],
                    cwd=REPO, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                )
            )  # fmt: skip
            stack.callback(process.kill)
            processes.append(process)
            ready |= heard(process, side, case)
        mine, *others = (pickle.loads((Path(folder) / f"{side}.pkl").read_bytes()) for side in SIDES)
        for other in others:
            same(mine, other, " ".join(case), TOLERANCES[what])
        seconds: list[list[float]] = [[] for _ in SIDES]
        for _ in range(rounds):
            for process, side, so_far in zip(processes, SIDES, seconds, strict=True):
                assert process.stdin
                process.stdin.write(f"{calls}\n")
                process.stdin.flush()
                so_far += heard(process, side, case)
    ours, *torchs = (float(np.median(so_far)) for so_far in seconds)
    return row(what, width, px, batch, ours, min(torchs), ready["operations"] / ours / rate)


def heard(process: subprocess.Popen[str], side: str, case: tuple[str, ...]) -> Any:
    """The next line of a side, from JSON."""
    assert process.stdout
    line = process.stdout.readline()
    if not line:
        raise SystemExit(f"{' '.join(case)}: {side} ended before its turn, for the reason above")
    return json.loads(line)


def same(ours: np.ndarray, theirs: np.ndarray, what: str, tolerance: float) -> None:
    worst = float(np.abs(ours - theirs).max() / np.abs(ours).max())
    if not worst < tolerance:
        raise SystemExit(f"{what}: torch's twin differs by {worst:.1e} of the range; not timed")


def row(
    what: str, width: str, px: int, batch: int, ours: float, theirs: float, fraction: float
) -> dict[str, str | int | float]:
    return {
        "what": what, "width": width, "resolution": px, "batch": batch, "ours_ms": round(ours * 1e3, 2),
        "torch_ms": round(theirs * 1e3, 2), "ratio": round(theirs / ours, 3), "matmul_fraction": round(fraction, 3),
    }  # fmt: skip


def table(rows: list[dict[str, Any]]) -> str:
    names = ("what", "width", "resolution", "batch", "ours_ms", "torch_ms", "ratio", "matmul_fraction")
    lines = [names, ["---"] * len(names), *([str(r[name]) for name in names] for r in rows)]
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)


def plot(rows: list[dict[str, Any]]) -> bytes:
    """Speed beside torch's and share of the matrix product's rate, as PNG. Needs matplotlib (extra `eval`)."""
    figure = need("matplotlib.figure").Figure(figsize=(11, 0.32 * len(rows) + 1.2), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    names = [f"{r['what'].replace('_', ' ')}, {r['width']}, {r['resolution']} px, batch {r['batch']}" for r in rows]
    for axes, key, label in (
        (left, "ratio", "speed, torch = 1 (logarithmic)"),
        (right, "matmul_fraction", "operations per second, matrix product = 1"),
    ):
        values = [r[key] for r in rows]
        axes.barh(names, values, color=["C0" if r["what"] == "completion" else "C1" for r in rows])
        axes.axvline(1, color="black", linewidth=1)
        axes.set_xlabel(label)
        for y, value in enumerate(values):
            axes.annotate(f" {value:.2f}", (value, y), va="center", fontsize=8)
    left.set_xscale("log")
    left.margins(x=0.15)
    left.invert_yaxis()
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    return buffer.getvalue()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent)
    parser.add_argument("--rounds", type=int, default=5, help="turns of each side")
    parser.add_argument("--calls", type=int, default=3, help="timed calls of a turn")
    parser.add_argument("--most-px", type=int, default=1024, help="leave larger ones out")
    parser.add_argument("--force", action="store_true", help="measure everything again")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    path = args.out / "results.json"
    rows = json.loads(path.read_text()) if path.exists() and not args.force else []
    done = {(r["what"], r["width"], r["resolution"], r["batch"]) for r in rows}
    rate = matmul_rate()
    print(f"float32 matrix product: {rate / 1e9:.0f} GFLOP/s", flush=True)
    for what, cases in (("completion", COMPLETIONS), ("train_step", STEPS)):
        for case in cases:
            if (what, *case) not in done and case[1] <= args.most_px:
                rows.append(measure(what, *case, args.rounds, args.calls, rate))
                print(rows[-1], flush=True)
                write_whole(path, (json.dumps(rows, indent=1) + "\n").encode())
    write_whole(args.out / "table.md", table(rows).encode())
    write_whole(args.out / "plot.png", plot(rows))
    print(table(rows))


if __name__ == "__main__":
    main()
