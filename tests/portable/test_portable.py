"""Exported programs: the same pixels as the package's, from files that say what they are."""

import hashlib
import io
import json
import sys
import warnings
import zipfile

import jax
import jax.export
import numpy as np
import pytest

from fec_jax.cli import main
from fec_jax.complete.completer import Completer
from fec_jax.portable import onnx, stablehlo
from fec_jax.weights import load
from fec_jax.weights.format import Meta, Weights, save_weights

R = 16
NAMES = ("Smiling", "Eyeglasses", "Male")
FORMATS = ("onnx", "stablehlo")
RNG = np.random.default_rng(0)


def random_weights(names=NAMES, skip="residual"):
    """Weights of a tiny network. (`init` would compile for many seconds.)"""
    data = {"name": "noise", "license": "CC0 1.0"}
    network = {"base": 64, "cap": 8}
    meta = Meta(names, R, {**network, "latent": 8, "skip": skip}, network, data)
    params = jax.tree.map(lambda x: 0.2 * RNG.normal(size=x.shape).astype(np.float32), meta.g_shapes())
    return Weights(params, None, meta)


@pytest.fixture(scope="module")
def weights():
    return random_weights()


@pytest.fixture(scope="module")
def exported(weights):
    return {"onnx": onnx.to_bytes(weights), "stablehlo": stablehlo.to_bytes(weights)}


def program_of(kind, data):
    """The function in the file: arrays to one array."""
    if kind == "stablehlo":
        with zipfile.ZipFile(io.BytesIO(data)) as file:
            program = jax.export.deserialize(bytearray(file.read("program")))
        return lambda *arrays: np.asarray(program.call(*arrays))
    import onnxruntime

    session = onnxruntime.InferenceSession(data)
    names = [x.name for x in session.get_inputs()]
    return lambda *arrays: session.run(["completed"], dict(zip(names, arrays, strict=True)))[0]


def about_of(kind, data):
    if kind == "stablehlo":
        with zipfile.ZipFile(io.BytesIO(data)) as file:
            return json.loads(file.read("about.json"))
    import onnxruntime

    texts = onnxruntime.InferenceSession(data).get_modelmeta().custom_metadata_map
    return {k: v if k in ("fec_jax", "mark", "weights_sha256") else json.loads(v) for k, v in texts.items()}


def examples(count):
    photos = RNG.integers(0, 256, (count, R, R, 3), np.uint8)
    masks = np.zeros((count, R, R, 1), bool)
    for i in range(count):
        masks[i, i : 10 + i, 3:12] = True
    return photos, masks, RNG.random((count, len(NAMES))).astype(np.float32)


@pytest.mark.parametrize("kind", FORMATS)
def test_the_same_pixels_as_here(weights, exported, kind):
    """Broken: who uses the file gets another face than `fec complete` gives, or for one size of batch only."""
    program, completer = program_of(kind, exported[kind]), Completer(weights)
    photos, masks, attrs = examples(3)
    ours = np.stack(
        [
            completer.complete(
                photo, mask[..., 0], dict(zip(NAMES, values.tolist(), strict=True)), align="off"
            ).completed
            for photo, mask, values in zip(photos, masks, attrs, strict=True)
        ]
    )
    found = program(photos, masks, attrs)
    np.testing.assert_array_equal(program(photos[:1], masks[:1], attrs[:1]), found[:1])
    assert found.dtype == np.uint8
    hole = np.broadcast_to(masks, ours.shape)
    np.testing.assert_array_equal(found[~hole], photos[~hole])
    # Equal but for rounding. 1 in 200 values would be off by one if the numbers differed by 2e-5 of the range.
    difference = np.abs(found[hole].astype(int) - ours[hole])
    assert difference.max() <= 1
    assert (difference > 0).mean() <= 0.005
    assert np.isin(ours[hole], (0, 255)).mean() < 0.1
    # What lies in the hole is not looked at; attributes are.
    np.testing.assert_array_equal(program(np.where(masks, 0, photos).astype(np.uint8), masks, attrs), found)
    assert (program(photos, masks, 1 - attrs)[hole] != found[hole]).mean() > 0.2


@pytest.mark.parametrize("kind", FORMATS)
def test_without_attributes(kind):
    """Broken: weights of plain completion (no attributes, skips that concatenate) cannot be exported."""
    weights = random_weights((), "concat")
    data = {"onnx": onnx, "stablehlo": stablehlo}[kind].to_bytes(weights)
    photos, masks, _ = examples(2)
    found, completer = program_of(kind, data)(photos, masks), Completer(weights)
    ours = [completer.complete(p, m[..., 0], align="off").completed for p, m in zip(photos, masks, strict=True)]
    assert np.abs(found.astype(int) - np.stack(ours)).max() <= 1
    assert (found != photos).any()


@pytest.mark.parametrize(("r", "part"), [(32, {"prior": 20}), (64, {"offset": True})])
@pytest.mark.parametrize("kind", FORMATS)
def test_with_further_parts(kind, r, part):
    """Broken: the equations of the linear model of faces, or moving, cannot be exported, or are others there."""
    network = {"base": 64, "cap": 8, "growth": "add"}
    meta = Meta((), r, {**network, "latent": 8, "skip": "residual", **part}, network)
    params = jax.tree.map(lambda x: 0.2 * RNG.normal(size=x.shape).astype(np.float32), meta.g_shapes())
    params |= {"share_32": jax.tree.map(np.ones_like, params["share_32"])} if "prior" in part else {}
    weights = Weights(params, None, meta)
    data = {"onnx": onnx, "stablehlo": stablehlo}[kind].to_bytes(weights)
    photos = RNG.integers(0, 256, (2, r, r, 3), np.uint8)
    masks = np.zeros((2, r, r, 1), bool)
    masks[0, 8:24, 8:24] = masks[1, 3:9] = True
    found, completer = program_of(kind, data)(photos, masks), Completer(weights)
    ours = [completer.complete(p, m[..., 0], align="off").completed for p, m in zip(photos, masks, strict=True)]
    assert np.abs(found.astype(int) - np.stack(ours)).max() <= 1
    assert (found != photos).any()


