"""Weights from whatever a user names, a file of them or the workdir of a training, and a function of them."""

import functools
import hashlib
import os
from pathlib import Path
from typing import Any

import jax

from fec_jax import xla_options
from fec_jax.metrics.heldout import Predict
from fec_jax.nets.generator import Generator
from fec_jax.train.starting import Start
from fec_jax.types import Attrs, Images, Masks, Params
from fec_jax.weights.format import Weights, load_weights, tensors_sha256
from fec_jax.weights.shipped import SHIPPED, load_shipped


def weights_from(path: Path | None) -> Weights:
    """Weights of a `.safetensors` file or of a workdir (its newest checkpoint), or the name of some that come with the
    package; None: the default ones of these.

    UserError if it is nothing of this.
    """
    if path is None:
        return load_shipped()
    if _is_shipped(path):
        return load_shipped(str(path))
    if os.path.isdir(path):
        from fec_jax.weights import export

        return export.from_workdir(path)
    return load_weights(path)


def _is_shipped(path: Path) -> bool:
    """Whether it is the name of weights that come with the package; a file of that name goes before."""
    return str(path) in SHIPPED and not os.path.exists(path)


def start_from(named: str) -> Start:
    """The weights of `config.init_from`: a file, a workdir, or the name of weights that come with the package.

    The SHA-256 is the file's; for a workdir, `format.tensors_sha256`. UserError for what cannot be read.
    """
    weights = weights_from(Path(named))
    return Start(weights, *known_as(Path(named), weights))


def known_as(path: Path, weights: Weights) -> tuple[str, str]:
    """For the record: what `weights`, read from `path`, are called, and their SHA-256 (see `start_from`)."""
    if _is_shipped(path):
        return str(path), SHIPPED[str(path)]
    sha256 = tensors_sha256(weights) if os.path.isdir(path) else hashlib.sha256(path.read_bytes()).hexdigest()
    return path.resolve().name, sha256


def predictor(weights: Weights) -> Predict:
    """The generator at its full resolution, compiled; networks of one kind share the program."""
    return functools.partial(_program(), weights.meta.build_generator(), jax.device_put(weights.g_params))


@functools.cache
def _program() -> Any:
    """`_predict`, compiled for every kind of generator; made when first used, since it asks which device there is."""
    return jax.jit(_predict, static_argnums=0, compiler_options=xla_options.options())


def _predict(generator: Generator, params: Params, masked: Images, mask: Masks, attrs: Attrs) -> Images:
    image: Any = generator.apply({"params": params}, masked, mask, attrs, 1.0, resolution_px=generator.max_px)
    return image
