"""The hand-out format: what is written is what is read, and nothing else is let in."""

import dataclasses
import hashlib
import json
import pickle

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import safetensors.numpy

from fec_jax.types import UserError
from fec_jax.weights.format import Meta, Weights, load_weights, save_weights

NAMES = ("Smiling", "Eyeglasses")
RNG = np.random.default_rng(0)


def random_like(shapes):
    """Parameters of the given shapes (`init` would compile for many seconds)."""
    return jax.tree.map(lambda x: 0.3 * RNG.normal(size=x.shape).astype(np.float32), shapes)


def weights_of(max_px=8):
    """Weights exported at 8 px, from networks of `max_px`."""
    meta = Meta(
        attribute_names=NAMES,
        resolution_px=8,
        generator={"base": 64, "cap": 8, "latent": 8, "skip": "residual"},
        discriminator={"base": 64, "cap": 8},
        data={"name": "drawn", "license": "CC0-1.0"},
        training={"kimg": 1.5},
    )
    big = Meta(NAMES, max_px, meta.generator, meta.discriminator)
    return Weights(random_like(big.g_shapes()), random_like(big.d_shapes()), meta)


def same(a, b):
    return jax.tree.structure(a) == jax.tree.structure(b) and all(
        np.array_equal(x, y) for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True)
    )


def rewritten(path, metadata=None, tensors=None):
    """The file at `path` with some metadata and tensors exchanged (None: removed)."""
    with safetensors.safe_open(path, framework="numpy") as file:
        meta = {**file.metadata(), **(metadata or {})}
    arrays = {**safetensors.numpy.load_file(path), **(tensors or {})}
    safetensors.numpy.save_file(
        {k: v for k, v in arrays.items() if v is not None}, path, {k: v for k, v in meta.items() if v is not None}
    )
    return path


def test_round_trip_is_exact(tmp_path):
    """Broken: the weights that others get are not the ones that were trained, or do not say what they are."""
    weights = weights_of()
    digest = save_weights(tmp_path / "w.safetensors", weights)
    again = load_weights(tmp_path / "w.safetensors")
    assert same(again.g_params, weights.g_params)
    assert same(again.d_params, weights.d_params)
    assert again.meta == weights.meta
    assert digest == hashlib.sha256((tmp_path / "w.safetensors").read_bytes()).hexdigest()
    assert [p.name for p in tmp_path.iterdir()] == ["w.safetensors"]


def test_what_version_2_says_comes_back(tmp_path):
    """Broken: photos are aligned for other weights, or a judge is called independent that trained these."""
    said = {
        "alignment": {"eyes_apart": 0.3, "eyes_middle": [0.5, 0.4]},
        "started_from": {"name": "portraits64", "sha256": "ab" * 32},
        "loss_networks": (),
        "splits": ("train", "validation"),
    }
    weights = weights_of()
    meta = dataclasses.replace(weights.meta, **said)
    save_weights(tmp_path / "w.safetensors", dataclasses.replace(weights, meta=meta))
    assert load_weights(tmp_path / "w.safetensors").meta == meta


def test_version_1_is_read(tmp_path):
    """Broken: weights handed out earlier cannot be used any more, or get another meaning."""
    save_weights(tmp_path / "w.safetensors", weights_of())
    new = ("alignment", "started_from", "loss_networks", "splits")
    old = rewritten(tmp_path / "w.safetensors", {"format_version": "1", **dict.fromkeys(new)})
    meta = load_weights(old).meta
    assert meta.alignment == {"eyes_apart": 0.24, "eyes_middle": [0.5, 0.45]}
    assert (meta.started_from, meta.loss_networks, meta.splits) == (None, ("vgg16",), ("train",))


def test_a_git_lfs_pointer_is_named(tmp_path):
    """Broken: who cloned without Git LFS is told that a good file is damaged."""
    path = tmp_path / "w.safetensors"
    path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12345\n")
    with pytest.raises(UserError, match=r"w\.safetensors are a Git LFS pointer.*git lfs pull") as e:
        load_weights(path)
    assert "\n" not in str(e.value)


def test_unborn_layers_are_left_out(tmp_path):
    """Broken: a run stopped at 8 px hands out untrained layers of 16 px, or cannot be loaded as an 8 px network."""
    big = weights_of(max_px=16)
    save_weights(tmp_path / "big.safetensors", big)
    save_weights(tmp_path / "small.safetensors", weights_of(max_px=8))
    names = [set(safetensors.numpy.load_file(tmp_path / f"{n}.safetensors")) for n in ("big", "small")]
    assert names[0] == names[1]
    weights = load_weights(tmp_path / "big.safetensors")
    x = jnp.ones((1, 8, 8, 3)), jnp.ones((1, 8, 8, 1)), jnp.ones((1, 2))
    full = Meta(NAMES, 16, big.meta.generator, big.meta.discriminator)
    wanted = full.build_generator().apply({"params": big.g_params}, *x, 1.0, resolution_px=8)
    got = weights.meta.build_generator().apply({"params": weights.g_params}, *x, 1.0, resolution_px=8)
    np.testing.assert_array_equal(got, wanted)


def test_without_discriminator(tmp_path):
    """Broken: the smaller file cannot be written or read."""
    weights = weights_of()
    save_weights(tmp_path / "w.safetensors", Weights(weights.g_params, None, weights.meta))
    assert load_weights(tmp_path / "w.safetensors").d_params is None


