"""The benchmark compares like with like: PyTorch's twin says what our networks say."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fec_jax.nets.discriminator import Discriminator
from fec_jax.nets.generator import Generator

torch = pytest.importorskip("torch", reason="the twin of the benchmark needs torch (extra `parity`)")
from experiments.bench import bench, twin  # noqa: E402

RNG = np.random.default_rng(0)
REAL = RNG.uniform(-1, 1, (2, 16, 16, 3)).astype(np.float32)
MASK = (RNG.uniform(size=(2, 16, 16, 1)) > 0.5).astype(np.float32)
ATTRS = RNG.integers(0, 2, (2, 3)).astype(np.float32)
INPUTS = tuple(map(jnp.asarray, (REAL, MASK, ATTRS)))


@pytest.mark.parametrize("channels_last", [False, True])
def test_generator(channels_last):
    """Broken: the benchmark times two different generators."""
    g = Generator(max_px=16, base=64, cap=8, num_attrs=3, latent=8)
    params = g.init(jax.random.key(0), *INPUTS, 1.0, resolution_px=16)["params"]
    ours = g.apply({"params": params}, *INPUTS, 1.0, resolution_px=16)
    x = [twin.to_torch(image, channels_last) for image in (REAL, MASK)]
    theirs = twin.generator(twin.from_flax(params, channels_last), *x, torch.from_numpy(ATTRS), 16)
    np.testing.assert_allclose(twin.to_numpy(theirs), ours, atol=1e-4)


def test_discriminator():
    """Broken: the benchmark times two different discriminators."""
    d = Discriminator(max_px=16, base=64, cap=8, num_attrs=3)
    params = d.init(jax.random.key(0), INPUTS[0], 1.0, resolution_px=16)["params"]
    theirs = twin.discriminator(twin.from_flax(params), twin.to_torch(REAL), 16)
    for a, b in zip(theirs, d.apply({"params": params}, INPUTS[0], 1.0, resolution_px=16), strict=True):
        np.testing.assert_allclose(a.numpy(), b, atol=1e-4)


def test_a_row_has_what_readers_look_for():
    """Broken: the published table lacks a column, or the two sides' results differ (then `measure` refuses)."""
    for what, px, batch in (("completion", 16, 2), ("train_step", 16, 4)):
        row = bench.measure(what, "tiny", px, batch, 1, 1, 1e11)
        assert row.keys() >= {"what", "width", "resolution", "batch", "ours_ms", "torch_ms", "ratio", "matmul_fraction"}
        assert row["ratio"] == pytest.approx(row["torch_ms"] / row["ours_ms"], rel=0.1)


def test_different_results_are_not_timed():
    """Broken: two networks that say different things are compared."""
    ones = np.ones((2, 2), np.float32)
    bench.same(ones, ones + 5e-5, "x", 1e-4)
    with pytest.raises(SystemExit, match="torch's twin differs"):
        bench.same(ones, ones + 2e-4, "x", 1e-4)
