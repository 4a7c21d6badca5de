"""One training step: what it moves and what it leaves, which loss reaches whom, and the figures it gives.

The networks are as small as they go (4 and 8 px); Adam moves a parameter if and only if its gradient is not 0, so
"G moves" is a sharp question.
"""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from fec_jax import images, masks, schedule
from fec_jax.losses.total import Lambdas
from fec_jax.nets import vgg16
from fec_jax.nets.discriminator import Discriminator
from fec_jax.nets.generator import Generator
from fec_jax.train import examples, history, parallel, steps
from fec_jax.train import state as states
from fec_jax.train.augment import Augment
from fec_jax.train.optimizers import Ema

B, ATTRS, MAX_PX = 4, 2, 8
LR, HALFLIFE_KIMG = 1e-2, 0.016
TERMS = ("adv", "attr", "rec", "feat", "bdy")
LAMBDAS = {"adv": 1.0, "attr": 2.0, "rec": 5.0, "feat": 0.1, "bdy": 3.0}
RECIPE = steps.Recipe(
    generator=Generator(max_px=MAX_PX, base=32, cap=4, num_attrs=ATTRS, latent=4),
    discriminator=Discriminator(max_px=MAX_PX, base=32, cap=4, num_attrs=ATTRS),
    mask_px=MAX_PX,
    sampler=masks.MaskSampler(center_share=1.0),
    lambdas=Lambdas(**LAMBDAS),
    ema=Ema(halflife_kimg=HALFLIFE_KIMG, rampup=1e9),
    feature_min_px=4,
    keep_probability=0.0,
    history_share=1.0,
)


def only(**lambdas):
    """G's losses with these weights, and the others with none."""
    return dict.fromkeys(TERMS, 0.0) | lambdas


class Dials(Lambdas):
    """Weights of G's losses that are arguments of the compiled step: one compilation serves them all.

    D's weight of its attribute loss, and whether there is a feature loss at all, stay those of `LAMBDAS`.
    """

    dials = None

    def of(self, term):
        return self.dials[term]


def dialled(recipe, lambdas):
    dials = Dials(**LAMBDAS)
    object.__setattr__(dials, "dials", lambdas)
    return dataclasses.replace(recipe, lambdas=dials)


@functools.cache
def start(resolution_px=4, depth=2):
    """A state with random values for all parameters."""
    rows = [schedule.Row(r, 0, 1, B, LR, LR) for r in (4, 8) if r <= resolution_px]
    phase = schedule.phases(rows)[-1]
    adam = RECIPE.g_adam
    shape = jax.eval_shape(
        lambda: states.create(0, RECIPE.generator, RECIPE.discriminator, adam, RECIPE.d_adam, phase, depth)
    )
    zeros = jax.tree.map(lambda x: np.zeros(x.shape, x.dtype), shape)
    rng = np.random.default_rng(1)

    def random(tree):
        return jax.tree.map(lambda x: (0.4 * rng.normal(size=x.shape)).astype(np.float32), tree)

    return zeros.replace(g_params=random(shape.g_params), d_params=random(shape.d_params), g_ema=random(shape.g_ema))


def batch_at(resolution_px=4, seed=0):
    rng = np.random.default_rng(seed)
    photos = rng.integers(0, 256, (B, resolution_px, resolution_px, 3), np.uint8)
    return {"real": photos, "attrs": rng.integers(0, 2, (B, ATTRS), np.uint8)}


@functools.cache
def vgg():
    return vgg16.load_params()


def clock_at(alpha=1.0, stream=0):
    return steps.Clock(jnp.float32(alpha), jnp.float32(LR), jnp.int32(stream), jax.random.key(0))


def weights(lambdas):
    return {"vgg": vgg(), "lambdas": {name: jnp.float32(value) for name, value in lambdas.items()}}


@functools.cache
def compiled(resolution_px=4):
    mesh = parallel.mesh(jax.devices()[:1])

    def function(state, batch, clock, weights):
        recipe = dialled(RECIPE, weights["lambdas"])
        return steps.train_step(recipe, resolution_px, parallel.AXIS, state, batch, clock, weights["vgg"])

    args = (
        parallel.place(start(resolution_px), mesh),
        parallel.to_devices(batch_at(resolution_px), mesh),
        parallel.replicate(clock_at(), mesh),
        parallel.replicate(weights(LAMBDAS), mesh),
    )
    return parallel.compile_step(function, mesh, "shard_map", args), mesh


def step(state, resolution_px=4, *, lambdas=LAMBDAS, alpha=1.0, stream=0):
    """One step from a state of host arrays, as the loop makes it; the new state and figures on the host."""
    function, mesh = compiled(resolution_px)
    new, metrics = function(
        parallel.place(state, mesh),
        parallel.to_devices(batch_at(resolution_px, seed=stream), mesh),
        parallel.replicate(clock_at(alpha, stream), mesh),
        parallel.replicate(weights(lambdas), mesh),
    )
    return jax.device_get(new), jax.device_get(metrics)


