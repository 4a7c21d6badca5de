"""FID's InceptionV3: the network against pytorch-fid's own, its file, and the file's making."""

import sys

import numpy as np
import pytest
import safetensors.numpy
from torch_files import write_old, write_zip

from experiments import port_inception
from fec_jax.metrics import inception
from fec_jax.metrics.inception import Inception
from fec_jax.types import UserError

# From pytorch-fid 0.3.0 (torch 2.13.0) with `random_state()` and `photos()`: mean, deviation, and some single features.
REFERENCE_MEAN = [3.8127677, 3.8234594]
REFERENCE_STD = [5.438277, 5.480602]
REFERENCE_FEATURES = [0.5887519, 9.897979, 0.22427836, 0.24311896, 0.07417291, 4.9571657]
CHOSEN = [0, 400, 800, 1200, 1600, 2000]
"""Of all branches of the last block."""


def random_state():
    """Weights for pytorch-fid's module by torch's names, that keep the activations' size."""
    rng, state = np.random.default_rng(0), {}
    for name, (h, w, i, o) in inception.kernel_shapes().items():
        kernel = rng.standard_normal((o, i, h, w), dtype=np.float32)
        state[f"{name}.conv.weight"] = kernel * np.float32(np.sqrt(2 / (h * w * i)))
        for part, low, high in (("weight", 0.5, 1.5), ("bias", -0.5, 0.5)):
            state[f"{name}.bn.{part}"] = rng.uniform(low, high, o).astype(np.float32)
        for part, low, high in (("running_mean", -0.5, 0.5), ("running_var", 0.5, 1.5)):
            state[f"{name}.bn.{part}"] = rng.uniform(low, high, o).astype(np.float32)
    state["fc.weight"], state["fc.bias"] = np.zeros((1008, 2048), np.float32), np.zeros(1008, np.float32)
    return state


def photos():
    """Two fixed colour patterns, [2, 48, 64, 3]."""
    y, x = np.mgrid[:48, :64] / 64
    one = np.stack([np.sin(7 * x + 3 * y), np.cos(20 * x * y), 2 * x - 1], axis=-1)
    return np.round(127.5 + 127.5 * np.stack([one, one[::-1, :, ::-1]])).astype(np.uint8)


@pytest.fixture(scope="module")
def state():
    return random_state()


@pytest.fixture(scope="module")
def ported(state, tmp_path_factory):
    folder = tmp_path_factory.mktemp("inception")
    write_zip(folder / "random.pth", state)
    sha256, known = port_inception.port(folder / "random.pth", folder / "random.safetensors")
    assert not known
    (folder / "random.pth").unlink()
    return folder / "random.safetensors", sha256


@pytest.fixture(scope="module")
def network(ported):
    return Inception.load(ported[0])


def test_reference_numbers(network, ported):
    """Broken: FID is not FID: the network, its resize, its file or the making of the file changed."""
    found = network.features(photos(), batch=2)
    assert (found.shape, found.dtype, network.sha256) == ((2, 2048), np.float32, ported[1])
    np.testing.assert_allclose(found.mean(axis=1), REFERENCE_MEAN, rtol=1e-5)
    np.testing.assert_allclose(found.std(axis=1), REFERENCE_STD, rtol=1e-5)
    np.testing.assert_allclose(found[0, CHOSEN], REFERENCE_FEATURES, rtol=1e-4, atol=1e-3)


def test_the_batch_makes_no_difference(network):
    """Broken: the last batch's filling counts, or images are mixed up."""
    x = photos()
    found = network.features(x[[1, 0, 0]], batch=2)
    np.testing.assert_allclose(found, network.features(x, batch=2)[[1, 0, 0]], rtol=1e-4, atol=1e-3)
    assert network.features(x[:0]).shape == (0, 2048)


@pytest.mark.parametrize(("height", "width"), [(64, 64), (299, 299), (300, 41), (512, 700), (1, 2)])
def test_resize(height, width):
    """Broken: another resize, which alone moves FID by several points."""
    x = np.random.default_rng(0).integers(0, 256, (1, height, width, 3), np.uint8)
    expected = x / 255 * 2 - 1
    for axis in (1, 2):
        size = x.shape[axis]
        places = (np.arange(299) + 0.5) * size / 299 - 0.5
        expected = np.apply_along_axis(lambda row, p=places, n=size: np.interp(p, np.arange(n), row), axis, expected)
    np.testing.assert_allclose(inception.resized(x), expected, atol=2e-4)


def test_against_pytorch_fid(state, network, monkeypatch):
    """Broken: the numbers above are not pytorch-fid's."""
    torch = pytest.importorskip("torch", reason="torch is not installed (extra parity); reference numbers are compared")
    pytest.importorskip("pytorch_fid", reason="pytorch-fid is not installed (extra parity); see above")
    try:
        import torchvision  # noqa: F401
    except RuntimeError:
        # Its compiled operators do not load beside every build of torch. Inception needs none of them; names will do.
        for name in ("nms", "qnms"):
            torch.library.define(f"torchvision::{name}", "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    from pytorch_fid import inception as theirs

    weights = {name: torch.from_numpy(x) for name, x in state.items()}
    monkeypatch.setattr(theirs, "load_state_dict_from_url", lambda *_, **__: weights)
    module = theirs.InceptionV3([3]).eval()
    noise = np.random.default_rng(0).integers(0, 256, (2, 96, 80, 3), np.uint8)
    for x in (photos(), noise, noise.repeat(6, axis=1).repeat(6, axis=2)):
        with torch.no_grad():
            expected = module(torch.from_numpy(x).permute(0, 3, 1, 2) / 255)[0][:, :, 0, 0].numpy()
        found = network.features(x, batch=2)
        print("mean", expected.mean(axis=1), "deviation", expected.std(axis=1), "chosen", expected[0, CHOSEN])
        print("largest difference", np.abs(found - expected).max())
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-3)