@pytest.mark.parametrize("kind", FORMATS)
def test_files_say_what_they_are(exported, kind):
    """Broken: a file does not tell the order of its attributes, the alignment, or who may use it."""
    about = about_of(kind, exported[kind])
    assert about["attribute_names"] == list(NAMES)
    assert about["resolution_px"] == R
    assert about["alignment"] == {"eyes_apart": 0.24, "eyes_middle": [0.5, 0.45]}
    assert about["data"] == {"name": "noise", "license": "CC0 1.0"}
    assert "synthetic" in about["mark"]
    assert len(about["weights_sha256"]) == 64


def test_onnx_names_its_arguments(exported):
    """Broken: a viewer of the model shows numbers instead of names, or the file wants a newer runtime than it says."""
    import onnx as library

    model = library.load_from_string(exported["onnx"])
    found = {x.name: [d.dim_param or d.dim_value for d in x.type.tensor_type.shape.dim] for x in model.graph.input}
    assert found == {"photo": ["batch", R, R, 3], "mask": ["batch", R, R, 1], "attributes": ["batch", 3]}
    assert all(x.doc_string for x in model.graph.input)
    assert [x.name for x in model.graph.output] == ["completed"]
    assert [(x.domain, x.version) for x in model.opset_import] == [("", onnx.OPSET)]


def test_stablehlo_is_for_every_platform(exported):
    """Broken: the program refuses a GPU or a TPU."""
    with zipfile.ZipFile(io.BytesIO(exported["stablehlo"])) as file:
        program = jax.export.deserialize(bytearray(file.read("program")))
    assert program.platforms == ("cpu", "cuda", "tpu")
    assert about_of("stablehlo", exported["stablehlo"])["platforms"] == ["cpu", "cuda", "tpu"]


def test_exporting_leaves_no_trace(exported):
    """Broken: exporting leaves JAX changed: jax2onnx replaces functions while it works."""
    assert jax.numpy.maximum.__module__.startswith("jax.")
    assert jax.numpy.maximum(np.float32(1), 0).dtype == np.float32
    assert not jax.config.jax_enable_x64
    with pytest.raises(UserWarning, match="still an error here"):
        warnings.warn("still an error here", stacklevel=1)


def fec(capfd, *args):
    with pytest.raises(SystemExit) as e:
        main.main([str(a) for a in args])
    return e.value.code, *capfd.readouterr()


@pytest.mark.parametrize(("kind", "module", "name"), [("onnx", onnx, "a.onnx"), ("stablehlo", stablehlo, "a.zip")])
def test_commands_write_the_file(weights, exported, tmp_path, capfd, monkeypatch, kind, module, name):
    """Broken: the command writes another file, or replaces one without being asked."""
    given, out = [], tmp_path / name
    monkeypatch.setattr(module, "to_bytes", lambda weights: given.append(weights) or exported[kind])
    monkeypatch.setattr(load, "load_shipped", lambda: weights)
    code, said, err = fec(capfd, "export", kind, "--out", out)
    assert (code, err) == (0, "")
    assert said == f"{hashlib.sha256(exported[kind]).hexdigest()}  {out}\n"
    assert out.read_bytes() == exported[kind]
    assert given == [weights]
    out.write_bytes(b"mine")
    assert fec(capfd, "export", kind, "--out", out)[0] == 2
    assert out.read_bytes() == b"mine"
    assert fec(capfd, "export", kind, "--out", out, "--force")[0] == 0
    assert out.read_bytes() == exported[kind]
    save_weights(tmp_path / "own.safetensors", weights)
    assert fec(capfd, "export", kind, tmp_path / "own.safetensors", "--out", out, "--force")[0] == 0
    assert given[-1] is not weights
    assert given[-1].meta == weights.meta


@pytest.mark.parametrize(("kind", "right"), [("onnx", "tiny.onnx"), ("stablehlo", "tiny.zip")])
def test_another_ending_is_refused(tmp_path, capfd, kind, right):
    """Broken: a file is written under a name that nothing opens."""
    code, _, err = fec(capfd, "export", kind, "--out", tmp_path / "tiny.tflite")
    assert code == 2
    assert err.endswith(f"use {right}\n")
    assert list(tmp_path.iterdir()) == []


def test_without_the_extra(weights, tmp_path, capfd, monkeypatch):
    """Broken: a traceback instead of what to install."""
    monkeypatch.setattr(load, "load_shipped", lambda: weights)
    monkeypatch.setitem(sys.modules, "jax2onnx", None)
    code, said, err = fec(capfd, "export", "onnx", "--out", tmp_path / "tiny.onnx")
    assert (code, said) == (2, "")
    assert err.startswith("fec: `fec export onnx` needs jax2onnx")
    assert err.endswith("pip install -e '.[onnx]'\n")
    assert err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
