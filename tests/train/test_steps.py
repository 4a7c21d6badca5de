"""One training step: what it moves and what it leaves, which loss reaches whom, and the figures it gives.

Adam moves a parameter if and only if its gradient is not 0, so "G moves" is a sharp question.
"""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from smallest_step import ATTRS, HALFLIFE_KIMG, LAMBDAS, RECIPE, TERMS, B, only, start, step

from fec_jax.nets.generator import Generator
from fec_jax.train import steps
from fec_jax.train.state import networks


def moved(before, after):
    """The names of the parameters that are not what they were."""
    pairs = zip(*(jax.tree_util.tree_leaves_with_path(t) for t in (before, after)), strict=True)
    return {jax.tree_util.keystr(path, simple=True, separator="/") for (path, a), (_, b) in pairs if (a != b).any()}


def shapes(tree):
    leaves = jax.tree_util.tree_leaves_with_path(tree)
    return {jax.tree_util.keystr(path, simple=True, separator="/"): leaf.shape for path, leaf in leaves}


def names(tree):
    return set(shapes(tree))


def of_8_px(name):
    return "8" in name.replace("/", "_").split("_")


def test_a_step_moves_both_networks_but_not_the_unborn_layers():
    """Broken: layers of the next resolution are trained before they are born, or born ones are not."""
    before = start()
    after, metrics = step(before)
    assert metrics.finite
    for old, new in ((before.g_params, after.g_params), (before.d_params, after.d_params)):
        assert moved(old, new) == {name for name in names(old) if not of_8_px(name)}


def test_a_fade_moves_old_and_new_heads():
    """Broken: the fade-in branch never runs, or the old head is dropped at once (defects of public ports)."""
    before = start(8)
    after, metrics = step(before, 8, alpha=0.5)
    assert metrics.finite
    assert moved(before.g_params, after.g_params) == names(before.g_params)
    assert moved(before.d_params, after.d_params) == names(before.d_params)
    after, _ = step(before, 8, alpha=0.0)
    assert not any(
        of_8_px(name) for name in moved(before.g_params, after.g_params) | moved(before.d_params, after.d_params)
    )
    after, _ = step(before, 8, alpha=1.0)
    still = names(before.g_params) - moved(before.g_params, after.g_params)
    assert still == {f"{head}_4/{kind}" for head in ("to_rgb", "from_rgb") for kind in ("kernel", "bias")}


def test_the_clock_counts_images():
    """Broken: the clock counts steps, and phases end at the wrong time."""
    first, _ = step(start())
    second, _ = step(first, stream=B)
    assert (int(first.nimg), int(second.nimg)) == (B, 2 * B)


def test_the_average_follows_g():
    """Broken: what is handed out is not the average of G with the half-life of the config.

    Layers that are not born have not moved from where their average began.
    """
    before = start()
    after, _ = step(before)
    d = 0.5 ** (B / (1000 * HALFLIFE_KIMG))
    triples = zip(
        jax.tree_util.tree_leaves_with_path(after.g_ema),
        *map(jax.tree.leaves, (before.g_ema, after.g_params)),
        strict=True,
    )
    for (path, average), old, new in triples:
        name = jax.tree_util.keystr(path, simple=True, separator="/")
        expected = old if of_8_px(name) else d * old + (1 - d) * new
        np.testing.assert_allclose(average, expected, atol=1e-6, err_msg=name)


def test_the_same_step_twice_is_the_same():
    """Broken: something is random that no seed governs, and no run can be repeated or resumed."""
    one, other = step(start()), step(start())
    jax.tree.map(np.testing.assert_array_equal, one, other)


