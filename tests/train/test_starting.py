"""A run that begins with weights: what it takes over, what it refuses, and what its own weights say of it."""

import dataclasses

import jax
import numpy as np
import pytest
import tiny

from fec_jax.config import build
from fec_jax.config.workdir import bind
from fec_jax.train import loop, parallel, starting
from fec_jax.train.checkpoints import Checkpoints
from fec_jax.train.viewer import Viewer
from fec_jax.types import UserError
from fec_jax.weights import export
from fec_jax.weights.format import save_weights
from fec_jax.weights.load import start_from
from fec_jax.weights.shipped import SHIPPED

NO_FIGURES = {"every.eval_kimg": 0.0, "every.grid_kimg": 0.0}


def flat(tree):
    leaves = jax.tree_util.tree_flatten_with_path(tree)[0]
    return {jax.tree_util.keystr(path, simple=True, separator="/"): np.asarray(x) for path, x in leaves}


@pytest.fixture
def saved(tmp_path):
    """The file of weights that a tiny run of 8 px could have made, and the weights."""
    weights = tiny.weights_of(tiny.run(last_px=8), 8)
    save_weights(tmp_path / "w.safetensors", weights)
    return tmp_path / "w.safetensors", weights


def test_a_new_run_takes_the_networks_over(saved):
    """Broken: `init_from` begins with random networks, or with the old average; or what is new in them is missing."""
    path, weights = saved
    run = tiny.run()
    state = run.new_state(run.phases[0])
    random = flat(state.g_params)
    state = starting.begin(state, start_from(str(path)))
    for part, old in ((state.g_params, weights.g_params), (state.g_ema, weights.g_params)):
        got, old = flat(part), flat(old)
        assert all(np.array_equal(got[name], x) for name, x in old.items())
        new = got.keys() - old.keys()
        assert new
        assert all(np.array_equal(got[name], random[name]) for name in new)
    assert all(np.array_equal(flat(state.d_params)[name], x) for name, x in flat(weights.d_params).items())
    assert not any(x.any() for x in flat((state.g_opt, state.d_opt)).values())
    assert state.nimg == 0


def with_heads(run, wanted=True):
    """The run, D with heads on features or without."""
    d = run.recipe.discriminator.clone(on_features=wanted)
    return dataclasses.replace(run, recipe=dataclasses.replace(run.recipe, discriminator=d))


@pytest.mark.parametrize("before", [False, True])
@pytest.mark.parametrize("now", [False, True])
def test_heads_on_features_come_along_where_they_are_used(tmp_path, before, now):
    """Broken: weights with such heads begin no run without, or the heads of a run with are random all the same."""
    weights = tiny.weights_of(with_heads(tiny.run(last_px=8), before), 8)
    save_weights(tmp_path / "w.safetensors", weights)
    start, run = start_from(str(tmp_path / "w.safetensors")), with_heads(tiny.run(), now)
    starting.check(run, start)
    state = starting.begin(run.new_state(run.phases[0]), start)
    heads = {name for name in state.d_params if name.startswith("on_relu_")}
    assert len(heads) == 3 * now
    same = {name for name in heads if name in weights.d_params}
    assert len(same) == 3 * now * before
    got, old = (flat({name: tree[name] for name in same}) for tree in (state.d_params, weights.d_params))
    assert all(np.array_equal(got[name], x) for name, x in old.items())


@pytest.mark.parametrize("wanted", [False, True])
def test_a_later_row_may_bring_heads_on_features(wanted):
    """Broken: a run that goes on with a row with `patches`, or without, has the wrong heads and ends in a traceback."""
    old, new = with_heads(tiny.run(last_px=8), not wanted), with_heads(tiny.run(last_px=8), wanted)
    state = old.new_state(old.phases[0])
    saved = dataclasses.replace(new, recipe=old.recipe)
    resumed = new.extended(state, saved, 0)
    assert jax.tree.structure(resumed) == jax.tree.structure(new.new_state(new.phases[0]))
    assert any(name.startswith("on_relu_") for name in resumed.d_params) == wanted
    assert all(np.array_equal(x, flat(resumed.g_params)[name]) for name, x in flat(state.g_params).items())


@pytest.mark.parametrize(
    ("changes", "px", "cut", "message"),
    [
        (
            {"generator.cap": 16},
            8,
            {},
            "generator.base = 64 and generator.cap = 8, this run has 64 and 16",
        ),
        ({"discriminator.cap": 16}, 8, {}, "other widths: discriminator.base"),
        ({"generator.latent": 16}, 8, {}, "generator.latent = 8, this run has 16: set config.generator.latent"),
        ({"generator.skip": "concat"}, 8, {}, "generator.skip = 'residual', this run has 'concat'"),
        ({"growth": "add"}, 8, {}, "growth = 'blend', this run has 'add': set config.growth"),
        ({"attributes": ("Male",)}, 8, {}, r"\(missing: Smiling, Eyeglasses, Young, Gray_Hair, No_Beard, Bald\)"),
        ({}, 8, {"d_params": None}, "have no discriminator: export them without --no-discriminator"),
        ({}, 16, {}, "are of 16 px, this run goes from 4 to 8 px"),
    ],
)
def test_weights_that_do_not_fit(changes, px, cut, message):
    """Broken: other networks are taken over in part, or end in a traceback from inside one."""
    weights = dataclasses.replace(tiny.weights_of(tiny.run(last_px=px), px), **cut)
    with pytest.raises(UserError, match=message) as caught:
        starting.check(tiny.run(changes, last_px=8), starting.Start(weights, "w.safetensors", ""))
    assert "\n" not in str(caught.value)


