"""The start-up report of a run: devices, data, phases, parameters, memory."""

from collections.abc import Iterator

import jax

from fec_jax import schedule
from fec_jax.estimate import memory
from fec_jax.nets import layers
from fec_jax.train import state
from fec_jax.train.run import Run


def lines(run: Run) -> Iterator[str]:
    """The report, line by line: devices, data, attributes, parameters, every phase's images, and the most memory."""
    r = run.recipe
    source = run.train_source(run.phases[-1].resolution_px)
    g, d = jax.eval_shape(lambda: state.init_params(run.seed, r.generator, r.discriminator))
    devices = jax.devices()
    yield f"devices: {len(devices)} x {devices[0].device_kind} ({devices[0].platform}), {run.mode}, {r.generator.dtype}"
    yield f"data: {source.name}, {len(source)} photos to train on, licence: {source.license}"
    yield f"attributes: {', '.join(run.attribute_names) or 'none'}"
    yield f"parameters: G {parameters(g):,}  D {parameters(d):,}  (all resolutions up to {r.mask_px} px)"
    for phase in run.phases:
        images = phase.end_nimg - phase.start_nimg
        yield (
            f"phase {phase.index:2d}: {phase.name:13s} {images / 1000:9.1f} kimg, {images // phase.batch:7d} steps of "
            f"{phase.batch:4d}"
        )
    yield f"all: {schedule.total_nimg(run.phases) / 1000:.1f} kimg"
    lanes = memory.lanes_of(jax.default_backend())
    needs = ((memory.step_bytes(run, phase, len(devices), lanes), phase.resolution_px) for phase in largest(run))
    peak, px = max(needs)
    yield f"memory: about {peak / 2**20:,.0f} MiB per device at the most, at {px} px"


def largest(run: Run) -> list[schedule.Phase]:
    """Phases that may need most memory: the last, and those with maps half as large as the largest; of every resolution
    one. To trace them all would keep a run of nine resolutions waiting.
    """
    g = run.recipe.generator

    def numbers(phase: schedule.Phase) -> int:
        px = phase.resolution_px
        return phase.batch * px * px * layers.channels(px, g.base, g.cap)

    most = max(map(numbers, run.phases))
    phases = [of_one[-1] for of_one in schedule.by_resolution(run.phases)]
    return [phase for phase in phases if 2 * numbers(phase) > most or phase is phases[-1]]


def parameters(tree: object) -> int:
    """Number of numbers in a tree of arrays or shapes."""
    return sum(leaf.size for leaf in jax.tree.leaves(tree))
