"""Quality of a completion, estimated without ground truth: the expected 1 - LPIPS.

    log LPIPS is about  c0 + c1 log context + c2 log share + c3 log attributes

| term | what it is |
|---|---|
| `context` | mean absolute difference of the network's own image and the photo outside the hole, in [-1, 1] |
| `share` | of the network's square that is hole |
| `attributes` | mean cross-entropy of the attributes that D reads from the completed square with the wanted ones |

Fitted to LPIPS (VGG16, at the network's size) of the default weights' completions (those before the last 14,000 images)
of 96 held-out photos under five sets of masks, by `experiments/alignment/score.py`; what it is worth, on other photos,
stands beside it. Other weights have other constants: their scores rank their own completions. D's logit for "real" was
tried and left out: on held-out photos it goes with LPIPS by no more than chance under most mask sets. So do the face's
turn and its proportions.
"""

import numpy as np
from jaxtyping import Float, Float32

WITH_D = (1.268, 0.662, 1.032, 0.055)
WITHOUT_D = (1.179, 0.675, 1.018)
"""c0, c1, c2 and c3; the latter for weights without a discriminator or attributes."""


def terms(
    image: Float32[np.ndarray, "r r 3"],
    masked: Float32[np.ndarray, "r r 3"],
    mask: Float32[np.ndarray, "r r 1"],
    logits: Float[np.ndarray, " n"] | None,
    wanted: Float[np.ndarray, " n"],
) -> tuple[float, ...]:
    """`context`, `share` and, with D's attribute `logits` of the completed square, `attributes`."""
    context = float((np.abs(image - masked) * (1 - mask)).sum() / max(3 * float((1 - mask).sum()), 1e-6))
    share = float(mask.mean())
    if logits is None or not len(wanted):
        return context, share
    # log(1 + exp(-z)) of the logit z of the wanted value; for a value between 0 and 1, weighted between both.
    wanted = np.clip(wanted, 0, 1)
    entropy = wanted * np.logaddexp(0, -logits) + (1 - wanted) * np.logaddexp(0, logits)
    return context, share, float(entropy.mean())


def score(found: tuple[float, ...]) -> float:
    """1 for a completion that is expected to match the photo, 0 and below for a poor one. Finite."""
    constant, *factors = WITH_D if len(found) == 3 else WITHOUT_D
    log = constant + sum(c * np.log(max(x, 1e-6)) for c, x in zip(factors, found, strict=True))
    return 1 - float(np.exp(min(log, 5.0)))
