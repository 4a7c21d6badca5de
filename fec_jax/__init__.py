"""Face completion with controllable attributes: progressive GANs in JAX and Flax."""

__version__ = "0.1.0"
