"""Ports the weights of FID's InceptionV3 into the file that `fec evaluate --inception` reads.

    python experiments/port_inception.py pt_inception-2015-12-05-6726825d.pth inception.safetensors

The source is what the package pytorch-fid downloads: a file of its GitHub release `fid_weights`, TensorFlow's
`inception-2015-12-05` (Apache-2.0) in torch's format. It is not shipped, nor is the file made of it (87 MB).

Batch norm goes into the convolutions, the classifier is left out. Nothing here runs code from the file, and torch is
not needed: see experiments/porting.py.
"""

import argparse
import hashlib
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import safetensors.numpy

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from experiments.porting import read_torch, sorted_header
from fec_jax.io.atomic import write_whole
from fec_jax.metrics import inception
from fec_jax.types import UserError

SHA256_START = "6726825d"
"""Of pytorch-fid's file: its name says so."""
EPS = 0.001
"""Of batch norm."""


def port(source: Path, out: Path) -> tuple[str, bool]:
    """Writes `out` from `source`; returns its SHA-256, and if `source` is pytorch-fid's own file.

    Raises UserError: no such file, not a torch file of tensors, another network's tensors, `out` cannot be written.
    """
    if not source.is_file():
        raise UserError(f"{source}: no such file; see the head of this script for where to get one")
    state = read_torch(source)
    with source.open("rb") as file:
        source_sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    tensors = {}
    for name, shape in inception.kernel_shapes().items():
        kernel, bias = fold(state, name, shape)
        tensors |= {f"{name}/kernel": kernel, f"{name}/bias": bias}
    metadata = {
        "format": inception.FORMAT,
        "format_version": inception.FORMAT_VERSION,
        "architecture": "InceptionV3 of FID to the last average pooling, HWIO, float32, batch norm folded",
        "input": "RGB in [-1, 1], 299 px, resized bilinearly without antialiasing",
        "source": source.name,
        "source_sha256": source_sha256,
        "license": "Apache-2.0 (TensorFlow's inception-2015-12-05)",
        "citation": "C. Szegedy et al.: Rethinking the Inception Architecture for Computer Vision. arXiv:1512.00567",
    }
    data = sorted_header(safetensors.numpy.save(tensors, metadata))
    try:
        write_whole(out, data)
    except OSError as e:
        raise UserError(f"cannot write {out}: {e.strerror or e}") from e
    return hashlib.sha256(data).hexdigest(), source_sha256.startswith(SHA256_START)


def fold(state: Mapping[str, np.ndarray], name: str, shape: tuple[int, int, int, int]) -> tuple[np.ndarray, np.ndarray]:
    """The kernel [h, w, in, out] and bias [out] of a convolution with its batch norm in it, computed in float64.

    Raises UserError: missing, of another shape or type, not finite, a variance is negative.
    """

    def part(ending: str, wanted: tuple[int, ...]) -> np.ndarray:
        array = state.get(f"{name}.{ending}")
        if array is None or array.shape != wanted or array.dtype != np.float32:
            found = "missing" if array is None else f"{array.dtype} {array.shape}"
            raise UserError(f"{name}.{ending}: {found}, expected float32 {wanted}; this is not FID's InceptionV3")
        if not np.isfinite(array).all():
            raise UserError(f"{name}.{ending}: holds values that are not finite; get the file again")
        return array.astype(np.float64)

    height, width, ins, outs = shape
    kernel = part("conv.weight", (outs, ins, height, width)).transpose(2, 3, 1, 0)
    gain, shift, mean, variance = (
        part(f"bn.{ending}", (outs,)) for ending in ("weight", "bias", "running_mean", "running_var")
    )
    if (variance < 0).any():
        raise UserError(f"{name}.bn.running_var: holds negative variances; get the file again")
    scale = gain / np.sqrt(variance + EPS)
    return np.ascontiguousarray(kernel * scale, "<f4"), (shift - mean * scale).astype("<f4")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path, help="pytorch-fid's pt_inception-2015-12-05-6726825d.pth")
    parser.add_argument("out", type=Path, help="the .safetensors file to write")
    args = parser.parse_args()
    try:
        digest, known = port(args.source, args.out)
    except UserError as e:
        print(f"port_inception: {e}", file=sys.stderr)
        return 2
    print(f"{args.out}: {args.out.stat().st_size} bytes, SHA256 = {digest!r}")
    if not known:
        print(f"Beware: {args.source} is not pytorch-fid's file: figures made with it are not FID.", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
