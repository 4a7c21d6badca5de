"""The parts of a drawn face; `fec_jax.data.synthetic` puts them together."""
