"""What attribute values between 0 and 1, and beyond, do: D's logit of the attribute, and what it costs.

python experiments/alignment/beyond.py DATA [--weights WEIGHTS] [--out FILE]

16 photos of `validation`, wide centre hole, one attribute at a time at the value, the others as labelled. `logit` is
the mean over photos and attributes of D's logit, with the sign of 1 (a higher value is more of the attribute);
`lpips_to_photo` is the mean distance to the photo; `context` the mean absolute error outside the hole.
"""

import argparse
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from placed import listed, publish, read

from fec_jax.complete import align
from fec_jax.masks import sets
from fec_jax.metrics import perceptual
from fec_jax.weights.load import predictor, weights_from

VALUES = (-1.0, -0.5, 0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    weights = weights_from(args.weights)
    rows, r, names = listed(args.data, "validation", 96)[::6], weights.meta.resolution_px, weights.meta.attribute_names
    predict, discriminator = predictor(weights), weights.meta.build_discriminator()
    discriminate = jax.jit(lambda p, x: discriminator.apply(p, x, 1.0, resolution_px=r))
    params: Any = {"params": weights.d_params}
    photos = [read(args.data, row) for row in rows]
    real = np.array([align.cut_out(x, align.whole(slice(0, len(x)), slice(0, len(x))), r) for x in photos])
    labels = np.array([[float(row[name]) for name in names] for row in rows], np.float32)
    mask = jnp.asarray(sets.make("wide", len(rows), r, 0).masks)
    x = jnp.asarray(real, jnp.float32) / 127.5 - 1
    report = {}
    for value in VALUES:
        logits, distances, context = [], [], []
        for i in range(len(names)):
            wanted = labels.copy()
            wanted[:, i] = value
            image = predict(x * (1 - mask), mask, jnp.asarray(wanted))
            completed = jnp.where(mask > 0, jnp.clip(image, -1, 1), x)
            logits.append(float(discriminate(params, completed)[1][:, i].mean()))
            grey = np.asarray(jnp.round((completed + 1) * 127.5)).astype(np.uint8)
            distances.append(float(perceptual.lpips(grey, real).mean()))
            context.append(float((jnp.abs(image - x) * (1 - mask)).sum() / (3 * (1 - mask).sum())))
        means = {"logit": logits, "lpips_to_photo": distances, "context": context}
        report[f"{value:g}"] = {name: round(float(np.mean(x)), 4) for name, x in means.items()}
    publish(report, args.out)


if __name__ == "__main__":
    main()
