"""The generator's linear model of faces, fitted to the training photos, once, before the first step."""

import dataclasses
import logging

import jax
import jax.numpy as jnp
import numpy as np

from fec_jax.data.source import load_to_fit
from fec_jax.images import HALF_RANGE
from fec_jax.metrics.baselines import PcaRegression
from fec_jax.nets.prior import PX
from fec_jax.train.run import Run
from fec_jax.train.starting import Start
from fec_jax.train.state import State
from fec_jax.types import HostImages, Params

log = logging.getLogger(__name__)

NAME = f"prior_{PX}"
LEAST = 1.0
"""Least variance of the noise: that of one grey level."""


def fitted(state: State, run: Run, start: Start | None) -> State:
    """A new run's state with the linear model of its training photos, if its generator has one.

    start: the weights that the run begins with; they may bring theirs.
    """
    count = run.recipe.generator.prior
    if not count or (start and NAME in start.weights.g_params):
        return state
    photos, _ = load_to_fit(run.train_source(PX))
    log.info("fits a linear model of %d components to %d photos", count, len(photos))
    g_params = {**state.g_params, NAME: jax.tree.map(jnp.asarray, fit(photos, count))}
    return dataclasses.replace(state, g_params=g_params, g_ema=jax.tree.map(jnp.copy, g_params))


def fit(photos: HostImages, count: int) -> Params:
    """The parameters of `nets.prior.Prior` from photos of 32 px: PCA regression's, in other units.

    With fewer photos than components the last ones are 0.
    """
    pca = PcaRegression.fit(photos, count)
    noise = max(pca.noise, LEAST)
    basis = np.zeros((count, pca.mean.size), np.float32)
    basis[: len(pca.components)] = (pca.components.T * np.sqrt(pca.variances / noise)).T.reshape(-1, pca.mean.size)
    mean = pca.mean.ravel() / HALF_RANGE - 1
    return {"mean": np.float32(mean), "basis": basis, "noise": np.array([np.sqrt(noise) / HALF_RANGE], np.float32)}
