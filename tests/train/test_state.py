"""What a run starts with, and what is new and what is kept when the networks grow."""

import functools

import jax
import numpy as np

from fec_jax import schedule
from fec_jax.nets.discriminator import Discriminator
from fec_jax.nets.generator import Generator
from fec_jax.train import state as states
from fec_jax.train.optimizers import Adam

G = Generator(max_px=8, base=32, cap=4, num_attrs=2, latent=4)
D = Discriminator(max_px=8, base=32, cap=4, num_attrs=2)
PHASES = schedule.phases([schedule.Row(4, 0, 1, 4, 1, 1), schedule.Row(8, 1, 1, 2, 1, 1)])
DEPTH = 3


@functools.cache
def created(seed=0):
    return states.create(seed, G, D, Adam(), Adam(), PHASES[0], DEPTH)


def test_the_start_is_a_function_of_the_seed():
    """Broken: a run cannot be repeated, or every seed gives the same one."""
    again, other = states.init_params(0, G, D), states.init_params(1, G, D)
    jax.tree.map(np.testing.assert_array_equal, (created().g_params, created().d_params), again)
    kernels = [np.asarray(p["from_rgb_4"]["kernel"]) for p in (created().g_params, other[0])]
    assert (kernels[0] != kernels[1]).all()


def test_the_average_begins_at_g_without_sharing_its_memory():
    """Broken: the average begins elsewhere, or the two overwrite each other in the step, which is donated its state."""
    state = created()
    jax.tree.map(np.testing.assert_array_equal, state.g_ema, state.g_params)
    for a, b in zip(jax.tree.leaves(state.g_ema), jax.tree.leaves(state.g_params), strict=True):
        assert a.unsafe_buffer_pointer() != b.unsafe_buffer_pointer()


def test_the_history_fits_the_first_phase():
    """Broken: the first step fails over a buffer of another size."""
    state = created()
    assert state.history.images.shape == (4, DEPTH, 4, 4, 3)
    assert int(state.nimg) == 0


def used():
    """A state as training leaves it: every array moved away from its start."""
    return jax.tree.map(lambda x: x + 1, created())


def test_where_the_networks_grow_optimisers_and_history_start_anew():
    """Broken: old statistics drive new layers, or D is shown completions of another size."""
    before, fade = used(), PHASES[1]
    after = states.enter(before, fade, Adam(), Adam(), DEPTH)
    assert all((np.asarray(x) == 0).all() for x in jax.tree.leaves((after.g_opt, after.d_opt)))
    assert after.history.images.shape == (2, DEPTH, 8, 8, 3)
    assert (np.asarray(after.history.filled) == 0).all()


def test_where_the_networks_grow_what_is_learned_is_kept():
    """Broken: growing loses weights, the average or the clock."""
    before, after = used(), states.enter(used(), PHASES[1], Adam(), Adam(), DEPTH)
    for name in ("nimg", "g_params", "d_params", "g_ema"):
        jax.tree.map(np.testing.assert_array_equal, getattr(before, name), getattr(after, name))


def test_between_fade_and_stable_phase_nothing_changes():
    """Broken: every phase throws the optimisers away."""
    before = used()
    assert states.enter(before, PHASES[2], Adam(), Adam(), DEPTH) is before
