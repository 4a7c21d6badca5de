"""The large configs, traced and lowered for every kind of device: nothing is compiled, and no chip is needed."""

import functools

import jax
import jax.export
import jax.numpy as jnp
import pytest

from configs import hq256, hq512, hq1024
from fec_jax.config import build
from fec_jax.estimate import memory, startup
from fec_jax.train import parallel, steps

PIXELS = (4, 8, 16, 32, 64, 128, 256, 512, 1024)


SMALLER = [(hq512, px) for px in PIXELS if px <= 512] + [(hq256, px) for px in PIXELS if px <= 256]


def run_of(module):
    config = module.get_config()
    return build.networks_only(config.to_dict(), tuple(config.attributes))


@pytest.fixture(scope="module")
def run():
    return run_of(hq1024)


def stepping(run, px, batch=2):
    """The compiled-to-be step of a phase on one device, and the shapes of its arguments."""
    phase = next(phase for phase in run.phases if phase.resolution_px == px)
    args = memory.step_shapes(run, phase, batch)
    step = functools.partial(steps.train_step, run.recipe, px, parallel.AXIS)
    return parallel.sharded(step, parallel.mesh(jax.devices()[:1]), args[0]), args


@pytest.mark.parametrize("px", PIXELS)
def test_a_step_keeps_the_state_s_shape(run, px):
    """A phase of the 1024 px run ends in an error of shapes after days; or types drift, and no checkpoint fits."""
    step, args = stepping(run, px)
    state, metrics = jax.eval_shape(step, *args)
    assert jax.tree.map(lambda x: (x.shape, x.dtype), state) == jax.tree.map(lambda x: (x.shape, x.dtype), args[0])
    assert all(leaf.shape == () for leaf in jax.tree.leaves(metrics))
    weights = jax.tree.leaves((state.g_params, state.d_params, state.g_ema))
    assert {leaf.dtype for leaf in weights} == {jnp.dtype("float32")}


@pytest.mark.parametrize("px", PIXELS)
def test_lowers_for_every_platform(run, px):
    """The step uses something that one kind of accelerator lacks, which shows only when someone rents one."""
    step, args = stepping(run, px)
    exported = jax.export.export(step, platforms=["cpu", "cuda", "tpu"])(*args)
    assert exported.platforms == ("cpu", "cuda", "tpu")
    assert "bf16" in exported.mlir_module()
    assert exported.in_tree == jax.tree.structure((args, {}))


@pytest.mark.parametrize(("module", "px"), SMALLER, ids=lambda x: getattr(x, "__name__", x))
def test_smaller_runs_lower_for_cuda(module, px):
    """The same, for a run that ends earlier: its masks and its networks are others."""
    step, args = stepping(run_of(module), px)
    assert jax.export.export(step, platforms=["cuda"])(*args).platforms == ("cuda",)


def test_the_networks_are_those_of_the_paper(run):
    """Someone shrinks the config, and what is tested here is no longer the 1024 px run."""
    assert [phase.resolution_px for phase in run.phases if phase.grows or phase.index == 0] == list(PIXELS)
    assert run.recipe.generator.dtype == "bfloat16"
    state = jax.eval_shape(lambda: run.new_state(run.phases[0]))
    assert startup.parameters(state.g_params) > 30e6
    assert startup.parameters(state.d_params) > 15e6
