"""A smaller window on a source: lower resolution, fewer attributes."""

import numpy as np
import pytest

from fec_jax.data.pooled import Pooled
from fec_jax.data.synthetic.source import ATTRIBUTES, SyntheticFaces
from fec_jax.types import UserError

FACES = SyntheticFaces(8, 16)


def test_pooling_by_hand():
    """Broken: a low phase is trained on something else than the average of the photos."""
    photos, attrs = FACES.load(range(8))
    pooled, same = Pooled(FACES, 4).load(range(8))
    means = photos.astype(float).reshape(8, 4, 4, 4, 4, 3).mean(axis=(2, 4))
    assert np.abs(pooled - means).max() <= 0.5
    np.testing.assert_array_equal(attrs, same)


def test_some_attributes_in_another_order():
    """Broken: a run on some of the attributes gets the labels of others."""
    source = Pooled(FACES, 16, ("Bald", "Male"))
    photos, attrs = source.load([3, 1])
    assert source.attribute_names == ("Bald", "Male")
    np.testing.assert_array_equal(photos, FACES.load([3, 1])[0])
    columns = [ATTRIBUTES.index(name) for name in source.attribute_names]
    np.testing.assert_array_equal(attrs, FACES.load([3, 1])[1][:, columns])


def test_what_cannot_be():
    """Broken: a wrong name or size is found out in the middle of a run."""
    with pytest.raises(UserError, match="has no attribute Beard"):
        Pooled(FACES, 16, ("Beard",))
    with pytest.raises(ValueError, match="16 px to 12 px: not a divisor"):
        Pooled(FACES, 12)
