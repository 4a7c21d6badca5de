"""The features of FID: InceptionV3 up to its last average pooling, 2048 per image. All in full float32.

Szegedy et al., arXiv:1512.00567, with the weights of TensorFlow's `inception-2015-12-05`, as the package `pytorch-fid`
runs them, to whose numbers these are equal up to rounding: the resize to 299 px is bilinear without antialiasing, also
where it makes images smaller; average pools do not count the padding; the last block's pool takes the maximum.

The weights are not shipped. `experiments/port_inception.py` makes the file from pytorch-fid's.
"""

import dataclasses
import functools
import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import safetensors
from jax import lax
from jaxtyping import Array, Float, Float32

from fec_jax import images
from fec_jax.types import HostImages, Images, Params, UserError

FORMAT, FORMAT_VERSION = "fec_jax.inception", "1"
"""Of the file's metadata, `format` and `format_version`."""
INPUT_PX, WIDTH = 299, 2048


class Conv(NamedTuple):
    """A convolution (with its batch norm in it) and a ReLU."""

    name: str
    kernel: tuple[int, int]
    channels: int
    stride: int = 1
    padding: Literal["SAME", "VALID"] = "SAME"


class Branch(NamedTuple):
    """A pooling and convolutions, one after the other; a pair of them get the same input and are joined."""

    convs: tuple[Conv | tuple[Conv, Conv], ...]
    pool: Literal["none", "average", "max", "halve"] = "none"


def _halving(name: str, channels: int) -> Conv:
    return Conv(name, (3, 3), channels, 2, "VALID")


def _a(pooled: int) -> tuple[Branch, ...]:
    double = Conv("branch3x3dbl_1", (1, 1), 64), Conv("branch3x3dbl_2", (3, 3), 96), Conv("branch3x3dbl_3", (3, 3), 96)
    return (
        Branch((Conv("branch1x1", (1, 1), 64),)),
        Branch((Conv("branch5x5_1", (1, 1), 48), Conv("branch5x5_2", (5, 5), 64))),
        Branch(double),
        Branch((Conv("branch_pool", (1, 1), pooled),), "average"),
    )


def _b() -> tuple[Branch, ...]:
    double = Conv("branch3x3dbl_1", (1, 1), 64), Conv("branch3x3dbl_2", (3, 3), 96), _halving("branch3x3dbl_3", 96)
    return Branch((_halving("branch3x3", 384),)), Branch(double), Branch((), "halve")


def _c(inner: int) -> tuple[Branch, ...]:
    single = ((1, 1), inner), ((1, 7), inner), ((7, 1), 192)
    double = ((1, 1), inner), ((7, 1), inner), ((1, 7), inner), ((7, 1), inner), ((1, 7), 192)
    return (
        Branch((Conv("branch1x1", (1, 1), 192),)),
        Branch(tuple(Conv(f"branch7x7_{i}", *x) for i, x in enumerate(single, 1))),
        Branch(tuple(Conv(f"branch7x7dbl_{i}", *x) for i, x in enumerate(double, 1))),
        Branch((Conv("branch_pool", (1, 1), 192),), "average"),
    )


def _d() -> tuple[Branch, ...]:
    long = tuple(Conv(f"branch7x7x3_{i}", kernel, 192) for i, kernel in enumerate(((1, 1), (1, 7), (7, 1)), 1))
    return (
        Branch((Conv("branch3x3_1", (1, 1), 192), _halving("branch3x3_2", 320))),
        Branch((*long, _halving("branch7x7x3_4", 192))),
        Branch((), "halve"),
    )


def _e(pool: Literal["average", "max"]) -> tuple[Branch, ...]:
    single = Conv("branch3x3_2a", (1, 3), 384), Conv("branch3x3_2b", (3, 1), 384)
    double = Conv("branch3x3dbl_3a", (1, 3), 384), Conv("branch3x3dbl_3b", (3, 1), 384)
    return (
        Branch((Conv("branch1x1", (1, 1), 320),)),
        Branch((Conv("branch3x3_1", (1, 1), 384), single)),
        Branch((Conv("branch3x3dbl_1", (1, 1), 448), Conv("branch3x3dbl_2", (3, 3), 384), double)),
        Branch((Conv("branch_pool", (1, 1), 192),), pool),
    )


BLOCKS: dict[str, tuple[Branch, ...]] = {
    "Conv2d_1a_3x3": (Branch((_halving("", 32),)),),
    "Conv2d_2a_3x3": (Branch((Conv("", (3, 3), 32, padding="VALID"),)),),
    "Conv2d_2b_3x3": (Branch((Conv("", (3, 3), 64),)),),
    "pool_1": (Branch((), "halve"),),
    "Conv2d_3b_1x1": (Branch((Conv("", (1, 1), 80),)),),
    "Conv2d_4a_3x3": (Branch((Conv("", (3, 3), 192, padding="VALID"),)),),
    "pool_2": (Branch((), "halve"),),
    "Mixed_5b": _a(32),
    "Mixed_5c": _a(64),
    "Mixed_5d": _a(64),
    "Mixed_6a": _b(),
    "Mixed_6b": _c(128),
    "Mixed_6c": _c(160),
    "Mixed_6d": _c(160),
    "Mixed_6e": _c(192),
    "Mixed_7a": _d(),
    "Mixed_7b": _e("average"),
    "Mixed_7c": _e("max"),
}
"""The whole network, in order. Names as in torchvision."""


