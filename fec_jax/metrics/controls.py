"""Rows that every report has beside the network's: what figures are worth is seen from what else gets them."""

from collections.abc import Callable, Sequence

import numpy as np

from fec_jax.data.source import Source, load_to_fit
from fec_jax.masks.sets import MaskSet
from fec_jax.metrics import baselines, evaluation
from fec_jax.metrics.evaluation import Bench, Complete, Figures, Measured, Wishes
from fec_jax.types import HostAttrs, HostImages

FORMULAS = ("telea", "navier_stokes", "mean_face", "nearest_face", "pca_regression")


def subjects(train: HostImages) -> dict[str, Complete]:
    """The photo itself, two ways to continue the context inwards, and three ways to remember the training photos."""
    fitted = {
        "mean_face": baselines.MeanFace.fit(train),
        "nearest_face": baselines.NearestFace.fit(train),
        "pca_regression": baselines.PcaRegression.fit(train),
    }
    formulas: dict[str, Callable] = {"telea": baselines.telea, "navier_stokes": baselines.navier_stokes, **fitted}
    return {"real": evaluation.itself} | {name: evaluation.ignoring_wishes(of) for name, of in formulas.items()}


def control_rows(
    bench: Bench, train: Source, mask_sets: Sequence[MaskSet], skipped: dict[str, str] | None = None
) -> dict[str, dict[str, Figures]]:
    """{control: {mask set: figures}}. The classifier judges the photos themselves, the ceiling of what is kept, and
    what is `granted`, the ceiling of flips.

    `real_halves` has the distribution metrics between every second photo and the others, under "none" for a mask set.
    """
    rows: dict[str, dict[str, Figures]] = {}
    photos, labels = load_to_fit(train)
    for name, complete in subjects(photos).items():
        wishes: Wishes = "ignored" if name == "real" else "unjudged"
        rows[name] = {}
        for mask_set in mask_sets:
            measured = evaluation.measure(bench, complete, mask_set, wishes)
            rows[name][mask_set.name] = evaluation.figures(bench, measured, skipped)
    if bench.judges.classifier is not None:
        rows["granted"] = {mask_set.name: granted(bench, photos, labels, mask_set) for mask_set in mask_sets}
    halves: Figures = {}
    for suffix, of_photos in bench.real_features.items():
        halves |= evaluation.distribution_figures(of_photos[0::2], of_photos[1::2], suffix, skipped, paired=False)
    return rows | {"real_halves": {"none": halves}}


def granted(bench: Bench, photos: HostImages, labels: HostAttrs, mask_set: MaskSet) -> Figures:
    """attribute_flipped/NAME, as in `evaluation.measure`, of flips that are granted beyond doubt.

    The hole is filled with a real face that has what is asked for, the nearest by context of the labelled `photos` that
    have it. Where the classifier does not see the wish in these, it looks at what lies outside the hole. Wishes that
    none of the photos has are left out.
    """
    classifier = bench.judges.classifier
    if classifier is None:
        return {}
    parts = []
    for rows in bench.chunks():
        (real, attrs), mask = bench.source.load(rows), mask_set.masks[rows.start : rows.stop]
        columns = []
        for i, wanted in enumerate(1 - attrs.T):
            completed, has = real.copy(), labels[:, i]
            for value in np.intersect1d(wanted, has):
                asked = wanted == value
                completed[asked] = baselines.NearestFace.fit(photos[has == value])(real[asked], mask[asked])
            agrees = (classifier.logits(completed)[:, i] > 0) == (wanted == 1)
            columns.append(np.where(np.isin(wanted, has), agrees, np.nan))
            bench.tick(len(real))
        parts.append(np.stack(columns, axis=1))
    names = [f"attribute_flipped/{name}" for name in bench.source.attribute_names]
    per_image = dict(zip(names, np.concatenate(parts).T, strict=True))
    return evaluation.figures(bench, Measured(per_image, {}))


def steps(mask_sets: Sequence[MaskSet], num_attrs: int, controls: bool) -> int:
    """How many images `tick` will be told of, by the network and by the controls."""
    photos = sum(len(mask_set.masks) for mask_set in mask_sets)
    return photos * (1 + num_attrs) + photos * (1 + len(FORMULAS) + num_attrs) * controls
