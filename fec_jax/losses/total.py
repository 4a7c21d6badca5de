"""The sum of the five losses: the only place that knows their weights."""

import dataclasses

import jax.numpy as jnp
from jaxtyping import Array, Float

TERMS = ("adv", "attr", "rec", "feat", "bdy")


@dataclasses.dataclass(frozen=True)
class Lambdas:
    """Weights of G's losses; the defaults are the paper's. D's attribute loss has the weight `attr` too."""

    adv: float = 1.0
    attr: float = 2.0
    rec: float = 500.0
    feat: float = 10.0
    bdy: float = 5000.0

    def of(self, term: str) -> float:
        return getattr(self, term)


def total(terms: dict[str, Float[Array, ""]], lambdas: Lambdas) -> Float[Array, ""]:
    """adv + lambda_attr attr + lambda_rec rec + lambda_feat feat + lambda_bdy bdy (paper, full objective).

    `terms` holds the batch means of the raw losses, under the names of `TERMS`.
    """
    return sum((lambdas.of(name) * terms[name] for name in TERMS), jnp.zeros(()))
