"""Attribute directions: a linear regression on the training photos, once, before the first step."""

import numpy as np
from jaxtyping import Float32

from fec_jax.data.source import Source, load_to_fit
from fec_jax.images import HALF_RANGE

DIRECTION_PX = 64
"""Largest side of the directions: an attribute's effect on the average face has no finer detail."""
DOUBT = 20.0
"""Ridge of the directions, in photos: it shrinks those of attributes that far fewer photos show."""


def directions(source: Source) -> Float32[np.ndarray, "n px px 3"]:
    """What each attribute, all others being equal, adds to the average face: a regression of pixels on attributes.

    In units of [-1, 1] images, symmetric, since photos count mirrored too.
    """
    photos, labels = load_to_fit(source)
    known = labels - labels.mean(axis=0)
    weights = np.linalg.solve(known.T @ known + DOUBT * np.eye(known.shape[1]), known.T)
    pixels = photos.reshape(len(photos), -1).astype(np.float32)
    found = ((weights / HALF_RANGE).astype(np.float32) @ pixels).reshape(-1, *photos.shape[1:])
    return (found + found[:, :, ::-1]) / 2