def save(path, tensors, **changed):
    metadata = {"format": inception.FORMAT, "format_version": inception.FORMAT_VERSION, **changed}
    path.write_bytes(safetensors.numpy.save(tensors, metadata))


def test_files_that_are_refused(tmp_path):
    """Broken: a wrong file shows as a traceback, or figures of another network are called FID."""
    path = tmp_path / "a.safetensors"
    with pytest.raises(UserError, match=r"do not exist.*port_inception"):
        Inception.load(path)
    path.write_bytes(b"no weights")
    with pytest.raises(UserError, match=r"cannot be read.*port_inception"):
        Inception.load(path)
    save(path, {}, format="fec_jax.weights")
    with pytest.raises(UserError, match=r"have format fec_jax\.weights"):
        Inception.load(path)
    save(path, {}, format_version="2")
    with pytest.raises(UserError, match="version 2, not"):
        Inception.load(path)
    path.write_bytes(safetensors.numpy.save({}))
    with pytest.raises(UserError, match="have format None"):
        Inception.load(path)


def test_tensors_that_are_refused(ported, tmp_path):
    """Broken: a network is run with another's weights, or with some missing."""
    path, name = tmp_path / "a.safetensors", "Conv2d_1a_3x3/bias"
    tensors = safetensors.numpy.load_file(ported[0])
    small = {name: np.zeros((), np.float32) if x.ndim == 4 else x for name, x in tensors.items()}
    for wrong, broken in (
        (small, "Conv2d_1a_3x3/kernel"),
        ({**tensors, name: tensors[name].astype(np.float64)}, name),
        ({other: x for other, x in tensors.items() if other != name}, name),
        ({**tensors, "AuxLogits/bias": tensors[name]}, "AuxLogits/bias"),
    ):
        save(path, wrong)
        with pytest.raises(UserError, match=f"{broken} is missing, unknown or misshapen"):
            Inception.load(path)


def test_batch_norm_is_folded():
    """Broken: every feature is scaled and shifted."""
    rng = np.random.default_rng(0)
    parts = {
        part: rng.uniform(0.5, 2, 4).astype(np.float32) for part in ("weight", "bias", "running_mean", "running_var")
    }
    state = {f"a.bn.{part}": x for part, x in parts.items()}
    state["a.conv.weight"] = rng.normal(size=(4, 3, 1, 2)).astype(np.float32)
    kernel, bias = port_inception.fold(state, "a", (1, 2, 3, 4))
    patch = rng.normal(size=(3, 1, 2))
    before = np.einsum("oihw,ihw->o", state["a.conv.weight"], patch)
    expected = (before - parts["running_mean"]) / np.sqrt(parts["running_var"] + 0.001) * parts["weight"] + parts[
        "bias"
    ]
    np.testing.assert_allclose(np.einsum("hwio,ihw->o", kernel, patch) + bias, expected, rtol=1e-5)


def test_sources_that_are_refused(state, tmp_path):
    """Broken: a file of another network is ported, or damaged weights turn FID into NaN."""
    source, out = tmp_path / "a.pth", tmp_path / "out.safetensors"
    with pytest.raises(UserError, match="no such file"):
        port_inception.port(source, out)
    name = "Conv2d_1a_3x3"
    few = {key: x for key, x in state.items() if key.startswith(name)}
    bad = np.float32([np.nan] + [1] * 31)
    for changed, message in (
        ({}, r"Conv2d_2a_3x3\.conv\.weight: missing"),
        ({f"{name}.bn.bias": np.zeros(3, np.float32)}, r"float32 \(3,\), expected float32 \(32,\)"),
        ({f"{name}.bn.bias": np.zeros(32, np.int64)}, r"int64 \(32,\), expected float32"),
        ({f"{name}.bn.running_mean": bad}, "not finite"),
        ({f"{name}.bn.running_var": np.full(32, -1, np.float32)}, "negative variances"),
    ):
        write_old(source, few | changed)
        with pytest.raises(UserError, match=message):
            port_inception.port(source, out)
    assert not out.exists()


def test_the_script(ported, state, tmp_path, monkeypatch, capsys):
    """Broken: a mistake shows as a traceback; unknown weights are ported without a word; the same are not the same."""
    source, out = tmp_path / "random.pth", tmp_path / "out.safetensors"
    monkeypatch.setattr(sys, "argv", ["port_inception.py", str(source), str(out)])
    assert port_inception.main() == 2
    assert "port_inception: " in capsys.readouterr().err
    write_zip(source, state)
    assert port_inception.main() == 0
    printed = capsys.readouterr()
    assert "not FID" in printed.err
    assert ported[1] in printed.out
    monkeypatch.setattr(sys, "argv", ["port_inception.py", str(source), str(tmp_path / "absent" / "out.safetensors")])
    assert port_inception.main() == 2
    assert "cannot write" in capsys.readouterr().err
