"""Warm start: a run begins with trained networks instead of random ones."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
from flax.traverse_util import flatten_dict

from fec_jax.train import extending
from fec_jax.train.run import Run
from fec_jax.train.state import State
from fec_jax.types import UserError
from fec_jax.weights.format import Weights


@dataclasses.dataclass(frozen=True)
class Start:
    """Weights that a run begins with; `name` and `sha256` are for the record."""

    weights: Weights
    name: str
    sha256: str

    def facts(self) -> dict[str, Any]:
        """What checkpoints, and weights of this run, say of its beginning."""
        meta = self.weights.meta
        return {
            "name": self.name,
            "sha256": self.sha256,
            "loss_networks": list(meta.loss_networks),
            "splits": list(meta.splits),
        }


def check(run: Run, start: Start) -> None:
    """Raises UserError if the networks of `run` cannot begin with these weights, and says which keys would let them."""
    meta, r = start.weights.meta, run.recipe
    who = f"config.init_from: the weights {start.name}"
    if start.weights.d_params is None:
        raise UserError(f"{who} have no discriminator: export them without --no-discriminator")
    if meta.attribute_names != run.attribute_names:
        raise UserError(
            f"{who} have the attributes {_names(meta.attribute_names)}, this run has {_names(run.attribute_names)}"
            f"{_difference(meta.attribute_names, run.attribute_names)}; set config.attributes to the weights'"
        )
    for what, now in (("generator", r.generator), ("discriminator", r.discriminator)):
        for key, value in {"growth": "blend", **getattr(meta, what)}.items():
            if key not in ("base", "cap", "prior", "on_features") and getattr(now, key) != value:
                name = key if key == "growth" else f"{what}.{key}"
                raise UserError(f"{who} have {name} = {value!r}, this run has {getattr(now, key)!r}: set config.{name}")
    count = meta.generator.get("prior", 0)
    if count not in (0, r.generator.prior):  # one that they lack is fitted to the data
        raise UserError(
            f"{who} have generator.prior = {count}, this run has {r.generator.prior}: set config.generator.prior"
        )
    first, last = run.phases[0].resolution_px, run.phases[-1].resolution_px
    if not first <= meta.resolution_px <= last:
        raise UserError(
            f"{who} are of {meta.resolution_px} px, this run goes from {first} to {last} px: its schedule must begin "
            f"at {meta.resolution_px} px or below, and end there or above"
        )
    g_shape, d_shape = run.params_shape()
    for what, was, now in (("generator", meta.g_shapes(), g_shape), ("discriminator", meta.d_shapes(), d_shape)):
        shapes: list[Any] = [
            flatten_dict(jax.tree.map(lambda x: x.shape, tree, is_leaf=lambda x: hasattr(x, "shape")), sep="/")
            for tree in (was, now)
        ]
        if not r.discriminator.on_features:  # heads that the weights have and nobody asks
            shapes[0] = {name: shape for name, shape in shapes[0].items() if not name.startswith("on_relu_")}
        if not shapes[0].items() <= shapes[1].items():
            net, ours = getattr(meta, what), getattr(r, what)
            raise UserError(
                f"{who} have other widths: {what}.base = {net['base']} and {what}.cap = {net['cap']}, this run has "
                f"{ours.base} and {ours.cap}; set config.{what}.base and cap to the weights'"
            )


def begin(state: State, start: Start) -> State:
    """A new run's state with the weights' networks, and their average equal to them; layers they lack stay random.

    D's heads on features are taken over if the run has such, too. The optimisers and the clock are those of `state`.
    """
    g_params = extending.overlaid(state.g_params, start.weights.g_params)
    d_params = extending.overlaid(state.d_params, start.weights.d_params)
    return dataclasses.replace(state, g_params=g_params, d_params=d_params, g_ema=jax.tree.map(jnp.copy, g_params))


def _names(names: tuple[str, ...]) -> str:
    return ", ".join(names) or "(none)"


def _difference(old: tuple[str, ...], new: tuple[str, ...]) -> str:
    more, less = [n for n in new if n not in old], [n for n in old if n not in new]
    if not more and not less:
        return " (in another order)"
    parts = [f"{what} {', '.join(names)}" for what, names in (("too many:", more), ("missing:", less)) if names]
    return f" ({'; '.join(parts)})"
