"""What is read out of the training photos before the first step."""

import dataclasses

import numpy as np
import pytest

from fec_jax.train import directions

PX = 8


@dataclasses.dataclass
class Known:
    """Photos that are a grey level, plus a pattern for each attribute they have; only the first is asymmetric."""

    count: int = 400
    share: float = 0.4
    agree: float = 0.5

    name, resolution_px, attribute_names, license = "known", PX, ("First", "Second"), ""
    fingerprint = ""

    def __len__(self):
        return self.count

    def labels(self):
        rng = np.random.default_rng(0)
        first = rng.random(4000) < self.share
        second = np.where(rng.random(4000) < self.agree, first, ~first)
        return np.stack([first, second], axis=1).astype(np.uint8)[: self.count]

    def patterns(self):
        patterns = np.zeros((2, PX, PX, 3))
        patterns[0, :2, : PX // 2, 0] = 60
        patterns[1, -3:, :, 1] = -40
        return patterns

    def load(self, indices):
        labels = self.labels()[list(indices)]
        photos = 120 + np.tensordot(labels.astype(float), self.patterns(), axes=1)
        return np.rint(photos).astype(np.uint8), labels


def both_sides(patterns):
    return (patterns + patterns[:, :, ::-1]) / 2 / 127.5


@pytest.mark.parametrize("agree", [0.5, 0.8])
def test_directions_are_what_each_attribute_adds(agree):
    """Broken: wrong units or order, an attribute is charged with another's, or mirrored photos are forgotten."""
    source = Known(4000, agree=agree)
    np.testing.assert_allclose(directions.directions(source), both_sides(source.patterns()), atol=0.02)


def test_little_is_claimed_of_what_few_photos_show():
    """Broken: one photo's backdrop becomes the direction of an attribute that it alone has."""
    source = Known(200, share=0.0, agree=0.99)
    assert 0 < source.labels()[:, 1].sum() < 5
    found, there = directions.directions(source), both_sides(source.patterns())
    assert np.abs(found[1]).max() < 0.25 * np.abs(there[1]).max()
    assert not found[0].any()


def test_directions_are_of_the_first_photos(monkeypatch):
    """Broken: all of a large set is read into memory."""
    monkeypatch.setattr("fec_jax.data.source.MOST_FITTED", 50)
    np.testing.assert_array_equal(directions.directions(Known(400)), directions.directions(Known(50)))