def test_half_is_half_as_large_and_read_as_float32(tmp_path):
    """Broken: --half does not make small files, or the networks compute in float16 unasked."""
    weights = weights_of()
    save_weights(tmp_path / "w.safetensors", weights, "float16")
    stored = safetensors.numpy.load_file(tmp_path / "w.safetensors")
    assert {x.dtype for x in stored.values()} == {np.dtype(np.float16)}
    for x, y in zip(
        jax.tree.leaves(load_weights(tmp_path / "w.safetensors").g_params),
        jax.tree.leaves(weights.g_params),
        strict=True,
    ):
        assert x.dtype == np.float32
        np.testing.assert_allclose(x, y, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize(("value", "dtype"), [(np.nan, "float32"), (np.inf, "float32"), (1e5, "float16")])
def test_broken_numbers_are_not_handed_out(tmp_path, value, dtype):
    """Broken: weights of a diverged run are published."""
    weights = weights_of()
    g_params = {
        **weights.g_params,
        "to_latent": {**weights.g_params["to_latent"], "bias": np.full(8, value, np.float32)},
    }
    with pytest.raises(UserError, match="to_latent/bias"):
        save_weights(tmp_path / "w.safetensors", Weights(g_params, weights.d_params, weights.meta), dtype)
    assert not list(tmp_path.iterdir())


def test_a_tree_that_does_not_fit_is_an_error(tmp_path):
    """Broken: an export with the wrong settings writes a file that nobody can load."""
    weights = weights_of()
    with pytest.raises(ValueError, match="generator/"):
        save_weights(tmp_path / "w.safetensors", Weights(weights.d_params, weights.d_params, weights.meta))
    wide = Meta(NAMES, 8, {**weights.meta.generator, "latent": 9}, weights.meta.discriminator)
    with pytest.raises(ValueError, match="shape"):
        save_weights(tmp_path / "w.safetensors", Weights(weights.g_params, weights.d_params, wide))


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"metadata": {"format": "pt"}}, "not weights of fec_jax"),
        ({"metadata": {"format": None}}, "not weights of fec_jax"),
        ({"metadata": {"format_version": "99"}}, "version 99"),
        ({"metadata": {"resolution_px": "12"}}, "damaged metadata"),
        ({"metadata": {"resolution_px": str(2**40)}}, "damaged metadata"),
        ({"metadata": {"resolution_px": '"8"'}}, "damaged metadata"),
        ({"metadata": {"generator": None}}, "damaged metadata"),
        ({"metadata": {"generator": '{"base": "many"}'}}, "damaged metadata"),
        (
            {"metadata": {"generator": '{"base": 64, "cap": 8, "latent": 8, "skip": "x"}'}},
            "damaged metadata",
        ),
        ({"metadata": {"attribute_names": "7"}}, "damaged metadata"),
        ({"metadata": {"attribute_names": '["Smiling", "Smiling"]'}}, "damaged metadata.*twice"),
        ({"metadata": {"attribute_names": '["Smiling", " "]'}}, "damaged metadata"),
        ({"metadata": {"attribute_names": '"ab"'}}, "damaged metadata"),
        ({"metadata": {"alignment": '{"eyes_apart": 24, "eyes_middle": [0.5, 0.45]}'}}, "damaged metadata"),
        ({"metadata": {"alignment": '{"eyes_apart": 0.24, "eyes_middle": 0.5}'}}, "damaged metadata"),
        ({"metadata": {"started_from": "7"}}, "damaged metadata"),
        ({"metadata": {"loss_networks": "[1]"}}, "damaged metadata"),
        ({"metadata": {"splits": '"train"'}}, "damaged metadata"),
        ({"tensors": {"generator/to_latent/bias": np.full(8, np.nan, np.float32)}}, "to_latent/bias holds values"),
        ({"tensors": {"discriminator/conv_4/Conv_0/bias": np.full(8, np.inf, np.float32)}}, "are not finite"),
        ({"metadata": {"attribute_names": "{"}}, "damaged metadata"),
        ({"metadata": {"training": "[" * 100_000}}, "damaged metadata"),
        ({"metadata": {"attribute_names": json.dumps([*NAMES, "Bald"])}}, "do not fit"),
        ({"tensors": {"generator/to_latent/bias": None}}, "1 tensors are missing"),
        ({"tensors": {"discriminator/conv_4/Conv_0/bias": None}}, "1 tensors are missing"),
        ({"tensors": {"generator/new": np.zeros(1, np.float32)}}, "1 tensors are unknown"),
        ({"tensors": {"generator/to_latent/bias": np.zeros(9, np.float32)}}, r"to_latent/bias is F32 \[9\]"),
        ({"tensors": {"generator/to_latent/bias": np.zeros(8, np.int32)}}, "I32"),
    ],
)
def test_files_that_are_not_what_they_say(tmp_path, change, text):
    """Broken: damaged or foreign files load, or fail later with a traceback from inside a network."""
    save_weights(tmp_path / "w.safetensors", weights_of())
    with pytest.raises(UserError, match=text) as e:
        load_weights(rewritten(tmp_path / "w.safetensors", **change))
    assert "\n" not in str(e.value)
    assert "w.safetensors" in str(e.value)


@pytest.mark.parametrize("kind", ["missing", "text", "pickle", "truncated", "empty"])
def test_files_that_are_no_safetensors(tmp_path, kind):
    """Broken: a traceback, or a pickle is opened."""
    path = tmp_path / "w.safetensors"
    if kind == "text":
        path.write_text("hello, this is not a file of weights")
    elif kind == "pickle":
        path.write_bytes(pickle.dumps({"a": 1}))
    elif kind in ("truncated", "empty"):
        save_weights(path, weights_of())
        path.write_bytes(path.read_bytes()[: 5000 if kind == "truncated" else 0])
    with pytest.raises(UserError, match=r"w\.safetensors") as e:
        load_weights(path)
    assert "\n" not in str(e.value)
