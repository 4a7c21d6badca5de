"""Fitting the generator's linear model, and which runs do."""

from typing import Any

import numpy as np
import pytest
import tiny
import tiny_config

from configs.common import row
from fec_jax.config import build
from fec_jax.nets.prior import PX
from fec_jax.train import prior, starting
from fec_jax.train.starting import Start
from fec_jax.types import UserError
from fec_jax.weights.format import load_weights, save_weights

VALUES = 3 * PX**2


def config(count=6, **changes):
    found: Any = tiny_config.get_config()
    found.resolution_px = 32
    found.schedule.px32 = row(0, 0.04, 1e-3)
    found.batch.px32 = 8
    found.growth = "add"
    found.generator.prior = count
    found.update_from_flattened_dict(changes)
    return found


def faces(count, components, noise, seed=0):
    """Photos with so many linear components of falling size, and noise in grey levels."""
    rng = np.random.default_rng(seed)
    basis = np.random.default_rng(9).normal(size=(components, VALUES)) * np.geomspace(40, 5, components)[:, None]
    photos = 128 + rng.normal(size=(count, components)) @ basis / 3 + noise * rng.normal(size=(count, VALUES))
    return np.clip(np.rint(photos), 0, 255).astype(np.uint8).reshape(count, PX, PX, 3)


def spread(rows):
    """Standard deviations along the principal components, largest first."""
    return np.linalg.svd(rows - rows.mean(axis=0), compute_uv=False) / np.sqrt(len(rows))


def mirrored(photos):
    return (np.concatenate([photos, photos[:, :, ::-1]]) / 127.5 - 1).reshape(2 * len(photos), -1)


def test_the_model_is_of_photos_and_of_photos_mirrored():
    """Broken: units other than [-1, 1], or a model that prefers a side."""
    photos = faces(60, 3, 4.0)
    found = prior.fit(photos, 8)
    np.testing.assert_allclose(found["mean"], mirrored(photos).mean(axis=0), atol=1e-4)
    np.testing.assert_allclose(
        np.linalg.norm(found["basis"] * found["noise"], axis=1), spread(mirrored(photos))[:8], rtol=2e-3
    )
    known = mirrored(photos) - found["mean"]
    for component in found["basis"] * found["noise"]:  # their variance along the component is its length's square
        length = np.linalg.norm(component)
        np.testing.assert_allclose((known @ component / length).std(), length, rtol=2e-3)
    mean = found["mean"].reshape(PX, PX, 3)
    np.testing.assert_allclose(mean, mean[:, ::-1], atol=1e-5)


def test_with_fewer_photos_than_components_the_rest_is_nothing():
    """Broken: division by nothing, or random components."""
    found = prior.fit(faces(4, 3, 4.0), 40)
    lengths = np.linalg.norm(found["basis"], axis=1)
    assert found["basis"].shape == (40, VALUES)
    assert np.isfinite(found["basis"]).all()
    assert (lengths > 0).sum() == 7  # mirrored they are 8, less their mean


def test_the_noise_is_that_of_new_faces():
    """Broken: it is what the model leaves over of the photos that it was fitted to."""
    photos = faces(60, 60, 4.0)
    left_over = np.square(spread(mirrored(photos))[100:]).sum() / VALUES
    assert prior.fit(photos, 100)["noise"].item() ** 2 > 1.5 * left_over


def test_a_new_run_fits_its_own():
    """Broken: a run begins with a model of zeros, or the average does."""
    run = build.build(config())
    state = run.new_state(run.phases[0])
    assert not state.g_params[prior.NAME]["basis"].any()
    state = prior.fitted(state, run, None)
    photos, _ = run.train_source(PX).load(range(40))
    for name, x in prior.fit(photos, 6).items():
        np.testing.assert_array_equal(state.g_params[prior.NAME][name], x)
        np.testing.assert_array_equal(state.g_ema[prior.NAME][name], x)
    assert np.abs(state.g_params[prior.NAME]["basis"]).max() > 0.01


def test_checkpoints_keep_it():
    """Broken: what a checkpoint holds after some steps has other shapes, and does not resume."""
    run = build.build(config())
    state = prior.fitted(run.new_state(run.phases[0]), run, None)
    packing = run.packing(run.phases[-1])
    named = packing.named(*packing.packed(state))
    for name, x in state.g_ema[prior.NAME].items():
        assert named.g_ema[prior.NAME][name].shape == x.shape
        np.testing.assert_array_equal(named.g_ema[prior.NAME][name], x)


def test_a_run_without_one_stays_as_it_is():
    run = build.build(config(0))
    state = run.new_state(run.phases[0])
    assert prior.fitted(state, run, None) is state
    assert prior.NAME not in state.g_params


def start_of(count):
    weights = tiny.weights_of(build.build(config(count)), 32)
    return Start(weights, "old", "")


def begun(run, start):
    starting.check(run, start)
    return starting.begin(prior.fitted(run.new_state(run.phases[0]), run, start), start)


def test_weights_bring_their_own():
    """Broken: the model that the weights were trained with is replaced by one of the new photos."""
    start = start_of(6)
    state = begun(build.build(config()), start)
    for name, x in start.weights.g_params[prior.NAME].items():
        np.testing.assert_array_equal(state.g_params[prior.NAME][name], x)


def test_weights_without_one_get_one():
    """Broken: they are refused, or keep a model of zeros."""
    start = start_of(0)
    state = begun(build.build(config()), start)
    assert np.abs(state.g_params[prior.NAME]["basis"]).max() > 0.01
    np.testing.assert_array_equal(state.g_params["to_latent"]["kernel"], start.weights.g_params["to_latent"]["kernel"])


def test_weights_with_another_are_refused():
    with pytest.raises(UserError, match=r"have generator\.prior = 6, this run has 5: set config\.generator\.prior"):
        starting.check(build.build(config(5)), start_of(6))


def test_it_is_in_files_of_weights(tmp_path):
    """Broken: a file with a model does not load, or loads without."""
    weights = tiny.weights_of(build.build(config()), 32)
    save_weights(tmp_path / "w.safetensors", weights)
    loaded = load_weights(tmp_path / "w.safetensors")
    assert loaded.meta.build_generator().prior == 6
    np.testing.assert_array_equal(loaded.g_params[prior.NAME]["basis"], weights.g_params[prior.NAME]["basis"])


@pytest.mark.parametrize("changes", [{"growth": "blend"}, {"resolution_px": 16}])
def test_configs_without_a_place_for_it_are_refused(changes):
    changed = config(**changes)
    if changed.resolution_px == 16:
        del changed.schedule["px32"], changed.batch["px32"]
    with pytest.raises(UserError, match=r"config\.generator\.prior is 6: it needs config\.growth = 'add'"):
        build.build(changed)


def test_tiny_has_none():
    assert tiny.run().recipe.generator.prior == 0
