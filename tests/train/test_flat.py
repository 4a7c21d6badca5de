"""Parameters as one vector: nothing is lost, and nothing lies elsewhere for the step than for a checkpoint."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax.traverse_util import flatten_dict
from smallest_step import MAX_PX, RECIPE, packing, start

from fec_jax.train import flat
from fec_jax.train import state as states


def layout(kernels, resolution_px=MAX_PX):
    return flat.Layout.of(start().g_params, resolution_px, kernels)


@pytest.mark.parametrize("kernels", ["hwio", "ohwi"])
def test_the_step_sees_what_a_checkpoint_holds(kernels):
    """Broken: a resumed run goes on with its kernels turned or its layers interchanged."""
    tree, lies = dict(start().g_params), layout(kernels)
    vector = lies.vector(tree)
    assert vector.shape == (lies.size,)
    jax.tree.map(np.testing.assert_array_equal, lies.named(vector), tree)
    jax.tree.map(np.testing.assert_array_equal, jax.jit(lambda v: lies.tree(v, "float32"))(vector), tree)


def test_the_order_of_axes_is_that_of_the_name():
    """Broken: on a GPU every kernel and its gradient is turned in every step, in a kernel of its own."""
    kernel = np.arange(3 * 3 * 2 * 5, dtype=np.float32).reshape(3, 3, 2, 5)
    lies = flat.Layout.of({"a": {"kernel": kernel}}, 4, "ohwi")
    np.testing.assert_array_equal(lies.vector({"a": {"kernel": kernel}}), kernel.transpose(3, 0, 1, 2).ravel())


def test_kernels_alone_change_their_type():
    """Broken: scales and biases of a bfloat16 network lose digits, or pixels, logits and sums of taps do."""
    tree = layout("hwio").tree(jnp.asarray(layout("hwio").vector(start().g_params)), "bfloat16")
    kernels = {path: x.dtype.name for path, x in flatten_dict(tree, sep="/").items() if x.ndim > 1}
    in_full = {path for path, dtype in kernels.items() if dtype == "float32"}
    assert in_full == {"to_rgb_4/kernel", "to_rgb_8/kernel", "decode_8/Conv_0/Conv_0/kernel"}
    assert {x.dtype.name for x in jax.tree.leaves(tree) if x.ndim == 1} == {"float32"}
    d = flat.Layout.of(start().d_params, MAX_PX, "hwio")
    tree = d.tree(jnp.asarray(d.vector(start().d_params)), "bfloat16")
    assert {tree[name]["kernel"].dtype.name for name in ("real_head", "attr_head")} == {"float32"}
    assert tree["dense_4"]["kernel"].dtype.name == "bfloat16"


def test_the_gradient_of_a_vector_is_that_of_its_arrays():
    """Broken: a layer learns from another one's gradient."""
    tree, lies = dict(start().g_params), layout("ohwi")
    square = jax.grad(lambda v: sum(jnp.sum(x**2) for x in jax.tree.leaves(lies.tree(v, "float32"))))
    np.testing.assert_allclose(square(jnp.asarray(lies.vector(tree))), 2 * lies.vector(tree), rtol=1e-6)


def test_unborn_layers_are_no_part_of_the_step():
    """Broken: layers that are not born are updated, or are gone from the next checkpoint."""
    packed, later = packing(4).packed(start())
    assert packed.g_params.shape == (layout("hwio", 4).size,)
    assert packed.g_params.shape < (layout("hwio").size,)
    assert later.g_params.keys() == {name for name in start().g_params if name.endswith("_8")}
    jax.tree.map(np.testing.assert_array_equal, packing(4).named(packed, later), start())


def test_shapes_are_those_of_the_vectors():
    """Broken: what is estimated, lowered or compiled ahead is another step than the one that runs."""
    packed, _ = packing(8).packed(start(8))
    shape = states.Packing(RECIPE, 8).shape(start(8))
    assert jax.tree.map(np.shape, shape) == jax.tree.map(np.shape, packed)


def test_an_average_is_one_all_reduce():
    """Broken: every layer's gradient crosses the devices by itself."""
    tree = {"a": jnp.ones((2, 3)), "b": [jnp.zeros(()), jnp.ones(4)]}
    program = jax.make_jaxpr(lambda t: flat.average(t, "i"), axis_env=[("i", 2)])(tree)
    assert str(program).count("psum") == 1
