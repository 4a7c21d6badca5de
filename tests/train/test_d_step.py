"""D's half of a step, on examples made by hand: what D is shown and what it learns."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from smallest_step import (
    LAMBDAS,
    RECIPE,
    STREAM,
    B,
    batch_at,
    clock_at,
    examples_by_hand,
    fake_at,
    packed,
    packing,
    part,
    start,
)

from fec_jax import images
from fec_jax.train import history, penalty, steps
from fec_jax.train.augment import Augment


def d_step(recipe, fake, buffer, nimg=0):
    """D's parameters and figures after its step."""
    named, later = packing().packed(start().replace(history=buffer, nimg=jnp.int32(nimg)))
    extra = None
    if penalty.due(recipe, nimg // B):
        batch = steps.Batch(**batch_at())
        extra = part(penalty.penalty, recipe)(LAMBDAS, named.d_params, batch, clock_at())
    args = named, examples_by_hand(), fake, STREAM, clock_at(), steps.Constants({}), extra
    after, metrics = part(steps.d_step, recipe)(LAMBDAS, *args)
    return packing().named(after, later).d_params, jax.device_get(metrics)


def test_d_learns_from_the_remembered_image():
    """Broken: images of the buffer are drawn but D is shown the fresh ones all the same."""
    old, fresh = images.to_float(images.to_uint8(fake_at(seed=4))), fake_at(seed=5)
    full = history.History(images=images.to_uint8(old)[:, None], filled=jnp.ones(B, jnp.int32))
    none = history.empty(B, 0, 4)
    remembered, shown_old, shown_fresh = (d_step(RECIPE, *args) for args in ((fresh, full), (old, none), (fresh, none)))
    assert remembered[1]["from_history"] == 1
    assert remembered[1]["fake_logit"] == pytest.approx(float(shown_old[1]["fake_logit"]), rel=1e-4)
    assert remembered[1]["fake_logit"] != pytest.approx(float(shown_fresh[1]["fake_logit"]), rel=1e-3)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-4), remembered[0], shown_old[0])


def test_d_learns_the_attributes_of_photos():
    """Broken: D learns attributes from completions, or from the wanted attributes, and G can fool it."""
    ex = examples_by_hand()
    _, metrics = d_step(RECIPE, fake_at(), history.empty(B, 0, 4))
    logits = RECIPE.discriminator.apply({"params": start().d_params}, ex.real, 1.0, resolution_px=4)[1]
    expected = optax.sigmoid_binary_cross_entropy(logits, ex.attrs).mean()
    assert metrics["d_attr"] == pytest.approx(float(expected), rel=1e-4)


def test_attributes_weigh_as_much_as_asked_where_d_learns():
    """Broken: `d_attr` is a dead knob, or changes what D learns about real and fake."""
    fake, none = fake_at(), history.empty(B, 0, 4)
    usual, half, without = (
        d_step(dataclasses.replace(RECIPE, d_attr=factor), fake, none) for factor in (1.0, 0.5, 0.0)
    )
    assert usual[1]["d_grad_norm"] > half[1]["d_grad_norm"] > without[1]["d_grad_norm"]
    assert usual[1]["d_loss"] == pytest.approx(float(without[1]["d_loss"]), rel=1e-5)
    before = jax.device_get(start().d_params)["attr_head"]["kernel"]
    np.testing.assert_array_equal(without[0]["attr_head"]["kernel"], before)
    assert np.abs(half[0]["attr_head"]["kernel"] - before).max() > 0


def test_d_step_lowers_ds_loss():
    """Broken: D walks uphill, or one of its two terms has the wrong sign (the paper's printed formula has)."""
    fake, none = fake_at(), history.empty(B, 0, 4)
    state = packed(start().replace(history=none))
    slow = clock_at().replace(lr=jnp.float32(1e-3))
    first = None
    for _ in range(3):
        args = state, examples_by_hand(), fake, STREAM, slow, steps.Constants({})
        state, metrics = part(steps.d_step, RECIPE)(LAMBDAS, *args)
        first = first or metrics
    assert metrics["d_loss"] + 2 * metrics["d_attr"] < first["d_loss"] + 2 * first["d_attr"]
    assert metrics["real_logit"] - metrics["fake_logit"] > first["real_logit"] - first["fake_logit"]


def test_gradient_penalty_is_lazy_and_heavier_for_it():
    """Broken: the penalty comes every step or never, or is not made up for when it comes rarely."""
    fake, none = fake_at(), history.empty(B, 0, 4)
    plain = d_step(RECIPE, fake, none)[1]
    lazy = dataclasses.replace(RECIPE, r1_gamma=3.0, r1_every=2)
    due, skipped = d_step(lazy, fake, none, nimg=4 * B)[1], d_step(lazy, fake, none, nimg=5 * B)[1]
    eager = d_step(dataclasses.replace(RECIPE, r1_gamma=6.0, r1_every=1), fake, none)[1]
    assert plain["r1"] == 0
    assert skipped["r1"] == 0
    assert due["r1"] > 0
    assert skipped["d_grad_norm"] == pytest.approx(float(plain["d_grad_norm"]), rel=1e-4)
    assert due["d_grad_norm"] != pytest.approx(float(plain["d_grad_norm"]), rel=1e-3)
    assert due["d_grad_norm"] == pytest.approx(float(eager["d_grad_norm"]), rel=1e-4)


def test_the_penalty_reaches_the_attribute_head_if_so_configured():
    """Broken: `r1_attr` is a dead knob, or penalises D's verdict on real and fake instead."""
    fake, none = fake_at(), history.empty(B, 0, 4)
    lone, both, more = (
        d_step(dataclasses.replace(RECIPE, r1_gamma=3.0, r1_attr=weight), fake, none) for weight in (0.0, 1.0, 4.0)
    )
    assert lone[1]["r1"] < both[1]["r1"] < more[1]["r1"]
    none_at_all = d_step(RECIPE, fake, none)[0]
    np.testing.assert_array_equal(lone[0]["attr_head"]["kernel"], none_at_all["attr_head"]["kernel"])
    assert np.abs(both[0]["attr_head"]["kernel"] - none_at_all["attr_head"]["kernel"]).max() > 0


def test_d_augmentation_is_of_real_and_fake_alike():
    """Broken: D tells photos from completions by the augmentation: one of the two has none, or another one."""
    recipe = dataclasses.replace(RECIPE, d_augment=Augment(shift=0.4))
    fake, none = fake_at(), history.empty(B, 0, 4)
    plain, changed = d_step(RECIPE, fake, none)[1], d_step(recipe, fake, none)[1]
    for logit in ("real_logit", "fake_logit"):
        assert changed[logit] != pytest.approx(float(plain[logit]), rel=1e-3)
    # So much noise that it is nearly all that D sees: of the same strength, it makes both logits as large.
    noisy = dataclasses.replace(RECIPE, d_augment=Augment(noise=100.0))
    many = [d_step(noisy, fake, none, nimg * B)[1] for nimg in range(1, 40)]
    sizes = [np.std([float(metrics[logit]) for metrics in many]) for logit in ("real_logit", "fake_logit")]
    assert sizes[0] == pytest.approx(sizes[1], rel=0.4)
