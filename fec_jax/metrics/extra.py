"""Packages that only evaluation needs: the extra `eval`."""

import importlib
from types import ModuleType

from fec_jax.types import UserError


def need(name: str) -> ModuleType:
    """The module `name` of an optional package. UserError, saying what to install, if it is not there."""
    try:
        return importlib.import_module(name)
    except ImportError as e:
        raise UserError(f"{name} is not installed: evaluation needs it; pip install -e '.[eval]'") from e
