"""The generator's linear model of faces, fitted to the training photos, once, before the first step."""

import dataclasses
import logging

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float32, Float64

from fec_jax import images
from fec_jax.data.source import load_to_fit
from fec_jax.masks import holes
from fec_jax.nets.prior import PX
from fec_jax.train.run import Run
from fec_jax.train.starting import Start
from fec_jax.train.state import State
from fec_jax.types import HostImages, Params

log = logging.getLogger(__name__)

NAME = f"prior_{PX}"
FACTORS = tuple(2**i for i in range(9))
"""Among these the noise is chosen, in multiples of the variance that the components leave over."""
FEWEST_TO_TRY = 10
"""With fewer photos there is nothing to choose it by, and it is the smallest."""
LEAST = 1e-4
"""Least variance of the noise, about that of a grey level, and of a component, as a share of the largest."""

Rows = Float32[np.ndarray, "n d"]


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
    """The parameters of `nets.prior.Prior` from photos of 32 px; they count mirrored too.

    With fewer photos than components the last ones are 0. The noise is more than what the components leave over: a new
    face leaves over more, and not independently in every pixel. How much more is tried out on every fifth photo, its
    centre square the hole, with the components of the others.
    """
    rows = np.asarray(images.to_float(np.concatenate([photos, photos[:, :, ::-1]]))).reshape(2 * len(photos), -1)
    tried = np.tile(np.arange(len(photos)) % 5 == 0, 2)
    factor = FACTORS[0]
    if len(photos) >= FEWEST_TO_TRY:
        factor = _best_factor(*components(rows[~tried], count), rows[tried])
    mean, basis, variance = components(rows, count)
    noise = np.sqrt(variance * factor)
    return {"mean": np.float32(mean), "basis": np.float32(basis / noise), "noise": np.array([noise], np.float32)}


def components(rows: Rows, count: int) -> tuple[Float64[np.ndarray, " d"], Float64[np.ndarray, "k d"], float]:
    """Mean, components as long as their standard deviations, most important first, and the variance left over."""
    mean = rows.mean(axis=0, dtype=np.float64)
    known = rows - mean.astype(np.float32)
    fewer = len(rows) < len(mean)  # then products of photos have the same eigenvalues as those of pixels
    values, vectors = np.linalg.eigh((known @ known.T if fewer else known.T @ known).astype(np.float64) / len(rows))
    values, vectors = values[::-1][:count], vectors[:, ::-1][:, :count]
    left_over = (np.square(known, dtype=np.float64).sum() / len(rows) - values.sum()) / len(mean)
    values = np.where(values > LEAST * values[0], values, 0)
    basis = np.zeros((count, len(mean)))
    basis[: len(values)] = vectors.T @ known / np.sqrt(len(rows)) if fewer else (vectors * np.sqrt(values)).T
    basis[: len(values)][values == 0] = 0
    return mean, basis, max(left_over, LEAST)


def _best_factor(mean: Float64[np.ndarray, " d"], basis: Float64[np.ndarray, "k d"], variance: float, new: Rows) -> int:
    """The factor of the noise, of `FACTORS`, that completes the centre square of `new` best."""
    hole = np.repeat(np.asarray(holes.center(PX))[..., 0].ravel() > 0.5, 3)
    known, inside, outside = new - mean, basis[:, hole], basis[:, ~hole]
    gram, seen = outside @ outside.T, known[:, ~hole] @ outside.T

    def error(factor: int) -> float:
        scores = np.linalg.solve(gram + variance * factor * np.eye(len(basis)), seen.T).T
        return float(np.square(scores @ inside - known[:, hole]).sum())

    return min(FACTORS, key=error)
