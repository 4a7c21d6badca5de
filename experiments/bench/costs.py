"""What growing costs: every resolution's step, memory and compilation; the input's speed; the start; a long run.

python experiments/bench/costs.py --out experiments/bench

Writes costs.json and costs.md; parts that are there already are kept, unless `--force`. Every resolution is measured in
a process of its own, so that its peak of memory is its own.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import jax
import numpy as np
from PIL import Image

from experiments.bench import cases
from fec_jax.config import build
from fec_jax.config.build import networks_only
from fec_jax.data import pipeline
from fec_jax.data.prepare import prepare_folder
from fec_jax.data.source import Source, open_source
from fec_jax.data.synthetic.source import SyntheticFaces
from fec_jax.estimate import cost
from fec_jax.io.atomic import write_whole
from fec_jax.train import loop
from fec_jax.train.stopping import Stop

REPO = Path(__file__).resolve().parents[2]
BATCHES = {4: 16, 8: 16, 16: 16, 32: 16, 64: 16, 128: 8, 256: 4, 512: 2, 1024: 1}
WIDTHS = ("small", "narrow")
REPEATS = 3
LONG_STEPS = 2000


def config(width: str, px: int) -> dict[str, Any]:
    """A run that is at `px` from its first image, with everything a training has."""
    values = cases.config(width, px, BATCHES[px], LONG_STEPS * BATCHES[px] / 1000)
    values["loss"]["r1_gamma"] = 1e-5
    return values


def phase(width: str, px: int) -> dict[str, Any]:
    """One resolution: compiled, then timed. To be run in a fresh process."""
    run = networks_only(config(width, px), cases.NAMES)
    begun = time.perf_counter()
    programs, (state, batch, clock, constants) = cost.ready(run, run.phases[-1])
    compiled_s = time.perf_counter() - begun
    seconds = []
    for number in range(REPEATS + 1):
        begun = time.perf_counter()
        state, metrics = programs(number, state, batch, clock, constants)
        jax.block_until_ready((state, metrics))
        seconds.append(time.perf_counter() - begun)
    per_s = BATCHES[px] / float(np.median(seconds[1:]))
    return {
        "width": width, "resolution": px, "batch": BATCHES[px], "compile_s": round(compiled_s, 1),
        "images_per_s": round(per_s, 3), "megapixels_per_s": round(per_s * px * px / 1e6, 4),
        "peak_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }  # fmt: skip


def in_own_process(*args: str) -> Any:
    """What this script prints when it is called with `args`, from JSON."""
    done = subprocess.run([sys.executable, __file__, *args], capture_output=True, text=True, cwd=REPO)
    if done.returncode:
        raise SystemExit(f"costs.py {' '.join(args)}: {done.stderr.strip().splitlines()[-1]}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def phases() -> list[dict[str, Any]]:
    rows = []
    for width in WIDTHS:
        for px in BATCHES:
            rows.append(in_own_process("--phase", width, str(px)))
            print(rows[-1], flush=True)
    return rows


def inputs(folder: Path, count: int = 64, largest: int = 1024) -> list[dict[str, Any]]:
    """Images per second that the pipeline gives, by resolution: from the disk, by one thread and by two; and later.

    Later: when every photo was read once. Splits of up to 256 MiB are then kept in memory, larger ones decoded again.
    """
    photos = folder / "photos"
    photos.mkdir(parents=True)
    for i, face in enumerate(SyntheticFaces(count, largest).load(range(count))[0]):
        Image.fromarray(face).save(photos / f"{i:03d}.png")
    prepare_folder(photos, folder / "data", largest)

    def per_s(source: Source, px: int, threads: int) -> float:
        size = min(BATCHES[px], len(source))
        number = len(source) // size
        begun = time.perf_counter()
        for _ in pipeline.batches(source, seed=0, first_image=0, batch=size, num_batches=number, threads=threads):
            pass
        return number * size / (time.perf_counter() - begun)

    rows = []
    for px in (px for px in BATCHES if px <= largest):
        figures: dict[str, list[float]] = {"one_thread": [], "two_threads": [], "later": []}
        for _ in range(3):
            figures["one_thread"].append(per_s(open_source(folder / "data", px), px, 1))
            source = open_source(folder / "data", px)
            figures["two_threads"].append(per_s(source, px, 2))
            figures["later"].append(per_s(source, px, 2))
        rows.append({"resolution": px} | {name: round(float(np.median(v)), 1) for name, v in figures.items()})
        print(rows[-1], flush=True)
    return rows


def appetite(inputs: list[dict[str, Any]], phases: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """How many times as many images the pipeline reads from the disk as a step takes, by resolution."""
    rows = []
    for given in inputs:
        px = given["resolution"]
        eaten = {row["width"]: row["images_per_s"] for row in phases if row["resolution"] == px}
        times = {f"times_{width}": round(given["two_threads"] / speed, 1) for width, speed in eaten.items()}
        rows.append({"resolution": px, "read_per_s": given["two_threads"], **times})
    return rows


def start(folder: Path) -> dict[str, float]:
    """Seconds from the command to the end of the first step, without and with compiled programs kept from before."""
    changes = ("--config.schedule.px4.stable_kimg=0.016", "--config.every.log_kimg=0.001")
    seconds = {}
    for name in ("cold", "cached"):
        command = [sys.executable, "-u", "-m", "fec_jax.main", "--config=configs/quickstart.py", *changes]
        environment = {**os.environ, "JAX_COMPILATION_CACHE_DIR": str(folder / "compiled")}
        environment["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
        begun = time.perf_counter()
        with subprocess.Popen(
            [*command, f"--workdir={folder / name}"], cwd=REPO, env=environment, stderr=subprocess.PIPE, text=True
        ) as process:
            assert process.stderr
            for line in process.stderr:
                if " kimg  " in line:  # the first line of figures: the first step is done
                    break
            seconds[name] = round(time.perf_counter() - begun, 1)
            process.kill()
    return seconds


class Watched(loop.Trainer):
    """A training that notes memory and compilations after every step."""

    def __init__(self, *args: Any):
        self.compilations, self.notes = 0, list[tuple[float, int]]()
        jax.monitoring.register_event_duration_secs_listener(self._listen)
        super().__init__(*args)

    def _listen(self, event: str, duration_secs: float, **kwargs: str | int) -> None:
        self.compilations += event.endswith("backend_compile_duration")

    def _account(self, *args: Any) -> None:
        super()._account(*args)
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        self.notes.append((pages * os.sysconf("SC_PAGE_SIZE") / 2**20, self.compilations))


def long_run(folder: Path) -> dict[str, Any]:
    """Memory and compilations of 2,000 steps at 16 px, 40 of them with a checkpoint. To be run in a fresh process."""
    from ml_collections import ConfigDict

    values: Any = ConfigDict(config("small", 16))
    values.generator.update({"base": 256, "cap": 16})
    values.discriminator.update({"base": 256, "cap": 16})
    values.data.update({"train_size": 512, "test_size": 8})
    values.every.update({"checkpoint_kimg": 0.8, "grid_kimg": 0.0, "eval_kimg": 0.0})
    run = build.build(values)
    trainer = Watched(run, folder / "long")
    with Stop() as stop:
        trainer.train(stop)
    memory, compilations = np.array(trainer.notes).T
    first, last = memory[400:600], memory[-200:]
    return {
        "steps": len(memory),
        "mib_steps_400_to_600": round(float(np.median(first)), 1),
        "mib_last_200_steps": round(float(np.median(last)), 1),
        "compilations_after_step_20": int(compilations[-1] - compilations[20]),
    }


def report(costs: dict[str, Any]) -> str:
    """The parts that there are, as Markdown."""

    def table(rows: list[dict[str, Any]]) -> str:
        lines = [list(rows[0]), ["---"] * len(rows[0]), *([str(v) for v in row.values()] for row in rows)]
        return "".join("| " + " | ".join(line) + " |\n" for line in lines)

    shown = dict(costs)
    if costs.keys() >= {"input", "phases"}:
        shown["appetite"] = appetite(costs["input"], costs["phases"])
    parts = []
    for name, value in shown.items():
        parts.append(f"## {name}\n\n{table(value if isinstance(value, list) else [value])}")
    return "\n".join(parts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent)
    parser.add_argument("--force", action="store_true", help="measure everything again")
    parser.add_argument("--phase", nargs=2, metavar=("WIDTH", "PX"), help=argparse.SUPPRESS)
    parser.add_argument("--long-run", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.phase:
        print(json.dumps(phase(args.phase[0], int(args.phase[1]))))
        return
    if args.long_run:
        print(json.dumps(long_run(args.long_run)))
        return
    args.out.mkdir(parents=True, exist_ok=True)
    path = args.out / "costs.json"
    costs = json.loads(path.read_text()) if path.exists() and not args.force else {}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        parts: dict[str, Callable[[], Any]] = {
            "start_s": lambda: start(folder),
            "long_run": lambda: in_own_process("--long-run", str(folder)),
            "input": lambda: inputs(folder),
            "phases": phases,
        }
        for name, measure in parts.items():
            if name not in costs:
                costs[name] = measure()
                print(name, costs[name], flush=True)
                write_whole(path, (json.dumps(costs, indent=1) + "\n").encode())
    write_whole(args.out / "costs.md", report(costs).encode())


if __name__ == "__main__":
    main()
