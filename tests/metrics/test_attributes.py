"""The classifier: what it learns, that it is the same every time, and what it refuses."""

import numpy as np
import pytest
from few_photos import NAMES, drawn

from fec_jax.metrics import attributes, perceptual
from fec_jax.metrics.attributes import Classifier, fit
from fec_jax.metrics.backbones import BACKBONES
from fec_jax.types import UserError

FITTED = {"alex": 256, "vgg16": 96}
"""So many drawn faces teach the backbones to tell a smile: AlexNet sees them more coarsely."""


def smaller(patch):
    patch.setattr(perceptual, "FEATURE_PX", 64)
    patch.setattr(perceptual, "ALEX_FACE_PX", 160)


@pytest.fixture(autouse=True)
def less_to_compute(monkeypatch):
    """Features of 64 and 160 px, not 128 and 240: a fraction of the work."""
    smaller(monkeypatch)


@pytest.fixture(scope="module", params=BACKBONES)
def classifier(request):
    with pytest.MonkeyPatch.context() as patch:
        smaller(patch)
        train = drawn(FITTED[request.param], 64)
        return fit(train.images, train.attrs, NAMES, request.param)


def test_learns_what_faces_show(classifier):
    """Broken: a judge of attributes is worth nothing, or its attributes are in another order."""
    test = drawn(60, 64, "test")
    agrees = (classifier.logits(test.images) > 0) == (test.attrs == 1)
    assert dict(zip(classifier.names, agrees.mean(axis=0) > 0.85, strict=True)) == {"Eyeglasses": True, "Smiling": True}


def test_logits_are_linear_in_features(classifier, monkeypatch):
    """Broken: the whitening is left out of the weights or the bias. Here features are whatever the photos hold."""
    width = len(classifier.weights)
    for name in ("face_features", "alex_face_features"):
        monkeypatch.setattr(perceptual, name, lambda x: x.reshape(len(x), -1)[:, :width].astype(np.float32))
    photos = np.random.default_rng(0).integers(0, 256, (2, 96, 96, 3), np.uint8)
    zero, a, b = classifier.logits(np.concatenate([np.zeros_like(photos[:1]), photos // 2]))
    both = classifier.logits(photos[:1] // 2 + photos[1:] // 2)[0]
    np.testing.assert_allclose(zero, classifier.bias, rtol=1e-6)
    np.testing.assert_allclose(both - zero, (a - zero) + (b - zero), rtol=1e-3, atol=1e-3 * np.abs(both).max())


def plain_features(monkeypatch):
    """Pixels as features: for tests of the fit alone."""
    monkeypatch.setattr(perceptual, "alex_face_features", lambda x: x.reshape(len(x), -1).astype(np.float32))


def test_the_same_every_time(monkeypatch):
    """Broken: two evaluations of the same weights differ."""
    plain_features(monkeypatch)
    train = drawn(40)
    first, again = (fit(train.images, train.attrs, NAMES, "alex") for _ in range(2))
    np.testing.assert_array_equal(first.weights, again.weights)
    assert first.sha256 == again.sha256


def test_the_sha256_is_of_everything():
    """Broken: reports cannot tell whether the same classifier was used."""
    one = Classifier("alex", ("Bald",), np.ones((3, 1), np.float32), np.zeros(1, np.float32))
    others = [
        Classifier("vgg16", ("Bald",), one.weights, one.bias),
        Classifier("alex", ("Male",), one.weights, one.bias),
        Classifier("alex", ("Bald",), 2 * one.weights, one.bias),
        Classifier("alex", ("Bald",), one.weights, one.bias + 1),
    ]
    assert len({x.sha256 for x in [one, *others]}) == 5
    assert one.sha256 == Classifier("alex", ("Bald",), one.weights.copy(), one.bias.copy()).sha256


def test_mirrored_photos_count(monkeypatch):
    """Broken: a classifier that has only ever seen faces turned one way."""
    plain_features(monkeypatch)
    train = drawn(40)
    first = fit(train.images, train.attrs, NAMES, "alex")
    mirrored = fit(np.ascontiguousarray(train.images[:, :, ::-1]), train.attrs, NAMES, "alex")
    np.testing.assert_allclose(first.logits(train.images), mirrored.logits(train.images), atol=1e-3)


@pytest.mark.parametrize("value", [0, 1])
def test_too_few_of_a_kind(value):
    """Broken: a classifier fitted to four smiles is used for smiles."""
    photos, labels = np.zeros((20, 16, 16, 3), np.uint8), np.zeros((20, 2), np.uint8)
    labels[:10, 0], labels[:, 1] = 1, 1 - value
    labels[: attributes.FEWEST_OF_A_KIND - 1, 1] = value
    with pytest.raises(UserError, match="attribute Smiling: 4 of 20 training photos"):
        fit(photos, labels, NAMES, "alex")


def test_columns_at_once_make_no_difference(monkeypatch):
    """Broken: the classifier depends on how much memory its fit takes, or forgets the last columns."""
    plain_features(monkeypatch)
    train = drawn(40)
    whole = fit(train.images, train.attrs, NAMES, "alex")
    monkeypatch.setattr(attributes, "COLUMNS", 100)
    some = fit(train.images, train.attrs, NAMES, "alex")
    assert len(whole.weights) % 100
    np.testing.assert_allclose(some.logits(train.images), whole.logits(train.images), atol=1e-3)