@functools.cache
def part(function, recipe):
    """A part of the 4 px step, compiled, under the axis name it averages over."""

    def first(lambdas, *args):
        call = functools.partial(function, dialled(recipe, lambdas), 4, parallel.AXIS, *args)
        return jax.tree.map(lambda x: x[0], jax.vmap(lambda _: call(), axis_name=parallel.AXIS)(jnp.zeros(1)))

    # Compiled in haste: it runs once or twice. The option is of the CPU's compiler.
    hasty = {"xla_backend_optimization_level": 0} if jax.default_backend() == "cpu" else None
    return jax.jit(first, compiler_options=hasty)


def moved(before, after):
    """The names of the parameters that are not what they were."""
    pairs = zip(*(jax.tree_util.tree_leaves_with_path(t) for t in (before, after)), strict=True)
    return {jax.tree_util.keystr(path, simple=True, separator="/") for (path, a), (_, b) in pairs if (a != b).any()}


def names(tree):
    return {
        jax.tree_util.keystr(path, simple=True, separator="/") for path, _ in jax.tree_util.tree_leaves_with_path(tree)
    }


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
    """Broken: what is handed out is not the average of G with the half-life of the config."""
    before = start()
    after, _ = step(before)
    d = 0.5 ** (B / (1000 * HALFLIFE_KIMG))
    jax.tree.map(
        lambda a, old, new: np.testing.assert_allclose(a, d * old + (1 - d) * new, atol=1e-6),
        after.g_ema,
        before.g_ema,
        after.g_params,
    )


def test_the_same_step_twice_is_the_same():
    """Broken: something is random that no seed governs, and no run can be repeated or resumed."""
    one, other = step(start()), step(start())
    jax.tree.map(np.testing.assert_array_equal, one, other)


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


def test_a_step_that_is_not_finite_is_told():
    """Broken: a run goes on from parameters that are not numbers."""
    before = start()
    for part in ("g_params", "d_params"):
        broken = jax.tree.map(np.copy, getattr(before, part))
        head = broken["to_rgb_4" if part == "g_params" else "real_head"]
        head["bias"][:] = np.nan
        _, metrics = step(before.replace(**{part: broken}))
        assert not metrics.finite, part


def test_earlier_completions_come_back_once_the_buffer_is_full():
    """Broken: the buffer is never mixed in, a defect of public ports."""
    state, used = start(), []
    for i in range(4):
        state, metrics = step(state, stream=i * B)
        used.append(float(metrics.from_history))
    assert used == [0, 0, 1, 1]
    assert (state.history.filled == 2).all()
    assert state.history.images.std() > 1


# Parts of the step, on examples made by hand.


def examples_by_hand(flipped=(True, False, True, False), resolution_px=4):
    real = images.to_float(jnp.asarray(batch_at(resolution_px)["real"]))
    mask = jnp.broadcast_to(masks.center(resolution_px), (B, resolution_px, resolution_px, 1))
    attrs = jnp.asarray(batch_at()["attrs"], jnp.float32)
    wish = jnp.asarray(flipped)
    wanted = jnp.where(wish[:, None] & (jnp.arange(ATTRS) == 0), 1 - attrs, attrs)
    return examples.Examples(
        real=real, mask=mask, masked=masks.cut(real, mask), attrs=attrs, wanted_attrs=wanted, flipped=wish
    )


def fake_at(resolution_px=4, seed=3):
    return jax.random.uniform(jax.random.key(seed), (B, resolution_px, resolution_px, 3), minval=-1.0)


STREAM = jnp.arange(B)


def g_losses(ex, fake, recipe=RECIPE, lambdas=LAMBDAS):
    return part(steps.g_losses, recipe)(lambdas, start().d_params, ex, fake, STREAM, clock_at(), vgg())


def by_place(grad):
    """Of a gradient: for every example, its mean size in the hole and in the context."""
    hole = np.asarray(masks.center(4))[:, :, 0] > 0
    size = np.abs(np.asarray(grad)).mean(axis=3)
    return size[:, hole].mean(axis=1), size[:, ~hole].mean(axis=1)


@pytest.mark.parametrize("term", ["rec", "feat"])
def test_rec_on_flipped_true_draws_every_hole_to_the_photo(term):
    """Broken: the paper's behaviour, the default, is not to be had."""
    hole, context = by_place(g_losses(examples_by_hand(), fake_at(), lambdas=only(**{term: 1.0}))[0])
    assert (hole > 0).all()
    assert (context > 0).all()


