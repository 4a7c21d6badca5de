"""The values of a config, read one by one: wrong, missing, unknown and unused keys each have their message."""

import difflib
import math
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar, cast

from flax.traverse_util import flatten_dict

from fec_jax.types import UserError

T = TypeVar("T")


class Keys:
    """A config's values, each read once by its dotted name. `finish` refuses keys that nobody read."""

    def __init__(self, config: Mapping[str, Any]):
        self._values = flatten_dict(dict(config), sep=".")
        self._asked: set[str] = set()

    def get(self, name: str, kind: type[T]) -> T:
        """The value of `config.NAME` as `kind` (an int is a float, a list is a tuple). Raises UserError."""
        if name not in self._values:
            raise UserError(f"config.{name} is missing: see configs/common.py, which has every key")
        self._asked.add(name)
        value = self._values[name]
        if kind is float and isinstance(value, int) and not isinstance(value, bool):
            value = float(value)
        if kind is tuple and isinstance(value, list):
            value = tuple(value)
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise UserError(f"config.{name} is {value!r}: it must be of type {kind.__name__}")
        return cast(T, value)

    def number(self, name: str, low: float = 0.0, high: float = float("inf")) -> float:
        """A float in [low, high]. Raises UserError."""
        return _inside(name, self.get(name, float), low, high)

    def whole(self, name: str, low: int = 0, high: float = float("inf")) -> int:
        """An int in [low, high]. Raises UserError."""
        return _inside(name, self.get(name, int), low, high)

    def one_of(self, name: str, choices: Iterable[str]) -> Any:
        """One of some words. Raises UserError."""
        value, choices = self.get(name, str), tuple(choices)
        if value not in choices:
            raise UserError(f"config.{name} is {value!r}: it must be one of {', '.join(choices)}")
        return value

    def below(self, name: str) -> list[str]:
        """The names right below a dotted name."""
        return sorted({key[len(name) + 1 :].split(".")[0] for key in self._values if key.startswith(name + ".")})

    def idle(self, name: str, neutral: Any, because: str) -> None:
        """A key that has no effect with the other settings: it must have its default. Raises UserError."""
        if self.get(name, type(neutral)) != neutral:
            raise UserError(
                f"config.{name} is {self._values[name]!r}, but it has no effect with {because}: leave it {neutral!r}"
            )

    def finish(self) -> None:
        """Raises UserError for a key that was not read."""
        for name in sorted(self._values.keys() - self._asked):
            raise unknown(name, self._asked)


def unknown(name: str, known: Iterable[str]) -> UserError:
    """The error for a key that is not there."""
    close = difflib.get_close_matches(name, known, n=1)
    return UserError(f"config.{name} is unknown" + (f"; did you mean config.{close[0]}?" if close else ""))


def _inside(name: str, value: Any, low: float, high: float) -> Any:
    if not (low <= value <= high and math.isfinite(value)):
        limit = f"at least {low}" if high == float("inf") else f"from {low} to {high}"
        raise UserError(f"config.{name} is {value}: it must be {limit}")
    return value
