"""The weights that come with the package."""

import hashlib
from importlib import resources

from fec_jax.types import UserError
from fec_jax.weights.format import Weights, load_weights

SHIPPED = "portraits64.safetensors"
"""In the package's `assets`, with a card beside it: the default of `fec complete`."""
SHIPPED_SHA256 = "df62d3645df0a69f2aa17ec0bf32aeebbf34f9ebfc011bb850dd3426c540a67b"


def load_shipped() -> Weights:
    """The weights that come with the package; see `assets/portraits64.md` for figures and limits.

    Raises UserError when the file is missing or is not, byte for byte, the one that this version was released with.
    """
    with resources.as_file(resources.files("fec_jax") / "assets" / SHIPPED) as path:
        try:
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
        except OSError as e:
            raise UserError(f"the shipped weights are missing: {path}; reinstall fec-jax, or give --weights") from e
        if digest != SHIPPED_SHA256:
            raise UserError(f"the shipped weights are damaged (wrong checksum): {path}; reinstall fec-jax")
        return load_weights(path)
