"""The weights that come with the package, by name."""

import hashlib
from importlib import resources

from fec_jax.types import UserError
from fec_jax.weights.format import Weights, load_weights

DEFAULT = "portraits128"
"""What `fec complete` uses when no weights are named."""
SHIPPED = {
    "portraits128": "18ef9dea954dbfb3318a751bc3b547af1163f19732eb6a5a0759b9b8f2507781",
    "portraits64": "df62d3645df0a69f2aa17ec0bf32aeebbf34f9ebfc011bb850dd3426c540a67b",
}
"""Each with its SHA-256: `assets/NAME.safetensors`, a card beside it, `NAME.md`."""


def load_shipped(name: str = DEFAULT) -> Weights:
    """Weights that come with the package; see `assets/NAME.md` for figures and limits.

    Raises UserError for a name that is not in `SHIPPED`, and when the file is missing or is not, byte for byte, the one
    that this version was released with.
    """
    if name not in SHIPPED:
        raise UserError(f"no weights named {name!r} come with the package: there are {', '.join(SHIPPED)}")
    with resources.as_file(resources.files("fec_jax") / "assets" / f"{name}.safetensors") as path:
        try:
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
        except OSError as e:
            raise UserError(f"the shipped weights are missing: {path}; reinstall fec-jax, or give --weights") from e
        if digest != SHIPPED[name]:
            raise UserError(f"the shipped weights are damaged (wrong checksum): {path}; reinstall fec-jax")
        return load_weights(path)
