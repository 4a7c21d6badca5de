"""What an evaluation keeps in memory, and how photos are read for it."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from evaluation_peak import PX, Generated
from few_photos import Photos, drawn

from fec_jax.data import source
from fec_jax.data.held import Fitted, Hashed
from fec_jax.masks import sets as mask_sets
from fec_jax.metrics import protocol


def test_memory_does_not_grow_with_the_number_of_photos():
    """Broken: a large test set needs memory for all its photos or masks at once: 256 photos need it four times."""
    # Apart from pytest, whose checks of array types keep arrays longer than the program does.
    script = Path(__file__).with_name("evaluation_peak.py")
    done = subprocess.run([sys.executable, script, "64", "256"], capture_output=True, text=True, check=True)
    few, many = map(int, done.stdout.split())
    # What is known of each photo stays: some 30 numbers and a checksum. A photo and its masks have 11,000 bytes.
    assert many - few < 192 * 2500
    assert many < 1.3 * few


def test_photos_are_fitted_to_within_bounds(monkeypatch):
    """Broken: fitting to a data set of large photos takes all memory, or the protocol counts photos not fitted to."""
    photos = Generated(12)
    monkeypatch.setattr(source, "FITTED_BYTES", 5 * 3 * PX * PX)
    assert len(source.load_to_fit(photos)[0]) == 5
    train = Fitted(photos)
    facts = protocol.describe(train, drawn(3, PX), "test", 3, [mask_sets.make("center", 3, PX, 0)], {})
    assert facts["data"]["fitted_on_photos"] == len(train) == 5
    monkeypatch.setattr(source, "FITTED_BYTES", 1)
    assert len(source.load_to_fit(photos)[0]) == 1


def test_fitted_photos_are_read_once():
    """Broken: every classifier and baseline decodes the training photos again, or gets others."""
    photos = Generated(6)
    train = Fitted(photos)
    for _ in range(3):
        images, attrs = source.load_to_fit(train)
    np.testing.assert_array_equal(photos.read, 1)
    expected = Generated(6).load(range(6))
    np.testing.assert_array_equal(images, expected[0])
    np.testing.assert_array_equal(attrs, expected[1])
    np.testing.assert_array_equal(train.load([4, 1])[0], expected[0][[4, 1]])


def test_checksums_cost_no_second_reading():
    """Broken: a fingerprint decodes every photo again after it was measured."""
    photos = Generated(40)
    hashed = Hashed(photos)
    images, attrs = hashed.load(range(3, 40))
    assert protocol.fingerprint(hashed, 40) == protocol.fingerprint(Generated(40), 40)
    np.testing.assert_array_equal(photos.read, 1)
    expected = Generated(40).load(range(3, 40))
    np.testing.assert_array_equal(images, expected[0])
    np.testing.assert_array_equal(attrs, expected[1])


def test_an_error_while_reading_is_not_lost():
    """Broken: a damaged photo is replaced by whatever lay in memory, because a thread's error goes nowhere."""

    class Damaged(Generated):
        def load(self, indices):
            if 30 in indices:
                raise OSError("damaged")
            return super().load(indices)

    with pytest.raises(OSError, match="damaged"):
        Hashed(Damaged(40)).load(range(40))
    assert isinstance(Hashed(drawn(2)), source.Source)
    assert isinstance(Fitted(Photos(*drawn(2).load([0, 1]))), source.Source)