def kernel_shapes() -> dict[str, tuple[int, int, int, int]]:
    """Of every convolution by its torchvision name, such as "Mixed_5b.branch1x1": (height, width, in, out)."""
    shapes, width = {}, 3
    for block, branches in BLOCKS.items():
        joined = 0
        for branch in branches:
            now = width
            for conv in branch.convs:
                pair = (conv,) if isinstance(conv, Conv) else conv
                shapes |= {_name(block, one): (*one.kernel, now, one.channels) for one in pair}
                now = sum(one.channels for one in pair)
            joined += now
        width = joined
    return shapes


@dataclasses.dataclass(frozen=True, eq=False)
class Inception:
    """The network with its weights on the device, and the SHA-256 of their file. Use `Inception.load(path)`."""

    params: Params
    """{"Mixed_5b.branch1x1": {"kernel": [h, w, in, out], "bias": [out]}, ...}: batch norm is in them."""
    sha256: str

    @staticmethod
    def load(path: Path) -> "Inception":
        """Reads what `experiments/port_inception.py` wrote.

        Raises UserError: no such file, not safetensors, another format or version, other names, shapes or types.
        """
        return _load(path)

    def features(self, x: HostImages, batch: int = 16) -> Float32[np.ndarray, "n 2048"]:
        """Of images of any size. They go through in batches of `batch`, the last one padded by repeating."""
        rows = [np.zeros((0, WIDTH), np.float32)]
        for index, new in images.batches(len(x), batch):
            rows.append(np.asarray(_features(self.params, resized(jnp.asarray(x[index]))))[:new])
        return np.concatenate(rows)


def _load(path: Path) -> Inception:
    again = "make the file with experiments/port_inception.py"
    if not os.path.isfile(path):
        raise UserError(f"Inception weights {path} do not exist: {again}")
    wanted = {f"{name}/kernel": shape for name, shape in kernel_shapes().items()}
    wanted |= {f"{name}/bias": shape[-1:] for name, shape in kernel_shapes().items()}
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            _check_format(file.metadata() or {}, path)
            found = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118 (the file is no dict)
            found = {name: (tuple(x.get_shape()), x.get_dtype()) for name, x in found.items()}
            for name in sorted(wanted.keys() | found.keys()):
                if found.get(name) != (wanted.get(name), "F32"):
                    raise UserError(f"Inception weights {path}: {name} is missing, unknown or misshapen: {again}")
            tensors = {name: jnp.asarray(file.get_tensor(name)) for name in wanted}
        with path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    except (safetensors.SafetensorError, OSError) as e:
        raise UserError(f"Inception weights {path} cannot be read ({' '.join(str(e).split())}): {again}") from e
    params = {name: {part: tensors[f"{name}/{part}"] for part in ("kernel", "bias")} for name in kernel_shapes()}
    return Inception(params, sha256)


def _check_format(metadata: Mapping[str, str], path: Path) -> None:
    found = metadata.get("format"), metadata.get("format_version")
    if found != (FORMAT, FORMAT_VERSION):
        raise UserError(
            f"Inception weights {path} have format {found[0]}, version {found[1]}, not {FORMAT}, {FORMAT_VERSION}: "
            "make the file with experiments/port_inception.py"
        )


def _name(block: str, conv: Conv) -> str:
    return f"{block}.{conv.name}" if conv.name else block


@jax.jit
def resized(x: Array) -> Images:
    """uint8 to [-1, 1] at 299 px, as torch's `interpolate(mode="bilinear", align_corners=False)` of values in 0..1."""
    x = x.astype(jnp.float32) / 255
    for axis in (1, 2):
        size = x.shape[axis]
        # float32 on purpose: torch computes the places in it.
        place = np.float32(size) / np.float32(INPUT_PX) * (np.arange(INPUT_PX, dtype=np.float32) + np.float32(0.5))
        place = np.maximum(place - np.float32(0.5), np.float32(0))
        low = np.minimum(place.astype(np.int32), size - 1)
        share = (place - low).astype(np.float32).reshape(-1, *[1] * (3 - axis))
        x = x.take(low, axis) * (1 - share) + x.take(np.minimum(low + 1, size - 1), axis) * share
    return 2 * x - 1


@jax.jit
def _features(params: Params, x: Images) -> Float[Array, "b 2048"]:
    for block, branches in BLOCKS.items():
        x = jnp.concatenate([_branch(params, block, branch, x) for branch in branches], axis=-1)
    return x.mean(axis=(1, 2))


def _branch(params: Params, block: str, branch: Branch, x: Array) -> Array:
    x = _pool(branch.pool, x)
    for conv in branch.convs:
        pair = (conv,) if isinstance(conv, Conv) else conv
        x = jnp.concatenate([_conv(params[_name(block, one)], one, x) for one in pair], axis=-1)
    return x


def _conv(weights: Params, conv: Conv, x: Array) -> Array:
    x = lax.conv_general_dilated(
        x,
        weights["kernel"],
        (conv.stride, conv.stride),
        conv.padding,
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        precision=lax.Precision.HIGHEST,
    )
    return jax.nn.relu(x + weights["bias"])


def _pool(kind: str, x: Array) -> Array:
    """3 x 3 windows. "average": over the places that exist."""
    window = functools.partial(lax.reduce_window, window_dimensions=(1, 3, 3, 1))
    match kind:
        case "average":
            total = window(x, 0.0, lax.add, window_strides=(1, 1, 1, 1), padding="SAME")
            ones = jnp.ones((1, *x.shape[1:3], 1), x.dtype)
            return total / window(ones, 0.0, lax.add, window_strides=(1, 1, 1, 1), padding="SAME")
        case "max":
            return window(x, -jnp.inf, lax.max, window_strides=(1, 1, 1, 1), padding="SAME")
        case "halve":
            return window(x, -jnp.inf, lax.max, window_strides=(1, 2, 2, 1), padding="VALID")
    return x
