"""Completions and training steps on a GPU, beside PyTorch's and beside what the card can do: first figures in minutes.

python experiments/gpu/measure.py              # eight minutes; again for the rows that are missing
python experiments/gpu/measure.py --tiny       # the whole path in small, on any machine

Needs a GPU, `pip install -e '.[cuda]'`, and for PyTorch's side the CUDA build of torch (the version of the extra
`parity`); without it our rows are measured alone. The most important rows come first (`rows.py`): results beside the
CPU's, the card's rates, completion at 1024 px, training steps, and so on. Each row has a process of its own and is in
results.json as soon as it is done; table.md is made of that. Rows that are there for this card are kept; those that
failed have an `error` and come last the next time. The program may be stopped at any time.
"""

import argparse
import datetime
import importlib.util
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from experiments.gpu import rows, table
from experiments.gpu.asking import REPO, FailedError, ask
from experiments.gpu.rows import Row
from fec_jax.io.atomic import write_whole

TOLERANCES = {"check": 1e-3, "float32": 0.02, "bfloat16": 0.1}
"""Largest difference of results, as a share of the largest: from the CPU's; of torch's, in TF32 and in bfloat16."""
SECONDS, TINY_SECONDS = 1.0, 0.05
"""For which a row's calls are timed."""
NO_TORCH = "torch is not installed: pip install torch, of the version of the extra `parity`, in its CUDA build"


class Results:
    """results.json and table.md of a folder: whole at any time."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / "results.json"
        self.rows: table.Rows = json.loads(path.read_text()) if path.exists() else []

    def find(self, card: str, key: dict[str, Any]) -> dict[str, Any]:
        """The row of this key; an empty one if it is not there."""
        return next((row for row in self.rows if row["card"] == card and row.items() >= key.items()), {})

    def put(self, new: dict[str, Any]) -> None:
        """Writes a row, in the place of the one that was there."""
        old = self.find(new["card"], {name: new[name] for name in rows.KEY})
        at = self.rows.index(old) if old else len(self.rows)
        self.rows[at : at + 1] = [new]
        self.rows = table.completed(self.rows)
        text = ",\n".join(json.dumps(rounded(row)) for row in self.rows)
        write_whole(self.folder / "results.json", f"[\n{text}\n]\n".encode())
        write_whole(self.folder / "table.md", table.document(self.rows).encode())


def rounded(value: Any) -> Any:
    """Numbers with six significant digits."""
    if isinstance(value, dict):
        return {name: rounded(each) for name, each in value.items()}
    if isinstance(value, list):
        return [rounded(each) for each in value]
    return float(f"{value:.6g}") if isinstance(value, float) else value


def measure(row: Row, about: dict[str, Any], results: Results, seconds: float, each: float) -> dict[str, Any]:
    """Measures a row within `seconds` and writes it, also what there is of it when it fails. about: of every row."""
    began = time.monotonic()
    new = {**row.key, **about, "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d")}
    asked = {**row.key, "seconds": each, "gpu": about["platform"] == "gpu"}
    try:
        if row.what.startswith("check_"):
            cpus = list(ask(asked | {"side": "reference"}, seconds, "cpu"))[-1]
            cards = list(ask(asked, seconds - (time.monotonic() - began)))[-1]
            new["difference"] = table.apart(cpus["values"], cards["values"])
            if not new["difference"] <= TOLERANCES["check"]:
                raise FailedError(f"differs from the CPU's by {new['difference']:.1e}")
        else:
            counting, counted = count(asked, seconds) if row.side == "ours" and row.what != "rates" else (None, {})
            for figures in ask(asked, seconds, None if row.side == "ours" else "cpu"):
                results.put(new | figures | {"error": "stopped before it was done"})
                new |= figures
            if counting:
                counting.join()
                new |= counted
        if row.side != "ours":
            mine = results.find(about["card"], row.key | {"side": "ours"}).get("values")
            if mine:
                new["difference"] = table.apart(mine, new["values"])
                if not new["difference"] <= TOLERANCES[row.dtype]:
                    raise FailedError(f"torch's twin differs by {new['difference']:.1e}: such times are not comparable")
    except FailedError as error:
        new["error"] = str(error)
    results.put(new)
    return new


def count(asked: dict[str, Any], seconds: float) -> tuple[threading.Thread, dict[str, Any]]:
    """Counts a row's operations on the CPU, meanwhile: the thread that does, and where it writes what it finds."""
    found: dict[str, Any] = {}

    def work() -> None:
        try:
            found.update(list(ask(asked | {"side": "operations"}, seconds, "cpu"))[-1])
        except FailedError as error:
            found["not_counted"] = str(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread, found


def torch_is_there() -> bool:
    return importlib.util.find_spec("torch") is not None


def run(planned: list[Row], about: dict[str, Any], results: Results, deadline: float, each: float) -> None:
    """Measures what is missing, as far as the time goes; deadline: of `time.monotonic`."""
    missing = rows.left(planned, results.rows, about["card"])
    no_torch = None if torch_is_there() else NO_TORCH
    for number, row in enumerate(missing):
        if row.side != "ours" and no_torch:
            new = {**row.key, **about, "error": no_torch}
            results.put(new)
        else:
            seconds = rows.limit(row, deadline - time.monotonic(), last=number + 1 == len(missing))
            if seconds is None:
                print(f"no time left for: {row}", flush=True)
                continue
            begun = time.monotonic()
            new = measure(row, about, results, seconds, each)
            print(f"{time.monotonic() - begun:4.0f} s  {row}: {said(new)}", flush=True)
            if "sees no GPU" in new.get("error", ""):
                no_torch = new["error"]
    if no_torch:
        print(f"PyTorch's rows: {no_torch}")


def said(row: dict[str, Any]) -> str:
    """A row's figures in a few words."""
    if "error" in row:
        return f"error: {row['error']}"
    figures = {k: v for k, v in row.items() if isinstance(v, float) and not isinstance(v, bool)}
    return ", ".join(f"{name} {table.shown(value)}" for name, value in figures.items())


def commit() -> str | None:
    """What git calls this version, if git is there."""
    try:
        done = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=REPO, capture_output=True, text=True)
    except OSError:
        return None
    return done.stdout.strip() or None


def complain(text: str) -> None:
    print(f"measure.py: {text}", file=sys.stderr)
    sys.exit(2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=8.0, help="of all; no row is begun that cannot end within")
    parser.add_argument("--tiny", action="store_true", help="a few small rows, also without a GPU; into runs/gpu_tiny")
    parser.add_argument("--out", type=Path, help="folder of results.json and table.md; default: this one")
    args = parser.parse_args()
    deadline = time.monotonic() + 60 * args.minutes
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    if "autotune_level=0" in os.environ.get("XLA_FLAGS", ""):
        complain("XLA_FLAGS turns autotuning off, and such figures say nothing: remove xla_gpu_autotune_level=0")
    try:
        found = list(ask({"what": "card"}, 120))[-1]
    except FailedError as error:
        complain(f"JAX does not start: {error}")
        return
    if found["platform"] != "gpu" and not args.tiny:
        complain(
            f"no GPU, JAX has {found['card']} only: install the extra `cuda` where there is one; --tiny tries this"
        )
    results = Results(args.out or (REPO / "runs/gpu_tiny" if args.tiny else Path(__file__).parent))
    about = {**found, "commit": commit()}
    run(rows.plan(args.tiny), about, results, deadline, TINY_SECONDS if args.tiny else SECONDS)
    print(f"\n{table.document(results.rows)}\n{results.folder / 'table.md'}")


if __name__ == "__main__":
    main()
