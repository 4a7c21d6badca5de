"""Configs of earlier versions: keys added, removed and renamed since.

A run resumes under newer code if keys that its config lacks have their defaults, and removed keys had the value with
which they did nothing.
"""

import functools
import json
import re
from collections.abc import Mapping
from typing import Any

from flax.traverse_util import flatten_dict, unflatten_dict

from fec_jax.config import load

GONE: dict[str, Any] = {
    "loss.attr_sees": "photo",
    "loss.attr_on_kept": 1.0,
    "ema.rampup": 0.05,
}
"""Removed keys, with the value that means today's behaviour."""
RENAMED = {"data.test_split": "data.validation_split"}
"""Renamed keys: old name to new."""

_ROW = re.compile(r"schedule\.px\d+\.(\w+)")


def flat(config: Mapping[str, Any]) -> dict[str, Any]:
    """A config's values by dotted name, as JSON gives them back. Raises ValueError if it is no dict."""
    if not isinstance(config, Mapping):
        raise ValueError("not a config")
    return flatten_dict(json.loads(json.dumps(dict(config))), sep=".")


def renamed(config: Mapping[str, Any]) -> dict[str, Any]:
    """`config` (by dotted name) with today's names, and without the keys that are gone if they did nothing."""
    values = {RENAMED.get(name, name): value for name, value in config.items()}
    return {name: value for name, value in values.items() if name not in GONE or value != GONE[name]}


def default(name: str) -> Any:
    """What `configs/common.py` has for a key, or for a number of a schedule's row; KeyError if it has no such key."""
    values, row = _defaults()
    found = _ROW.fullmatch(name)
    return row[found[1]] if found else values[name]


def to_read(config: Mapping[str, Any]) -> dict[str, Any]:
    """A config of any version such that this one reads it: missing keys have their defaults, removed keys are dropped.

    For reading checkpoints; a training is checked by `workdir.bind`.
    """
    values = renamed(flatten_dict(dict(config), sep="."))
    values = {name: value for name, value in values.items() if name not in GONE}
    common, row = _defaults()
    rows = {name.rpartition(".")[0] for name in values if _ROW.fullmatch(name)}
    missing = {f"{name}.{key}": value for name in rows for key, value in row.items()}
    return unflatten_dict(common | missing | values, sep=".")


@functools.cache
def _defaults() -> tuple[dict[str, Any], dict[str, Any]]:
    """All of `configs/common.py`, and what its `row` leaves to its defaults."""
    module = load.run_file(load.root() / "configs/common.py")
    given = ("fade_kimg", "stable_kimg", "lr", "lr_end")
    row = {name: value for name, value in module.row(0, 1, 1).to_dict().items() if name not in given}
    return flat(module.get_config().to_dict()), row
