"""Speed against PyTorch and against the machine: completions and training steps, same weights, same run, A B A B.

python experiments/bench/bench.py --out experiments/bench

Needs the extras `parity` (CPU torch) and `eval` (matplotlib). For every row both sides' results are compared first,
then both are timed in turn, `--rounds` times, and medians are reported; torch's is the faster of its two memory
formats.
Writes results.json, table.md and plot.png; rows that are there already are kept, unless `--force`.

matmul_fraction: operations of the textbook networks, as torch counts them in the twin, over our time, over the rate of
a float32 matrix product in this run. A form with fewer operations can so come out above 1.
"""

import argparse
import io
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import jax
import jax.numpy as jnp
import numpy as np
import torch  # pyright: ignore[reportMissingImports]
from torch.utils.flop_counter import FlopCounterMode  # pyright: ignore[reportMissingImports]

from experiments.bench import twin
from fec_jax import estimate, masks
from fec_jax.build import networks_only
from fec_jax.metrics.extra import need
from fec_jax.nets.generator import Generator
from fec_jax.placing import write_whole
from fec_jax.train import examples

WIDTHS = {"full": (16384, 512, 512), "narrow": (4096, 256, 256), "small": (1024, 64, 128)}
COMPLETIONS = [("full", 64, 1), ("full", 64, 8), ("full", 256, 1), ("full", 512, 1), ("full", 1024, 1)]
COMPLETIONS += [("narrow", 64, 1), ("narrow", 64, 8), ("narrow", 256, 1), ("narrow", 512, 1), ("narrow", 1024, 1)]
STEPS = [("small", 64, 16), ("narrow", 64, 8), ("narrow", 128, 8), ("narrow", 256, 4)]
NAMES = tuple(f"attribute_{i}" for i in range(7))


def seconds(f: Callable[[], Any]) -> float:
    begun = time.perf_counter()
    f()
    return time.perf_counter() - begun


def in_turn(rounds: int, *sides: Callable[[], Any]) -> list[float]:
    """Median seconds of each side, which run one after the other, `rounds` times; a first round warms up."""
    for side in sides:
        side()
    return np.median([[seconds(side) for side in sides] for _ in range(rounds)], axis=0).tolist()


def matmul_rate(n: int = 3072) -> float:
    """FLOP/s of a float32 matrix product, the best of some."""
    a = jnp.ones((n, n))
    product = jax.jit(lambda a: a @ a)
    return 2 * n**3 / min(seconds(lambda: product(a).block_until_ready()) for _ in range(6))


def operations(f: Callable[[], Any]) -> int:
    """Floating-point operations of torch's convolutions and matrix products in `f`, there and back."""
    with FlopCounterMode(display=False) as counter:
        f()
    return counter.get_total_flops()


def same(ours: np.ndarray, theirs: np.ndarray, what: str, tolerance: float = 1e-4) -> None:
    worst = float(np.abs(ours - theirs).max() / np.abs(ours).max())
    if not worst < tolerance:
        raise SystemExit(f"{what}: torch's twin differs by {worst:.1e} of the range; no use timing it")


def completion(width: str, px: int, batch: int, rounds: int, rate: float) -> dict[str, Any]:
    """One forward pass of G, its result in host memory, on both sides."""
    base, cap, latent = WIDTHS[width]
    g = Generator(max_px=px, base=base, cap=cap, num_attrs=len(NAMES), latent=latent)
    rng = np.random.default_rng(0)
    real = rng.uniform(-1, 1, (batch, px, px, 3)).astype(np.float32)
    mask = np.broadcast_to(np.asarray(masks.center(px)), (batch, px, px, 1)).astype(np.float32)
    attrs = rng.integers(0, 2, (batch, len(NAMES))).astype(np.float32)
    inputs = tuple(map(jnp.asarray, (real * (1 - mask), mask, attrs)))
    init = jax.jit(lambda key: g.init(key, *inputs, 1.0, resolution_px=px)["params"])
    params = init(jax.random.key(0))
    forward = jax.jit(lambda p, *x: g.apply({"params": p}, *x, 1.0, resolution_px=px))
    compiled = forward.lower(params, *inputs).compile()

    def ours() -> np.ndarray:
        return np.asarray(compiled(params, *inputs))

    def theirs(channels_last: bool) -> Callable[[], np.ndarray]:
        weights = twin.from_flax(jax.device_get(params), channels_last)
        x, m = (twin.to_torch(np.asarray(image), channels_last) for image in inputs[:2])
        wishes = torch.from_numpy(np.array(attrs))

        def run() -> np.ndarray:
            with torch.inference_mode():
                return twin.to_numpy(twin.generator(weights, x, m, wishes, px))

        return run

    formats = [theirs(False), theirs(True)]
    for side in formats:
        same(ours(), side(), f"completion {width} {px} px")
    flops = operations(formats[0])
    mine, *torchs = in_turn(rounds, ours, *formats)
    return row("completion", width, px, batch, mine, min(torchs), flops / mine / rate)


