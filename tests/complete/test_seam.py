"""Where fill and photo meet: no step, and nothing else changes."""

import numpy as np
import pytest

from fec_jax.complete import seam
from fec_jax.metrics import limits

HOLE = np.zeros((64, 64), bool)
HOLE[16:48, 20:44] = True


def test_meet_takes_a_wrong_colour_out():
    """Broken: a fill of another tint stays so, and its edge shows."""
    masked = np.where(HOLE[..., None], 0, 0.4).astype(np.float32).repeat(3, axis=2)
    image = np.where(HOLE[..., None], 0.1, 0.4).astype(np.float32).repeat(3, axis=2)
    mask = HOLE[..., None].astype(np.float32)
    met = seam.meet(image, masked, mask)
    np.testing.assert_array_equal(met[~HOLE], image[~HOLE])
    np.testing.assert_allclose(met[HOLE], 0.4 - 0.3 * seam.KEPT, atol=1e-3)


@pytest.mark.parametrize("px", [64, 256])
def test_meet_follows_the_colours_around(px):
    """Broken: light from one side is not carried on into the hole, at some size of network."""
    k = px // 64
    hole = HOLE.repeat(k, 0).repeat(k, 1)
    ramp = np.linspace(-0.5, 0.5, px, dtype=np.float32)[None, :, None].repeat(px, 0).repeat(3, 2)
    met = seam.meet(0 * ramp, np.where(hole[..., None], 0, ramp), hole[..., None].astype(np.float32))
    inner = met[px // 2, 24 * k : 40 * k, 0]
    assert (np.diff(inner) > -1e-4).all()
    assert inner[0] < -0.02
    assert inner[-1] > 0.02


def test_full_and_empty_masks_change_nothing():
    """Broken: a face that is all hole, or none, gets NaN colours."""
    image = np.random.default_rng(0).normal(size=(16, 16, 3)).astype(np.float32)
    for mask in (np.ones((16, 16, 1), np.float32), np.zeros((16, 16, 1), np.float32)):
        np.testing.assert_array_equal(seam.meet(image, 0 * image, mask), image)


def test_feather_closes_the_seam_and_leaves_the_middle():
    """Broken: the rim of the hole shows, or the feather paints over the network's image."""
    photo = np.full((200, 200, 3), 180, np.uint8)
    hole = np.zeros((200, 200), bool)
    hole[50:150, 60:140] = True
    fake = np.full((200, 200, 3), 150.0, np.float32)
    found = seam.feather(fake, photo, hole, network_px=4.0)
    completed = np.where(hole[..., None], np.round(found), photo).astype(np.uint8)
    mask = hole[None, ..., None].astype(np.float32)
    assert abs(limits.seam(completed[None], photo[None], mask)[0]) < 1
    np.testing.assert_array_equal(found[80:120, 90:110], 150)
    np.testing.assert_array_equal(found[~hole], 150)
