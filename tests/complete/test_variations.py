"""Which edits a contact sheet shows."""

import pytest

from fec_jax.complete.variations import variations


@pytest.mark.parametrize(("value", "flipped"), [(-0.5, 1), (0, 1), (0.4, 1), (0.5, 0), (1, 0), (1.5, 0)])
def test_flips(value, flipped):
    """Broken: the flip of an overdone attribute is more than the network may be given (2), or below 0."""
    edits = variations("all", {"Smiling": value, "Male": 1})
    assert edits == [
        ("completed", {"Smiling": value, "Male": 1}),
        (f"Smiling={flipped}", {"Smiling": flipped, "Male": 1}),
        ("Male=0", {"Smiling": value, "Male": 0}),
    ]
