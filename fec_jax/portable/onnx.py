"""`program.function` as an ONNX model, by `jax2onnx`: runs in ONNX Runtime and what else reads ONNX.

With the textbook forms of the layers (`nets.cpu`). What `program.about` says is in the model's metadata, as strings:
JSON, except for those that are strings already.
"""

import contextlib
import json
import logging
import warnings
from collections.abc import Iterator
from typing import Any

import jax
import jax.extend

import fec_jax
from fec_jax.nets import cpu
from fec_jax.portable import program
from fec_jax.types import UserError
from fec_jax.weights.format import Weights

OPSET, IR_VERSION = 18, 8
"""Of December 2022: old enough for runtimes in use, new enough for all that the model needs."""


def to_bytes(weights: Weights) -> bytes:
    """The model. UserError: the extra `onnx` is not installed."""
    shapes = program.arguments(weights)
    # Without programs inside the program: jax2onnx 0.13 cannot copy those of jax 0.11, and a model has no use for them.
    with cpu.textbook(), jax.disable_jit():
        traced = jax.make_jaxpr(program.function(weights))(*shapes.values())
    with _quiet():
        try:
            import jax2onnx
            import onnx
        except ImportError as e:
            raise UserError(
                f"`fec export onnx` needs jax2onnx and onnx ({e}): install them with pip install -e '.[onnx]'"
            ) from e
        # A function of JAX's primitives alone. While it traces, jax2onnx replaces functions of jax.numpy, some by ones
        # that answer otherwise (jnp.maximum of float32 and 0 becomes float64): these are not called again here.
        model: Any = jax2onnx.to_onnx(
            jax.extend.core.jaxpr_as_fun(traced),
            list(shapes.values()),
            model_name="fec_jax",
            opset=OPSET,
            input_names=list(shapes),
            output_names=[program.RESULT],
        )
    model.ir_version, model.producer_name, model.producer_version = IR_VERSION, "fec_jax", fec_jax.__version__
    model.doc_string = f"Face completion. {program.RESULT}: uint8, photo with the hole completed by a synthetic face."
    for value in model.graph.input:
        value.doc_string = program.ARGUMENTS[value.name]
    texts = {name: x if isinstance(x, str) else json.dumps(x) for name, x in program.about(weights).items()}
    onnx.helper.set_model_props(model, texts)
    onnx.checker.check_model(model, full_check=True)
    return model.SerializeToString(deterministic=True)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without the libraries' warnings about each other, on which no user of `fec` can act."""
    before = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
