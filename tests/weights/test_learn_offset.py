"""The script that trains the offset of weights alone."""

import dataclasses

import jax.numpy as jnp
import numpy as np
from changed_configs import CONGRESS, config_of

from experiments.portraits128 import learn_offset
from fec_jax.config import build
from fec_jax.masks import holes
from fec_jax.masks.sampler import MaskSampler
from fec_jax.nets.offset import LARGEST, Offset

PX = 64


def spots(count, by_px=0, seed=0):
    """A bright spot left of the hole and one right of it on every photo, moved to the right."""
    photos = np.random.default_rng(seed).integers(90, 110, (count, PX, PX, 3)).astype(np.uint8)
    for column in (10, 50):
        photos[:, 24:40, column + by_px : column + by_px + 4] = 255
    return photos


def test_it_learns_where_spots_are(monkeypatch):
    """Broken: the script learns nothing, gives back what it began with, or what it read says the opposite."""
    monkeypatch.setattr(learn_offset, "BATCH", 8)
    monkeypatch.setattr(learn_offset, "AVERAGE", 0.9)
    recipe = build.networks_only(config_of("portraits128").to_dict(), CONGRESS).recipe
    recipe = dataclasses.replace(recipe, sampler=MaskSampler(center_share=1.0))
    plan = learn_offset.Plan(steps=60, lr=2e-3, unmoved=0.25, seed=0)
    params = learn_offset.learn(learn_offset.untrained(), spots(64), recipe, plan)
    mask = jnp.broadcast_to(holes.center(PX), (8, PX, PX, 1))

    def sideways(by_px):
        masked = holes.cut(jnp.asarray(spots(8, by_px, seed=1) / 127.5 - 1, jnp.float32), mask)
        return float(Offset().apply({"params": params}, masked, mask)[:, 0].mean()) * PX

    most = int(LARGEST * PX)
    left, still, right = sideways(-most), sideways(0), sideways(most)
    assert left < still - 1
    assert right > still + 1
