"""The average of two weights files, as the shipped ones are made."""

import dataclasses

import numpy as np

from experiments.portraits128.average import average
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
