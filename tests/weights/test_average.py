"""Arithmetic with weights files, as the shipped ones are made."""

import dataclasses

import jax
import numpy as np
import pytest

from experiments.portraits128.add import add
from experiments.portraits128.average import average
from experiments.portraits128.widen import widen
from fec_jax.types import UserError
from fec_jax.weights.format import Meta, Weights
from fec_jax.weights.load import predictor


def test_only_the_generator_is_averaged():
    """Broken: the wrong file's discriminator reads the attributes, or the shares are exchanged."""
    meta = Meta(("Smiling",), 8, {}, {}, training={"kimg": 1.0})
    earlier = Weights({"a": {"kernel": np.zeros(3, np.float32)}}, {"b": np.zeros(2, np.float32)}, meta)
    later = dataclasses.replace(
        earlier, g_params={"a": {"kernel": np.full(3, 4, np.float32)}}, d_params={"b": np.ones(2)}
    )
    later = dataclasses.replace(later, meta=dataclasses.replace(meta, training={"kimg": 2.0}))
    mean = average(earlier, later, 0.75)
    np.testing.assert_array_equal(mean.g_params["a"]["kernel"], np.full(3, 3, np.float32))
    assert mean.g_params["a"]["kernel"].dtype == np.float32
    assert mean.d_params is later.d_params
    assert mean.meta.training == {"kimg": 2.0, "generator_averaged": {"with_kimg": 1.0, "share": 0.75}}
    new = {"kernel": np.full(3, 5, np.float32)}
    grown = average(earlier, dataclasses.replace(later, g_params={**later.g_params, "new": new}), 0.75).g_params
    np.testing.assert_array_equal(grown["new"]["kernel"], new["kernel"])
    np.testing.assert_array_equal(grown["a"]["kernel"], mean.g_params["a"]["kernel"])


def test_what_another_run_learnt_is_added():
    """Broken: layers that the other run lacks are lost, or what both runs began with is counted twice."""

    def weights(g: float, d: float, larger: bool = False) -> Weights:
        more = {"large": np.ones(1, np.float32)} if larger else {}
        meta = Meta(("Smiling",), 8, {}, {}, training={"kimg": g}, loss_networks=() if larger else ("vgg16",))
        return Weights({"a": np.full(2, g)} | more, {"b": np.full(2, d)}, meta)

    end = add(weights(5, 7, larger=True), weights(1, 2), weights(3, 6), 0.5)
    np.testing.assert_array_equal(end.g_params["a"], np.full(2, 6))
    np.testing.assert_array_equal(end.d_params["b"], np.full(2, 9))
    np.testing.assert_array_equal(end.g_params["large"], np.ones(1))
    assert end.meta.training == {"kimg": 5, "added": {"share": 0.5, "kimg": 3}}
    assert end.meta.loss_networks == ("vgg16",)
    others = dataclasses.replace(weights(3, 6), meta=Meta(("Bald",), 8, {}, {}))
    with pytest.raises(UserError, match="different attribute_names"):
        add(weights(5, 7), weights(1, 2), others, 0.5)
    with pytest.raises(UserError, match="BEGINNING and OTHER have other layers"):
        add(weights(5, 7), weights(1, 2), weights(3, 6, larger=True), 0.5)
    with pytest.raises(UserError, match="WEIGHTS lack layers of BEGINNING"):
        add(weights(5, 7), weights(1, 2, larger=True), weights(3, 6, larger=True), 0.5)


@pytest.mark.parametrize("growth", ["add", "blend"])
def test_a_wider_generator_is_the_same_function(growth):
    """Broken: new channels are heard before they have learnt anything, old ones lie elsewhere, or none is new."""
    settings = {"base": 64, "cap": 3, "latent": 5, "skip": "residual", "growth": growth}
    settings |= {"prior": 4} if growth == "add" else {}
    meta, rng = Meta(("Smiling", "Male"), 32, settings, {"base": 64, "cap": 3}), np.random.default_rng(0)
    g = jax.tree.map(lambda x: rng.normal(size=x.shape).astype(np.float32) / 2, meta.g_shapes())
    weights = Weights(g, None, meta)
    wide = widen(weights, 192, 7)
    assert jax.tree.map(np.shape, wide.g_params) == jax.tree.map(np.shape, wide.meta.g_shapes())
    assert wide.g_params["decode_16"]["Conv_0"]["Conv_0"]["kernel"].shape == (3, 3, 7, 7)
    photo, attrs = rng.uniform(-1, 1, (2, 32, 32, 3)).astype(np.float32), np.eye(2, dtype=np.float32)
    mask = np.zeros((2, 32, 32, 1), np.float32)
    mask[:, 8:20, 8:] = 1
    images = [
        np.asarray(predictor(w)(*map(jax.numpy.asarray, (photo * (1 - mask), mask, attrs)))) for w in (weights, wide)
    ]
    np.testing.assert_allclose(images[1], images[0], atol=1e-3 * np.abs(images[0]).max())
    assert all(np.abs(x).max() > 0 for x in jax.tree.leaves(wide.g_params) if x.ndim == 4)
    with pytest.raises(ValueError, match="give a larger BASE or CAP"):
        widen(wide, 64, 3)