@pytest.mark.parametrize("term", ["rec", "feat"])
def test_rec_on_flipped_false_drops_the_hole_of_flipped_examples_only(term):
    """Broken: a wish is punished for contradicting the photo, or examples without one learn nothing in the hole."""
    recipe = dataclasses.replace(RECIPE, rec_on_flipped=False)
    hole, context = by_place(g_losses(examples_by_hand(), fake_at(), recipe, only(**{term: 1.0}))[0])
    np.testing.assert_array_equal(hole > 0, [False, True, False, True])
    assert (context > 0).all()


def test_no_feature_loss_below_its_resolution():
    """Broken: VGG16 judges images far smaller than it has ever seen."""
    recipe = dataclasses.replace(RECIPE, feature_min_px=16)
    grad, raw, share = g_losses(examples_by_hand(), fake_at(), recipe, only(feat=1.0))
    assert not np.asarray(grad).any()
    assert raw["feat"] == 0
    assert share["feat"] == 0


def test_terms_that_ask_for_the_photo_vanish_at_the_photo():
    """Broken: reconstruction, feature and boundary loss compare with something other than the photo."""
    ex = examples_by_hand()
    _, raw, _ = g_losses(ex, ex.real)
    assert (raw["rec"], raw["feat"], raw["bdy"]) == (0, 0, 0)
    assert raw["adv"] > 0
    assert raw["attr"] > 0


def test_the_attribute_loss_asks_for_the_wish():
    """Broken: G is drawn to the photo's own attributes instead of those asked for."""
    ex, fake = examples_by_hand(), fake_at()
    _, raw, _ = g_losses(ex, fake)
    apply = functools.partial(RECIPE.discriminator.apply, {"params": start().d_params}, resolution_px=4)
    logits = apply(fake, 1.0)[1]
    expected = optax.sigmoid_binary_cross_entropy(logits, ex.wanted_attrs).mean()
    assert raw["attr"] == pytest.approx(float(expected), rel=1e-4)
    assert raw["attr"] != pytest.approx(float(optax.sigmoid_binary_cross_entropy(logits, ex.attrs).mean()), rel=1e-4)


def test_what_d_sees():
    """Broken: `d_sees` is a dead knob, or D sees masked photos."""
    ex, fake = examples_by_hand(), fake_at()
    np.testing.assert_array_equal(steps.shown_to_d(RECIPE, ex, fake), fake)
    completed = dataclasses.replace(RECIPE, d_sees="completed")
    np.testing.assert_array_equal(steps.shown_to_d(completed, ex, fake), masks.paste(fake, ex.real, ex.mask))
    hole, context = by_place(g_losses(ex, fake, completed, only(adv=1.0, attr=1.0))[0])
    assert (hole > 0).all()
    assert not context.any(), "G is judged by what D sees of it"


def d_step(recipe, fake, buffer, nimg=0):
    """D's parameters and figures after its step."""
    state = start().replace(history=buffer, nimg=jnp.int32(nimg))
    after, metrics = part(steps.d_step, recipe)(LAMBDAS, state, examples_by_hand(), fake, STREAM, clock_at())
    return jax.device_get(after.d_params), jax.device_get(metrics)


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
    """Broken: D learns attributes from completions, or from what was asked for, and G can talk it into anything."""
    ex = examples_by_hand()
    _, metrics = d_step(RECIPE, fake_at(), history.empty(B, 0, 4))
    logits = RECIPE.discriminator.apply({"params": start().d_params}, ex.real, 1.0, resolution_px=4)[1]
    expected = optax.sigmoid_binary_cross_entropy(logits, ex.attrs).mean()
    assert metrics["d_attr"] == pytest.approx(float(expected), rel=1e-4)


def test_d_step_lowers_ds_loss():
    """Broken: D walks uphill, or one of its two terms has the wrong sign (the paper's printed formula has)."""
    fake, none = fake_at(), history.empty(B, 0, 4)
    state = start().replace(history=none)
    slow = clock_at().replace(lr=jnp.float32(1e-3))
    first = None
    for _ in range(3):
        state, metrics = part(steps.d_step, RECIPE)(LAMBDAS, state, examples_by_hand(), fake, STREAM, slow)
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


def test_d_augmentation_is_of_real_and_fake_alike():
    """Broken: D tells photos from completions by the augmentation."""
    recipe = dataclasses.replace(RECIPE, d_augment=Augment(shift=0.4))
    fake, none = fake_at(), history.empty(B, 0, 4)
    plain, changed = d_step(RECIPE, fake, none)[1], d_step(recipe, fake, none)[1]
    for logit in ("real_logit", "fake_logit"):
        assert changed[logit] != pytest.approx(float(plain[logit]), rel=1e-3)
