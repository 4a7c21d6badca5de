"""Face completion with controllable attributes: progressive GANs in JAX and Flax.

from fec_jax import Completer, load_shipped, load_weights
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fec_jax.complete.completer import Completer as Completer
    from fec_jax.complete.completer import Result as Result
    from fec_jax.weights.format import Weights as Weights
    from fec_jax.weights.format import load_weights as load_weights
    from fec_jax.weights.format import save_weights as save_weights
    from fec_jax.weights.shipped import load_shipped as load_shipped

__version__ = "0.1.0"

_PLACES = {
    "Completer": "complete.completer",
    "Result": "complete.completer",
    "Weights": "weights.format",
    "load_shipped": "weights.shipped",
    "load_weights": "weights.format",
    "save_weights": "weights.format",
}
__all__ = ["Completer", "Result", "Weights", "__version__", "load_shipped", "load_weights", "save_weights"]


def __getattr__(name: str) -> Any:
    """The public names, imported when first used: they import JAX, which would slow `fec --help`."""
    if name not in _PLACES:
        raise AttributeError(f"module 'fec_jax' has no attribute {name!r}")
    return getattr(importlib.import_module(f"fec_jax.{_PLACES[name]}"), name)