def test_attributes_in_another_order():
    """Broken: a network that was told `Male` first is told `Smiling` first, and nobody is told."""
    weights = tiny.weights_of(tiny.run({"attributes": ("Male", "Smiling")}, last_px=4), 4)
    with pytest.raises(UserError, match=r"in another order"):
        starting.check(
            tiny.run({"attributes": ("Smiling", "Male")}, last_px=4), starting.Start(weights, "w.safetensors", "")
        )


def quietly(monkeypatch):
    monkeypatch.setattr(Viewer, "grid", lambda *_: None)
    monkeypatch.setattr(Viewer, "figures", lambda *_: {})
    monkeypatch.setattr(loop, "print_figures", lambda *_, **__: None)


def test_begun_with_weights_then_grown(saved, tmp_path, monkeypatch):
    """Broken: a run begun with weights does not say so; or one made longer and larger begins with other networks."""
    quietly(monkeypatch)
    path, _ = saved
    workdir = tmp_path / "run"
    only_8 = {**NO_FIGURES, "init_from": str(path), "schedule.px8.fade_kimg": 0.0, "schedule.px8.stable_kimg": 0.016}

    def config(changes, last_px):
        result = tiny.config({**only_8, **changes}, last_px)
        del result.schedule.px4, result.batch.px4
        return build.build(result)

    bind(config({}, 8), workdir)
    loop.train(config({}, 8), workdir, start_from(str(path)))
    weights = export.from_workdir(workdir)
    digest = start_from(str(path)).sha256
    assert weights.meta.started_from == {"name": "w.safetensors", "sha256": digest}
    assert weights.meta.splits == ("train", "old")
    assert weights.meta.loss_networks == ("alexnet",)  # no feature loss below 16 px
    # Two more steps at 8 px, and two of the fade to 16 px.
    grown = config({"schedule.px8.stable_kimg": 0.032, "schedule.px16.fade_kimg": 0.016}, 16)
    trainer = loop.Trainer(grown, workdir)
    assert trainer._restore() == 16
    checkpoints = Checkpoints(workdir / "checkpoints", read_only=True)
    before = config({}, 8)
    state, facts = checkpoints.read(16, before.state_shape(16, parallel.mesh()))
    checkpoints.close()
    old = flat((state.g_params, state.d_params, state.g_ema))
    resumed = trainer.live.named()
    new = flat((resumed.g_params, resumed.d_params, resumed.g_ema))
    assert new.keys() > old.keys()
    assert all(np.array_equal(new[name], x) for name, x in old.items())
    assert all(np.array_equal(x, flat(resumed.g_opt)[name]) for name, x in flat(state.g_opt).items())
    trainer.checkpoints.close()
    bind(grown, workdir)
    loop.train(grown, workdir)
    weights = export.from_workdir(workdir)
    assert weights.meta.resolution_px == 16
    assert weights.meta.loss_networks == ("vgg16", "alexnet")
    assert weights.meta.started_from == {"name": "w.safetensors", "sha256": digest}
    lines = [line["nimg"] for line in tiny.lines(workdir) if "g_loss" in line]
    assert lines == [16, 32, 48, 64, 80, 88]
    assert facts["started_from"]["sha256"] == digest


def test_a_workdir_is_known_by_its_numbers(tmp_path, monkeypatch):
    """Broken: weights begun from a workdir do not say from which: other numbers have the same checksum, or equal ones
    do not."""
    run, other = tiny.run(last_px=4), tiny.weights_of(tiny.run(last_px=8), 8)
    (tmp_path / "run").mkdir()
    digests = []
    for weights in (tiny.weights_of(run, 4), tiny.weights_of(run, 4, splits=("train",)), other):
        monkeypatch.setattr(export, "from_workdir", lambda path, w=weights: w)
        start = start_from(str(tmp_path / "run"))
        digests.append(start.sha256)
        assert start.name == "run"
    assert digests[0] == digests[1] != digests[2]


def test_weights_that_come_with_the_package_have_names():
    """Broken: configs/finetune.py finds its weights in a checkout only."""
    start = start_from("portraits64")
    assert (start.name, start.weights.meta.resolution_px, start.sha256) == ("portraits64", 64, SHIPPED["portraits64"])