def train_step(width: str, px: int, batch: int, rounds: int, rate: float) -> dict[str, Any]:
    """D's and G's updates with all five losses. Ours also draws masks, wishes and history; the twin gets them."""
    run = networks_only(config(width, px, batch), NAMES)
    phase, r = run.phases[-1], run.recipe
    compiled, (state, photos, clock, vgg) = estimate.ready(run, phase)
    g_params, d_params = jax.device_get((state.g_params, state.d_params))
    ex = jax.device_get(
        examples.make(
            photos.real, photos.attrs, jnp.arange(batch), clock.seed, clock.alpha,
            sampler=r.sampler, mask_px=px, augment=r.augment, keep_probability=r.keep_probability,
        )
    )  # fmt: skip
    figures: list[tuple[float, float]] = []

    def ours() -> None:
        nonlocal state
        state, metrics = compiled(state, photos, clock, vgg)
        figures.append((float(metrics.g_loss), float(metrics.d_loss)))
        jax.block_until_ready(state)

    def theirs(channels_last: bool) -> tuple[Callable[[], tuple[float, float]], tuple[float, float]]:
        training = twin.Training(g_params, d_params, jax.device_get(vgg), r.lambdas, px, channels_last)
        images = [twin.to_torch(x, channels_last) for x in (ex.real, ex.mask)]
        given = (*images, *(torch.from_numpy(np.array(x)) for x in (ex.attrs, ex.wanted_attrs)))
        return lambda: training.step(*given), training.step(*given)

    ours()
    sides = [theirs(False), theirs(True)]
    for _, first in sides:
        same(np.array(figures[0]), np.array(first), f"train step {width} {px} px", 1e-3)
    flops = operations(sides[0][0])
    mine, *torchs = in_turn(rounds, ours, *(side for side, _ in sides))
    return row("train_step", width, px, batch, mine, min(torchs), flops / mine / rate)


def config(width: str, px: int, batch: int) -> dict[str, Any]:
    """A run that is at `px` from its first image, without what the twin has not: penalty, augmentation, memory."""
    from configs.common import get_config
    from configs.common import row as schedule_row

    values: Any = get_config()
    values.resolution_px = px
    values.schedule[f"px{px}"] = schedule_row(0, 1, 1e-3)
    values.batch[f"px{px}"] = batch
    base, cap, latent = WIDTHS[width]
    values.generator.update({"base": base, "cap": cap, "latent": latent})
    values.discriminator.update({"base": base, "cap": cap})
    values.augment.mirror = False
    values.history.share = 0.0
    values.loss.r1_gamma = 0.0
    return values.to_dict()


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
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--most-px", type=int, default=1024, help="leave larger ones out")
    parser.add_argument("--force", action="store_true", help="measure everything again")
    args = parser.parse_args()
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    args.out.mkdir(parents=True, exist_ok=True)
    path = args.out / "results.json"
    rows = json.loads(path.read_text()) if path.exists() and not args.force else []
    done = {(r["what"], r["width"], r["resolution"], r["batch"]) for r in rows}
    rate = matmul_rate()
    print(f"float32 matrix product: {rate / 1e9:.0f} GFLOP/s", flush=True)
    for what, cases in (("completion", COMPLETIONS), ("train_step", STEPS)):
        measure = completion if what == "completion" else train_step
        for case in cases:
            if (what, *case) not in done and case[1] <= args.most_px:
                rows.append(measure(*case, args.rounds, rate))
                print(rows[-1], flush=True)
                write_whole(path, (json.dumps(rows, indent=1) + "\n").encode())
    write_whole(args.out / "table.md", table(rows).encode())
    write_whole(args.out / "plot.png", plot(rows))
    print(table(rows))


if __name__ == "__main__":
    main()