def test_muon_moves_gs_convolutions():
    """Broken: `g_optimizer` is a dead knob, or what is not a convolution of features is Muon's too."""
    generator = Generator(max_px=4, base=64, cap=16, num_attrs=ATTRS, latent=4)
    after = {}
    for optimizer in ("adam", "muon"):
        recipe = dataclasses.replace(RECIPE, generator=generator, g_optimizer=optimizer)
        layout = networks(recipe, 4)[0].layout
        vector = jnp.zeros(layout.size)
        opt = recipe.g_adam.transform().init(vector)
        state = dataclasses.replace(start(), nimg=jnp.int32(0), g_params=vector, g_ema=vector, g_opt=opt)
        clock = steps.Clock(alpha=1.0, lr=jnp.float32(0.1), stream=0, seed=None)
        grads = jnp.asarray(np.random.default_rng(0).normal(size=layout.size), jnp.float32)
        after[optimizer] = layout.named(steps.g_step(recipe, 4, state, grads, clock, B).g_params)
    convolutions = {name for name, shape in shapes(after["adam"]).items() if len(shape) == 4 and min(shape[2:]) == 16}
    assert moved(after["adam"], after["muon"]) == convolutions
    assert len(convolutions) == 5


def test_shares_and_total():
    """Broken: the log shows another loss than the one that is trained, or shares of something else."""
    _, m = step(start())
    total = sum(LAMBDAS[name] * m.raw[name] for name in TERMS)
    assert m.g_loss == pytest.approx(float(total), rel=1e-5)
    assert sum(m.share.values()) == pytest.approx(1, rel=1e-5)
    assert all(0 < share < 1 for share in m.share.values()), m.share
    assert m.g_grad_norm > 0
    assert m.d_grad_norm > 0


def test_with_no_loss_g_stands_still_and_d_learns():
    """Broken: D's loss moves G: the completions D is shown are not detached."""
    before = start()
    after, metrics = step(before, lambdas=only())
    assert moved(before.g_params, after.g_params) == set()
    assert metrics.g_grad_norm == 0
    assert {"real_head/kernel", "attr_head/kernel"} < moved(before.d_params, after.d_params)


@pytest.mark.parametrize("term", TERMS)
def test_each_loss_alone_moves_g(term):
    """Broken: the term is missing from G's total, or computed on a detached completion (defects of public ports)."""
    before = start()
    after, metrics = step(before, lambdas=only(**{term: 1.0}))
    assert {name for name in names(before.g_params) if not of_8_px(name)} == moved(before.g_params, after.g_params)
    assert metrics.raw[term] > 0
    assert metrics.share[term] == pytest.approx(1)


def test_a_step_that_is_not_finite_is_left_out():
    """Broken: one bad batch poisons networks, optimisers or history for good; or the clock stands still on it."""
    before, _ = step(start(8), 8, alpha=0.5)
    after, metrics = step(before, 8, stream=B, alpha=np.nan)
    assert not metrics.finite
    assert metrics.sound
    assert int(after.nimg) == int(before.nimg) + B
    assert moved(before, after.replace(nimg=before.nimg)) == set()
    good, metrics = step(after, 8, stream=2 * B, alpha=0.5)
    assert metrics.finite
    assert moved(before.g_params, good.g_params)


def test_parameters_that_are_not_finite_are_told():
    """Broken: a run goes on from, and saves, parameters that are not numbers."""
    before = start()
    for part in ("g_params", "d_params"):
        broken = jax.tree.map(np.copy, getattr(before, part))
        head = broken["to_rgb_4" if part == "g_params" else "real_head"]
        head["bias"][:] = np.nan
        _, metrics = step(before.replace(**{part: broken}))
        assert not metrics.finite, part
        assert not metrics.sound, part


def test_earlier_completions_come_back_once_the_buffer_is_full():
    """Broken: the buffer is never mixed in, a defect of public ports."""
    state, used = start(), []
    for i in range(4):
        state, metrics = step(state, stream=i * B)
        used.append(float(metrics.from_history))
    assert used == [0, 0, 1, 1]
    assert (state.history.filled == 2).all()
    assert state.history.images.std() > 1
