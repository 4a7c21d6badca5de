"""Control rows of every report: the same figures for baselines and for the photos themselves."""

from collections.abc import Callable, Sequence

import numpy as np

from fec_jax.data.source import Source, load_to_fit
from fec_jax.masks.sets import MaskSet
from fec_jax.metrics import baselines, evaluation, subjects
from fec_jax.metrics.evaluation import Bench, Edits, Figures, Measured
from fec_jax.metrics.subjects import Complete
from fec_jax.types import HostAttrs, HostImages

FORMULAS = ("telea", "navier_stokes", "mean_face", "nearest_face", "pca_regression")


def formulas(train: HostImages) -> dict[str, Complete]:
    """The photo itself, two that continue the context inwards, and three that are fitted to the training photos."""
    fitted = {
        "mean_face": baselines.MeanFace.fit(train),
        "nearest_face": baselines.NearestFace.fit(train),
        "pca_regression": baselines.PcaRegression.fit(train),
    }
    found: dict[str, Callable] = {"telea": baselines.telea, "navier_stokes": baselines.navier_stokes, **fitted}
    return {"real": subjects.itself} | {name: subjects.ignoring_attributes(of) for name, of in found.items()}


def control_rows(
    bench: Bench, train: Source, mask_sets: Sequence[MaskSet], skipped: dict[str, str] | None = None
) -> dict[str, dict[str, Figures]]:
    """{control: {mask set: figures}}. The classifiers are also applied to the photos themselves, the ceiling of what
    is kept, and to `granted`, the ceiling of flips.

    `real_halves` has the distribution metrics between every second photo and the others, under "none" for a mask set.
    """
    rows: dict[str, dict[str, Figures]] = {}
    photos, labels = load_to_fit(train)
    for name, complete in formulas(photos).items():
        edits: Edits = "ignored" if name == "real" else "unclassified"
        rows[name] = {}
        for mask_set in mask_sets:
            measured = evaluation.measure(bench, complete, mask_set, edits)
            rows[name][mask_set.name] = evaluation.figures(bench, measured, skipped)
    if bench.judges.classifiers:
        rows["granted"] = {mask_set.name: granted(bench, photos, labels, mask_set) for mask_set in mask_sets}
    halves: Figures = {}
    for suffix, of_photos in bench.real_features.items():
        halves |= evaluation.distribution_figures(of_photos[0::2], of_photos[1::2], suffix, skipped, paired=False)
    return rows | {"real_halves": {"none": halves}}


def granted(bench: Bench, photos: HostImages, labels: HostAttrs, mask_set: MaskSet) -> Figures:
    """attribute_flipped_SUFFIX/NAME, as in `evaluation.measure`, of real faces that have the wanted value.

    The hole shows the nearest real face, by context, of the labelled `photos` with the wanted value. Where a classifier
    does not see the wanted value in these, it depends on what lies outside the hole. Values that none of the photos has
    are left out.
    """
    parts: list[dict[str, np.ndarray]] = []
    for rows in bench.chunks():
        (real, attrs), mask = bench.source.load(rows), mask_set.of(rows)
        part = {}
        for at, (name, i) in enumerate(bench.judged.items()):
            completed, wanted, has = real.copy(), 1 - attrs[:, i], labels[:, i]
            for value in np.intersect1d(wanted, has):
                asked = wanted == value
                completed[asked] = baselines.NearestFace.fit(photos[has == value])(real[asked], mask[asked])
            for suffix, classifier in bench.judges.classifiers.items():
                agrees = (classifier.logits(completed)[:, at] > 0) == (wanted == 1)
                part[f"attribute_flipped_{suffix}/{name}"] = np.where(np.isin(wanted, has), agrees, np.nan)
            bench.tick(len(real))
        parts.append(part)
    per_image = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    return evaluation.figures(bench, Measured(per_image, {}))


def steps(mask_sets: Sequence[MaskSet], num_attrs: int, controls: bool) -> int:
    """How many images `tick` will count, of the network and of the controls."""
    photos = sum(mask_set.count for mask_set in mask_sets)
    return photos * (1 + num_attrs) + photos * (1 + len(FORMULAS) + num_attrs) * controls
