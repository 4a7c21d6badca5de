"""The weighted sum, by hand."""

import jax.numpy as jnp
import pytest

from fec_jax.losses.total import TERMS, Lambdas, total

RAW = dict(zip(TERMS, jnp.array([0.5, 0.25, 0.1, 2.0, 0.01]), strict=True))


def test_the_papers_weights():
    """Broken: a term is left out or weighed wrong: 0.5 + 2 * 0.25 + 500 * 0.1 + 10 * 2 + 5000 * 0.01 = 121."""
    assert float(total(RAW, Lambdas())) == pytest.approx(121.0)


def test_only_ds_two_terms_are_scaled():
    """Broken: the factor of a resolution reaches the wrong losses: 0.1 * (0.5 + 0.5) + 120 = 120.1."""
    assert float(total(RAW, Lambdas(), 0.1)) == pytest.approx(120.1)
    assert [Lambdas().of(name, 0.1) for name in TERMS] == pytest.approx([0.1, 0.2, 500, 10, 5000])
