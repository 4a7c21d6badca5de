"""VGG16 to relu2_2: the shipped weights, and activations and gradients against independent implementations."""

import hashlib
import importlib.util
import pickle
import sys
import zipfile
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import safetensors.numpy

from fec_jax.nets import ops, vgg16
from fec_jax.types import UserError
from fec_jax.weights import published

ASSET = Path(vgg16.__file__).parents[1] / "assets" / published.RELU2_2_FILE

# From `by_numpy` with the shipped weights and `pattern()`: the mean of each image's features, and one cell's first six.
REFERENCE_MEAN = [3.22692, 3.20503]
REFERENCE_CELL = [0.0, 0.0, 6.4032, 0.0, 0.0, 9.5875]


@pytest.fixture(scope="module")
def params():
    return published.load_relu2_2()


def pattern(size_px=16):
    """A fixed colour pattern in [-1, 1], [2, size, size, 3], that no random generator can change."""
    y, x = np.mgrid[:size_px, :size_px] / size_px
    one = np.stack([np.sin(7 * x + 3 * y), np.cos(5 * x * y), 2 * x - 1], axis=-1)
    return np.stack([one, one[::-1, :, ::-1]]).astype(np.float32)


def by_numpy(params, images):
    """The same network in float64 numpy: nine shifted copies of the padded image, added up by hand."""
    x = ((images.astype(np.float64) + 1) / 2 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    for name in ("conv1_1", "conv1_2", "pool", "conv2_1", "conv2_2"):
        b, h, w, _ = x.shape
        if name == "pool":
            x = np.max([x[:, i::2, j::2] for i in (0, 1) for j in (0, 1)], axis=0)
            continue
        kernel = np.asarray(params[name]["kernel"], np.float64)
        padded = np.zeros((b, h + 2, w + 2, x.shape[3]))
        padded[:, 1:-1, 1:-1] = x
        x = sum(padded[:, i : i + h, j : j + w] @ kernel[i, j] for i in range(3) for j in range(3))
        x = np.maximum(x + np.asarray(params[name]["bias"], np.float64), 0)
    return x


def test_shipped_weights(params):
    """Another file than the ImageNet-trained VGG16 is shipped, or its kernels are laid out the wrong way."""
    assert {name: layer["kernel"].shape for name, layer in params.items()} == published.RELU2_2_SHAPES
    assert sum(layer["kernel"].size for layer in params.values()) == 259_776
    assert sum(layer["bias"].size for layer in params.values()) == 384
    assert {str(x.dtype) for x in jax.tree.leaves(params)} == {"float32"}
    np.testing.assert_allclose(params["conv1_1"]["kernel"][0, :, 0, 0], [-0.5537, 0.1427, 0.5290], atol=5e-5)
    with safetensors.safe_open(ASSET, "np") as f:
        assert {"origin", "license", "architecture", "citation"} <= f.metadata().keys()


def test_against_numpy(params):
    """A layer, the padding, the pooling or the input's normalisation differs from VGG16's."""
    images = pattern()
    features = vgg16.relu2_2(params, jnp.asarray(images))
    assert features.shape == (2, 8, 8, 128)
    np.testing.assert_allclose(features, by_numpy(params, images), rtol=1e-4, atol=1e-4)


def test_reference_numbers(params):
    """Network and reference changed together, or the weights did."""
    features = np.asarray(vgg16.relu2_2(params, jnp.asarray(pattern())))
    np.testing.assert_allclose(features.mean(axis=(1, 2, 3)), REFERENCE_MEAN, rtol=1e-4)
    np.testing.assert_allclose(features[0, 3, 4, :6], REFERENCE_CELL, rtol=1e-3, atol=1e-3)


def test_against_torch(params):
    """Activations differ from torch's own convolutions and pooling."""
    torch = pytest.importorskip("torch", reason="torch is not installed; the numpy reference covers the same")
    f = torch.nn.functional
    mean, std = (torch.tensor(v)[:, None, None] for v in (vgg16.IMAGENET_MEAN, vgg16.IMAGENET_STD))
    x = ((torch.from_numpy(pattern()).permute(0, 3, 1, 2) + 1) / 2 - mean) / std
    for name, layer in params.items():
        x = f.max_pool2d(x, 2) if name == "conv2_1" else x
        kernel = torch.from_numpy(np.array(layer["kernel"])).permute(3, 2, 0, 1)
        x = f.relu(f.conv2d(x, kernel, torch.from_numpy(np.array(layer["bias"])), padding=1))
    features = vgg16.relu2_2(params, jnp.asarray(pattern()))
    np.testing.assert_allclose(features, x.permute(0, 2, 3, 1).numpy(), rtol=1e-4, atol=1e-4)


def test_gradient_against_numpy(params):
    """The hand-written transpose of the convolutions, or the pooling's gradient, is wrong."""
    images = pattern(8).astype(np.float64)
    direction = np.random.default_rng(0).normal(size=images.shape)
    weight = np.random.default_rng(1).normal(size=(2, 4, 4, 128))
    eps = 1e-6
    up, down = ((by_numpy(params, images + s * eps * direction) * weight).sum() for s in (1, -1))
    gradient = jax.grad(lambda x: (vgg16.relu2_2(params, x) * weight.astype(np.float32)).sum())(
        jnp.asarray(images, jnp.float32)
    )
    np.testing.assert_allclose((np.asarray(gradient) * direction).sum(), (up - down) / (2 * eps), rtol=2e-3)


@pytest.mark.parametrize("size", [(32, 40), (36, 32), (8, 8)])
def test_fast_is_the_same(params, size):
    """The feature loss of a training looks at something else on a CPU, or its gradient is wrong there."""
    images = jax.random.uniform(jax.random.key(0), (2, *size, 3), minval=-1, maxval=1)

    def both(fast):
        features, pull_back = jax.vjp(lambda x: vgg16.relu2_2(params, x, fast=fast), images)
        return features, pull_back(jnp.ones_like(features))[0]

    for ours, exact in zip(both(True), both(False), strict=True):
        np.testing.assert_allclose(ours, exact, atol=1e-4 * float(jnp.abs(exact).max()))


def test_bfloat16_is_close(params):
    """Low-precision compute would leak out of the network, or be another network."""
    images = jnp.asarray(pattern())
    low, full = vgg16.relu2_2(params, images, dtype=jnp.bfloat16), vgg16.relu2_2(params, images)
    assert low.dtype == jnp.float32
    assert float(jnp.abs(low - full).mean()) < 0.02 * float(full.mean())


def test_odd_sizes(params):
    """Broken: an image of odd height or width fails inside the pooling, or its last row counts."""
    images = jax.random.uniform(jax.random.key(0), (1, 17, 19, 3), minval=-1)
    first, second = vgg16.relus(params, images, 2)
    assert (first.shape, second.shape) == ((1, 17, 19, 64), (1, 8, 9, 128))
    even = first[:, :16, :18].reshape(1, 8, 2, 9, 2, 64).max(axis=(2, 4))
    kernel, bias = params["conv2_1"]["kernel"], params["conv2_1"]["bias"]
    by_hand = jax.nn.relu(ops.conv3x3(even, kernel) + bias)
    by_hand = jax.nn.relu(ops.conv3x3(by_hand, params["conv2_2"]["kernel"]) + params["conv2_2"]["bias"])
    np.testing.assert_allclose(second, by_hand, rtol=1e-4, atol=1e-4)


def test_too_small(params):
    """Broken: an image that pooling leaves nothing of gives NaN, or a message from deep inside."""
    with pytest.raises(ValueError, match="at least 2 px, got 1 x 4"):
        vgg16.relu2_2(params, jnp.zeros((1, 1, 4, 3)))


def test_damaged_weights_are_refused(monkeypatch):
    """A damaged or exchanged file would train with another loss and say nothing."""
    data = ASSET.read_bytes()
    with pytest.raises(UserError, match="checksum"):
        published.parse_relu2_2(data[:-1] + bytes([data[-1] ^ 1]), "here")
    other = safetensors.numpy.save({"conv1_1/kernel": np.zeros((3, 3, 3, 64), np.float32)})
    monkeypatch.setattr(published, "RELU2_2_SHA256", hashlib.sha256(other).hexdigest())
    with pytest.raises(UserError, match="other names"):
        published.parse_relu2_2(other, "here")
    monkeypatch.setattr(published, "RELU2_2_FILE", "absent.safetensors")
    with pytest.raises(UserError, match=r"missing: .*absent"):
        published.load_relu2_2()


@pytest.fixture(scope="module")
def porter():
    script = Path(__file__).parents[2] / "experiments" / "port_vgg16.py"
    spec = importlib.util.spec_from_file_location("port_vgg16", script)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def layers():
    return [{part: np.array(x) for part, x in layer.items()} for layer in published.load_relu2_2().values()]


def test_port_from_ckpt(porter, layers, tmp_path):
    """The shipped file could not be made again, byte for byte, from a pickle of numpy arrays."""
    source, out = tmp_path / "vgg16.ckpt", tmp_path / "out.safetensors"
    source.write_bytes(pickle.dumps({"VGG16_0": {f"Conv_{i}": layer for i, layer in enumerate(layers)}}, protocol=4))
    assert porter.port(source, out) == published.RELU2_2_SHA256
    assert out.read_bytes() == ASSET.read_bytes()


class _Storage:
    """Stands for a torch storage in the test's pickle: stored as torch does, by a persistent id."""

    def __init__(self, key, size):
        self.pid = ("storage", _fake_torch_name("torch", "FloatStorage"), key, "cpu", size)


def _fake_torch_name(module, name):
    """An object that pickles as a reference to `module.name`, without that module."""
    created = type(name, (), {})
    created.__module__, created.__qualname__ = module, name
    return created


def test_port_from_pth(porter, layers, tmp_path, monkeypatch):
    """torchvision's file could not be read without torch, or its OIHW kernels would be turned the wrong way."""
    rebuild = _fake_torch_name("torch._utils", "_rebuild_tensor_v2")
    storage = _fake_torch_name("torch", "FloatStorage")
    for module, thing in (("torch", storage), ("torch._utils", rebuild)):
        fake = type(sys)(module)
        setattr(fake, thing.__name__, thing)
        monkeypatch.setitem(sys.modules, module, fake)
    blobs = []

    class Tensor:
        def __init__(self, array):
            self.array = np.ascontiguousarray(array)
            blobs.append(self.array.tobytes())
            self.key = str(len(blobs) - 1)

        def __reduce__(self):
            strides = tuple(s // 4 for s in self.array.strides)
            return rebuild, (_Storage(self.key, self.array.size), 0, self.array.shape, strides, False, {})

    class Pickler(pickle.Pickler):
        def persistent_id(self, obj):
            return ("storage", storage, *obj.pid[2:]) if isinstance(obj, _Storage) else None

    state = {}
    for i, layer in zip((0, 2, 5, 7), layers, strict=True):
        state[f"features.{i}.weight"] = Tensor(layer["kernel"].transpose(3, 2, 0, 1))
        state[f"features.{i}.bias"] = Tensor(layer["bias"])
    source, out = tmp_path / "vgg16.pth", tmp_path / "out.safetensors"
    with zipfile.ZipFile(source, "w") as archive:
        with archive.open("vgg16/data.pkl", "w") as f:
            Pickler(f, protocol=2).dump(state)
        for key, blob in enumerate(blobs):
            archive.writestr(f"vgg16/data/{key}", blob)
    assert porter.port(source, out) == published.RELU2_2_SHA256


def test_port_from_h5(porter, layers, tmp_path, monkeypatch):
    """Keras' groups would not be found, or a kernel would be taken for a bias."""
    h5py = pytest.importorskip("h5py", reason="h5py is not installed")
    monkeypatch.setitem(porter.FIRST_KERNEL, "caffe", (lambda kernel: kernel[0, :, 0, 0], (-0.5537, 0.1427, 0.5290)))
    source, out = tmp_path / "vgg16.h5", tmp_path / "out.safetensors"
    with h5py.File(source, "w") as f:
        for name, layer in zip(("block1_conv1", "block1_conv2", "block2_conv1", "block2_conv2"), layers, strict=True):
            f[f"{name}/{name}_W_1:0"], f[f"{name}/{name}_b_1:0"] = layer["kernel"], layer["bias"]
    assert porter.port(source, out) != published.RELU2_2_SHA256
    ported = safetensors.numpy.load_file(out)
    np.testing.assert_array_equal(ported["conv2_2/kernel"], layers[3]["kernel"])
    np.testing.assert_array_equal(ported["conv1_2/bias"], layers[1]["bias"])


def test_port_without_h5py(porter, tmp_path, monkeypatch):
    """A missing optional reader would show as a traceback."""
    monkeypatch.setitem(sys.modules, "h5py", None)
    source = tmp_path / "vgg16.h5"
    source.write_bytes(b"")
    with pytest.raises(UserError, match="pip install h5py"):
        porter.port(source, tmp_path / "out.safetensors")


def test_port_refuses_code(porter, tmp_path):
    """A file from the network could run what it likes while being converted."""
    source = tmp_path / "vgg16.ckpt"
    source.write_bytes(pickle.dumps({"VGG16_0": print}))
    with pytest.raises(UserError, match=r"builtins\.print"):
        porter.port(source, tmp_path / "out.safetensors")


def test_port_refuses_other_weights(porter, layers, tmp_path):
    """Weights of another training or another network would be shipped as ImageNet's."""
    out = tmp_path / "out.safetensors"
    source = tmp_path / "vgg16.ckpt"
    negated = [{part: -x for part, x in layer.items()} for layer in layers]
    doubled = [{part: x.astype(np.float64) for part, x in layer.items()} for layer in layers]
    for wrong, message in ((negated, "conv1_1 begins with"), (doubled, "float64"), (layers[::-1], "expected float32")):
        source.write_bytes(pickle.dumps({"VGG16_0": {f"Conv_{i}": layer for i, layer in enumerate(wrong)}}))
        with pytest.raises(UserError, match=message):
            porter.port(source, out)
    with pytest.raises(UserError, match="unknown kind"):
        porter.port(tmp_path / "vgg16.bin", out)
    with pytest.raises(UserError, match="no such file"):
        porter.port(tmp_path / "absent.pth", out)
    assert not out.exists()


def test_caffe_weights_see_the_same_image(porter):
    """Weights from Keras, made for BGR in 0..255, would be fed RGB of another scale."""
    rng = np.random.default_rng(0)
    kernel, bias = rng.normal(size=(3, 3, 3, 64)).astype(np.float32), rng.normal(size=64).astype(np.float32)
    ported = porter.from_caffe_input({"conv1_1": {"kernel": kernel, "bias": bias}})["conv1_1"]
    rgb = rng.uniform(size=(3, 3, 3))  # one 3 x 3 patch: one output per kernel, no padding
    caffe = (rgb[..., ::-1] * 255) - [103.939, 116.779, 123.68]
    ours = (rgb - vgg16.IMAGENET_MEAN) / vgg16.IMAGENET_STD
    expected = np.einsum("hwi,hwio->o", caffe, kernel) + bias
    np.testing.assert_allclose(np.einsum("hwi,hwio->o", ours, ported["kernel"]) + ported["bias"], expected, rtol=1e-4)
