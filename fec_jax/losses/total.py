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

    def of(self, term: str, d_terms: float = 1.0) -> float:
        """The weight of a term in G's total; `d_terms` is a factor of the two that come from D (`schedule.Row`)."""
        return getattr(self, term) * (d_terms if term in ("adv", "attr") else 1.0)


def total(terms: dict[str, Float[Array, ""]], lambdas: Lambdas, d_terms: float = 1.0) -> Float[Array, ""]:
    """adv + lambda_attr attr + lambda_rec rec + lambda_feat feat + lambda_bdy bdy (paper, full objective).

    `terms` holds the batch means of the raw losses, under the names of `TERMS`.
    """
    return sum((lambdas.of(name, d_terms) * terms[name] for name in TERMS), jnp.zeros(()))
