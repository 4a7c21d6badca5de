"""From a file, or the name of a shipped config, with changes KEY=VALUE, to a ConfigDict: for all commands.

`build` makes a run of it.

A config is a Python file whose `get_config()` returns a ConfigDict, as those of configs/ do. Its imports are looked for
in the current folder and beside the package, so that `from configs.common import row` works in a file of one's own.
"""

import ast
import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from flax.traverse_util import flatten_dict
from ml_collections import ConfigDict

from fec_jax.config.keys import unknown
from fec_jax.types import UserError

PACKAGE = Path(__file__).resolve().parent.parent


def load(name_or_file: str | Path, changes: Sequence[str] = ()) -> ConfigDict:
    """The config, locked, with `changes` made in turn: `batch.px4=8`, or `config.batch.px4=8`.

    name_or_file  a path, or the name of a shipped config: `quickstart`. What has no folder and no `.py` is a name. What
                  follows a colon is the argument of its `get_config`: `mine.py:large`.
    changes       a value has the type of the one it takes the place of: a number, `true` or `false`, a text, with or
                  without quotes, a tuple, `('a', 'b')` or `a,b`

    Raises UserError: no such config, one that fails when it is run, an unknown key, a value of another type.
    """
    name, _, argument = str(name_or_file).partition(":")
    config = _run(_file(name), argument)
    for change in changes:
        _change(config, change)
    return config.lock()


def shipped() -> dict[str, Path]:
    """Name -> file, of the configs that come with the package."""
    files = sorted((root() / "configs").glob("*.py"))
    return {path.stem: path for path in files if path.stem != "common"}


def run_file(path: Path) -> ModuleType:
    """The module that a person's file makes. Raises UserError for whatever is wrong with it, in one line."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if not path.is_file() or spec is None or spec.loader is None:
        raise UserError(f"{path} is no Python file that can be read: check the path")
    module = importlib.util.module_from_spec(spec)
    before = list(sys.path)
    sys.path[:0] = [str(Path.cwd()), str(root())]
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # whatever a person wrote there
        raise UserError(f"{path} cannot be read ({type(error).__name__}: {' '.join(str(error).split())})") from error
    finally:
        sys.path[:] = before
    return module


def root() -> Path:
    """The folder of configs/: the checkout's, or the wheel's copy."""
    return PACKAGE.parent if (PACKAGE.parent / "configs/common.py").is_file() else PACKAGE / "shipped"


def _file(name: str) -> Path:
    if "/" in name or name.endswith(".py"):
        if not Path(name).is_file():
            raise UserError(f"config {name} does not exist: give a file, or one of {', '.join(shipped())}")
        return Path(name)
    if name not in shipped():
        raise UserError(f"there is no config {name!r}: give one of {', '.join(shipped())}, or a file ending in .py")
    return shipped()[name]


def _run(path: Path, argument: str) -> ConfigDict:
    module = run_file(path)
    if not callable(getattr(module, "get_config", None)):
        raise UserError(f"{path} is no config: it has no get_config(); see configs/")
    try:
        config = module.get_config(argument) if argument else module.get_config()
    except Exception as error:  # whatever a person wrote there
        raise UserError(f"{path} cannot be read ({type(error).__name__}: {' '.join(str(error).split())})") from error
    if not isinstance(config, ConfigDict):
        raise UserError(f"{path} is no config: get_config() returns a {type(config).__name__}, not a ConfigDict")
    return config


def _change(config: ConfigDict, change: str) -> None:
    key, equals, text = change.partition("=")
    key = key.removeprefix("config.")
    if not equals:
        raise UserError(f"{change!r} is no change of a config: write KEY=VALUE, as in batch.px4=8")
    values = flatten_dict(config.to_dict(), sep=".")
    if key not in values:
        raise unknown(key, values)
    now = values[key]
    try:
        value = _value(text, now)
    except (ValueError, SyntaxError):
        raise UserError(f"config.{key}={text}: it must be of type {type(now).__name__}, as {now!r} is") from None
    config.update_from_flattened_dict({key: value})


def _value(text: str, now: Any) -> Any:
    """What `text` means in the place of `now`. Raises ValueError or SyntaxError."""
    if isinstance(now, bool):
        return bool(("false", "true").index(text.lower()))
    if isinstance(now, int | float):
        return type(now)(text)
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        value = text
    if isinstance(now, str):
        return value if isinstance(value, str) else text
    if isinstance(value, list | tuple):
        return tuple(value)
    return tuple(text.split(",")) if value is text else (value,)
