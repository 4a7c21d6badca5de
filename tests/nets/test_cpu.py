"""The forms that only CPUs run: where they are used, and that they compute the same."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from fec_jax.losses.feature import feature
from fec_jax.nets import cpu, ops, vgg16
from fec_jax.nets.generator import Generator
from fec_jax.weights import published


def textbook(x, kernel):
    return lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))


def close(ours, theirs, tolerance):
    np.testing.assert_allclose(ours, theirs, atol=tolerance * float(jnp.abs(theirs).max()))


def normal(seed, *shape):
    return jax.random.normal(jax.random.key(seed), shape)


def test_accelerators_get_the_textbook_forms():
    """What is only good for a CPU is compiled for TPUs and GPUs too."""
    x, kernel = jnp.zeros((1, 64, 64, 4)), jnp.zeros((3, 3, 4, 4))
    conv = jax.jit(ops.conv3x3).trace(x, kernel)
    cpu, tpu = (conv.lower(lowering_platforms=(name,)).as_text() for name in ("cpu", "tpu"))
    assert "3x6x4x16" in cpu
    assert "3x6x4x16" not in tpu
    assert "3x3x4x4" in tpu
    total = jax.jit(ops.pixel_sum).trace(x)
    cpu, tpu = (total.lower(lowering_platforms=(name,)).as_text() for name in ("cpu", "tpu"))
    assert "dot_general" in cpu
    assert "dot_general" not in tpu


@pytest.mark.parametrize(("size", "c", "d"), [((8, 12), 5, 7), ((4, 4), 16, 16), ((64, 64), 64, 3)])
def test_winograd(size, c, d):
    """Winograd's form is another function than the convolution."""
    x, kernel = normal(0, 2, *size, c), normal(1, 3, 3, c, d)
    close(cpu.winograd(x, kernel), textbook(x, kernel), 1e-4)


def everything(x, kernel, images):
    """Every function that has a form of its own on CPUs."""
    params = jax.tree.map(lambda x: jnp.zeros(x.shape), published.params_shape())
    return (
        ops.conv3x3(x, kernel),
        ops.pixel_sum(x),
        ops.with_channel(x, x[..., :1]),
        vgg16.relu2_2(params, images, fast=True),
        cpu.in_chunks(lambda _, a, b: (a - b).sum(axis=(1, 2, 3)))({}, images, images),
    )


def test_the_textbook_alone():
    """Broken: an export holds what only one platform can run, or operations are counted that no accelerator does."""
    args = jnp.zeros((2, 64, 64, 4)), jnp.zeros((3, 3, 4, 4)), jnp.zeros((4, 64, 64, 3))
    assert str(jax.make_jaxpr(everything)(*args)).count("platform_index") >= 5
    with cpu.textbook():
        assert "platform_index" not in str(jax.make_jaxpr(everything)(*args))
    assert "platform_index" in str(jax.make_jaxpr(everything)(*args)), "it lasts longer than the block"


def test_with_channel():
    """Broken: on a CPU the mask is another channel than elsewhere, or covers the photo."""
    x, y = normal(0, 2, 3, 4, 3), normal(1, 2, 3, 4, 1)
    np.testing.assert_array_equal(jax.jit(ops.with_channel)(x, y), jnp.concatenate([x, y], axis=-1))


@pytest.mark.parametrize("pixels", [64, 128, 256])
def test_chunks_change_nothing(pixels, monkeypatch):
    """Broken: images are mixed up, or cut off from the gradient, when the batch is worked through in chunks."""
    monkeypatch.setattr(cpu, "CHUNK_PIXELS", pixels)
    params = published.load_relu2_2()
    real, fake = jax.random.uniform(jax.random.key(0), (2, 6, 8, 8, 3), minval=-1, maxval=1)
    weight = jnp.arange(1.0, 7.0)

    def distance(params, fake, real):
        return feature(vgg16.relu2_2(params, fake), vgg16.relu2_2(params, real))

    def both():
        loss, pull_back = jax.vjp(lambda fake, real: cpu.in_chunks(distance)(params, fake, real), fake, real)
        return loss, *pull_back(weight)

    ours = both()
    with cpu.textbook():
        whole = both()
    assert (np.abs(whole[1]).max(axis=(1, 2, 3)) > 1e-4).all()
    assert not np.asarray(whole[2]).any()
    for a, b in zip(ours, whole, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("platform", "loops"), [("cpu", True), ("tpu", False), ("cuda", False)])
def test_accelerators_take_the_batch_at_once(platform, loops):
    """Broken: a TPU goes through the feature loss image by image; or a CPU through all at once, out of its caches."""

    def loss(fake, real):
        return cpu.in_chunks(lambda _, a, b: jnp.square(jnp.sin(a) - b).sum(axis=(1, 2, 3)))({}, fake, real).sum()

    x = jax.ShapeDtypeStruct((8, 64, 64, 3), jnp.float32)
    lowered = jax.jit(jax.value_and_grad(loss)).trace(x, x).lower(lowering_platforms=(platform,)).as_text()
    assert ("stablehlo.while" in lowered) is loops


def test_a_generator_in_textbook_forms():
    """Broken: what an export holds is another network than the one that was trained."""
    g = Generator(max_px=16, base=64, cap=8, num_attrs=2, latent=4)
    args = normal(0, 2, 16, 16, 3), jnp.ones((2, 16, 16, 1)), jnp.ones((2, 2))
    params = g.init(jax.random.key(0), *args, 1.0, resolution_px=16)

    def call(params, args):
        return g.apply(params, *args, 1.0, resolution_px=16)

    ours = jax.jit(call)(params, args)
    assert "platform_index" in str(jax.make_jaxpr(call)(params, args))
    with cpu.textbook():
        assert "platform_index" not in str(jax.make_jaxpr(call)(params, args))
        np.testing.assert_allclose(ours, jax.jit(call)(params, args), atol=1e-4)
