"""What XLA is asked for reaches the machine that it is meant for."""

import jax
import pytest

from fec_jax import xla_options


@pytest.mark.parametrize(("backend", "given"), [("cpu", "cpu"), ("tpu", None), ("gpu", None)])
def test_compiler_options(monkeypatch, backend, given):
    """Broken: a device's option goes to another kind, or to an XLA that refuses it; no step compiles there."""
    monkeypatch.setattr(jax, "default_backend", lambda: backend)
    # Compiled here, where XLA knows no TPU's options.
    assert xla_options.options.__wrapped__() == (xla_options.OPTIONS[given] if given else {})
