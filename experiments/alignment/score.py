"""What a completion's score is worth: its rank correlation with LPIPS, and the constants in `fec_jax.complete.score`.

python experiments/alignment/score.py DATA [--weights FILE] [--out FILE]

DATA as for `placed.py`. Photos of `validation` are completed with their own attributes, at the network's size, under
each of five sets of masks (seed 0); the constants are fitted to all of them together by least squares. Photos of `test`
then tell, set by set, the rank correlation (Spearman) of LPIPS with the package's score, with a score by the newly
fitted constants, and with each term alone, D's logit for "real" among them. The score is meant to fall where LPIPS
rises: -1 would be perfect.
"""

import argparse
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
from placed import listed, publish, read
from scipy.stats import spearmanr

from fec_jax.complete import align
from fec_jax.complete import score as scoring
from fec_jax.masks import sets
from fec_jax.metrics import perceptual
from fec_jax.weights.format import Weights
from fec_jax.weights.load import predictor, weights_from

MASKS = ("center", "wide", "paper", "lama-thick", "mat-small")


def measured(weights: Weights, data: Path, split: str) -> dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """By set of masks: LPIPS [n], terms [n, 3], D's logits [n]."""
    rows, r = listed(data, split, 10**6), weights.meta.resolution_px
    predict, discriminator = predictor(weights), weights.meta.build_discriminator()
    photos = []
    for row in rows:
        photo = read(data, row)
        photos.append(align.cut_out(photo, align.whole(slice(0, len(photo)), slice(0, len(photo))), r))
    real = np.array(photos)
    wanted = np.array([[float(row[name]) for name in weights.meta.attribute_names] for row in rows], np.float32)
    found = {}
    for name in MASKS:
        mask = sets.make(name, len(rows), r, 0).masks
        masked = (real.astype(np.float32) / 127.5 - 1) * (1 - mask)
        image = np.concatenate(
            [
                np.asarray(predict(*(jnp.asarray(x[i : i + 1], jnp.float32) for x in (masked, mask, wanted))))
                for i in range(len(rows))
            ]
        )
        completed = np.where(mask > 0, np.clip(image, -1, 1), masked)
        params: Any = {"params": weights.d_params}
        logits, attrs = discriminator.apply(params, jnp.asarray(completed, jnp.float32), 1.0, resolution_px=r)
        terms = [scoring.terms(*x) for x in zip(image, masked, mask, np.asarray(attrs), wanted, strict=True)]
        grey = np.where(mask > 0, np.round((completed + 1) * 127.5), real).astype(np.uint8)
        found[name] = perceptual.lpips(grey, real), np.array(terms), np.asarray(logits)
    return found


def fitted(found: dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]], count: int) -> list[float]:
    """c0 and the factors of the first `count` terms."""
    lpips = np.concatenate([x[0] for x in found.values()])
    terms = np.log(np.concatenate([x[1] for x in found.values()])[:, :count])
    columns = np.column_stack([np.ones(len(terms)), terms])
    return np.linalg.lstsq(columns, np.log(lpips), rcond=None)[0].round(3).tolist()


def rank(x: np.ndarray, lpips: np.ndarray) -> float | None:
    """Spearman's; None for what is constant, as the share of `center` is."""
    found: Any = spearmanr(x, lpips)
    return None if np.ptp(x) < 1e-9 else round(float(found.statistic), 2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    weights = weights_from(args.weights)
    validation, test = (measured(weights, args.data, split) for split in ("validation", "test"))
    constants = fitted(validation, 3)
    report = {"WITH_D": constants, "WITHOUT_D": fitted(validation, 2), "rank_correlation_with_lpips": {}}
    for name, (lpips, terms, logits) in test.items():
        new = 1 - np.exp(constants[0] + np.log(terms) @ constants[1:])
        report["rank_correlation_with_lpips"][name] = {
            "score": rank(np.array([scoring.score(tuple(t)) for t in terms.tolist()]), lpips),
            "score_as_fitted_now": rank(new, lpips),
            "score_without_d": rank(np.array([scoring.score(tuple(t[:2])) for t in terms.tolist()]), lpips),
            "context": rank(terms[:, 0], lpips),
            "share": rank(terms[:, 1], lpips),
            "attributes": rank(terms[:, 2], lpips),
            "real_logit": rank(logits, lpips),
            "mean_error_of_score": round(float(np.abs(1 - lpips - new).mean()), 4),
        }
    publish(report, args.out)


if __name__ == "__main__":
    main()
