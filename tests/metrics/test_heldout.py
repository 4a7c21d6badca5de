"""The held-out figures, on predictors whose figures are known beforehand."""

import jax.numpy as jnp
import numpy as np
import pytest

from fec_jax import images
from fec_jax.masks import holes
from fec_jax.metrics import heldout

RNG = np.random.default_rng(0)
PHOTOS = RNG.integers(0, 256, (5, 8, 8, 3), np.uint8)
LABELS = RNG.integers(0, 2, (5, 2), np.uint8)
NAMES = ("Smiling", "Bald")


def constant(value):
    return lambda masked, mask, attrs: jnp.full_like(masked, value)


def test_figures_of_a_constant_by_hand():
    """Broken: another mask than the centre square, other photos, or the last batch's filling counted twice."""
    figures = heldout.reconstruction_figures(constant(-1.0), PHOTOS, LABELS, batch=2)
    hole = PHOTOS[:, 2:6, 2:6].astype(np.float64) / 255
    assert figures["l1_hole_center"] == pytest.approx(hole.mean(), rel=1e-5)
    psnr = -10 * np.log10((hole**2).mean(axis=(1, 2, 3)))
    assert figures["psnr_hole_center"] == pytest.approx(psnr.mean(), abs=1e-3)


@pytest.mark.parametrize("batch", [1, 3, 5, 16])
def test_the_batch_makes_no_difference(batch):
    """Broken: the figures depend on the batch size."""
    expected = heldout.reconstruction_figures(constant(0.2), PHOTOS, LABELS, batch=5)
    assert heldout.reconstruction_figures(constant(0.2), PHOTOS, LABELS, batch=batch) == pytest.approx(
        expected, rel=1e-5
    )


def test_the_predictor_sees_no_more_than_it_should():
    """Broken: the hole is left in what is to be completed, and every figure is a dream."""
    seen = []

    def predict(masked, mask, attrs):
        seen.append((masked, mask, attrs))
        return masked

    heldout.reconstruction_figures(predict, PHOTOS, LABELS, batch=5)
    masked, mask, attrs = seen[0]
    np.testing.assert_array_equal(mask, np.broadcast_to(holes.center(8), (5, 8, 8, 1)))
    assert not np.asarray(masked)[:, 2:6, 2:6].any()
    context = np.asarray(mask)[..., 0] == 0
    np.testing.assert_array_equal(images.to_uint8(masked)[context], PHOTOS[context])
    np.testing.assert_array_equal(attrs, LABELS)


def test_only_the_hole_of_the_prediction_counts():
    """Broken: what the network makes of the context, which no one will see, goes into the figures."""

    def predict(masked, mask, attrs):
        real = images.to_float(PHOTOS)
        return jnp.where(mask > 0, real, -real)

    assert heldout.reconstruction_figures(predict, PHOTOS, LABELS, batch=5)["l1_hole_center"] == 0


def obedient(masked, mask, attrs):
    """Writes what is asked for into the hole, as red and green of 4 middle pixels."""
    mark = jnp.concatenate([2 * attrs - 1, jnp.zeros((len(attrs), 1))], axis=1)
    return jnp.broadcast_to(mark[:, None, None], masked.shape)


def read(x):
    """Reads the marks of `obedient`, from the image's middle."""
    return x[:, 4, 4, :2]


def test_an_obedient_generator_is_always_right():
    """Broken: wanted attributes are not passed on, or compared with the labels."""
    figures = heldout.attribute_figures(obedient, read, PHOTOS, LABELS, NAMES, batch=2)
    for kind in ("flipped_center", "flipped_wide", "kept_center", "kept_wide"):
        assert [figures[f"attr_{kind}/{name}"] for name in (*NAMES, "mean")] == [1, 1, 1]


def test_a_generator_that_does_not_listen():
    """Broken: a generator that ignores attributes has a high edit success rate."""

    def deaf(masked, mask, attrs):
        return obedient(masked, mask, jnp.asarray(LABELS, jnp.float32))

    figures = heldout.attribute_figures(deaf, read, PHOTOS, LABELS, NAMES, batch=5)
    assert figures["attr_flipped_center/mean"] == figures["attr_flipped_wide/mean"] == 0
    assert figures["attr_kept_center/mean"] == figures["attr_kept_wide/mean"] == 1


def test_each_attribute_is_flipped_alone():
    """Broken: one attribute's success is counted for another: this generator edits the first attribute only."""

    def half(masked, mask, attrs):
        return obedient(masked, mask, attrs.at[:, 1].set(jnp.asarray(LABELS[:, 1], jnp.float32)))

    figures = heldout.attribute_figures(half, read, PHOTOS, LABELS, NAMES, batch=5)
    assert [figures[f"attr_flipped_center/{name}"] for name in (*NAMES, "mean")] == [1, 0, 0.5]


def test_edits_differ_from_the_labels_in_one_attribute():
    """Broken: several attributes are asked for at once, and none is measured by itself."""
    asked = []

    def predict(masked, mask, attrs):
        asked.append(np.asarray(attrs) != LABELS)
        return masked

    heldout.attribute_figures(predict, read, PHOTOS, LABELS, NAMES, batch=5)
    assert sorted(d.sum(axis=0).tolist() for d in asked) == 2 * [[0, 0]] + 2 * [[0, 5]] + 2 * [[5, 0]]


def test_the_classifier_itself_on_untouched_photos():
    """Broken: one cannot tell whether generator or classifier is wrong."""
    figures = heldout.attribute_figures(obedient, read, PHOTOS, LABELS, NAMES, batch=2)
    share = ((PHOTOS[:, 4, 4, :2] > 127) == (LABELS > 0)).mean(axis=0)
    assert [figures[f"attr_real/{name}"] for name in NAMES] == pytest.approx(share)


def test_mean_face():
    """Broken: the baseline, and every gain over it, is wrong: other photos, or the last chunk left out."""

    class Many:
        name, license, fingerprint, resolution_px, attribute_names = "many", "none", "", 8, NAMES
        photos = RNG.integers(0, 256, (130, 8, 8, 3), np.uint8)

        def __len__(self):
            return 130

        def load(self, indices):
            return self.photos[np.asarray(indices)], np.zeros((len(indices), 2), np.uint8)

    predict = heldout.mean_face(Many(), most=129)
    masked = jnp.zeros((2, 8, 8, 3))
    image = predict(masked, masked[..., :1], jnp.zeros((2, 2)))
    assert image.shape == masked.shape
    np.testing.assert_array_equal(images.to_uint8(image)[1], np.rint(Many.photos[:129].mean(axis=0)))
