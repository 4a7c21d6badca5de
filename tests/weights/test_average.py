"""Arithmetic with weights files, as the shipped ones are made."""

import dataclasses

import numpy as np
import pytest

from experiments.portraits128.add import add
from experiments.portraits128.average import average
from fec_jax.types import UserError
from fec_jax.weights.format import Meta, Weights


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
