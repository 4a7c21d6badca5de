"""How good completions are: every metric, of every photo of a split, under every mask set.

A subject is a function, so that a network, a baseline and the photos themselves are measured by the same code.
Completions are rounded to 8 bits and pasted into the photo before anything is measured, as in a lossless file.
Photos are read, completed and measured in chunks, so that a large test set need not fit into memory.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float, Float32, Float64

from fec_jax.data.source import Source
from fec_jax.masks.sets import MaskSet
from fec_jax.metrics import distribution, perceptual
from fec_jax.metrics.attributes import Classifier
from fec_jax.metrics.backbones import Features
from fec_jax.metrics.heldout import Predict
from fec_jax.metrics.limits import LIMITS
from fec_jax.metrics.pixel import PIXEL
from fec_jax.metrics.pooling import Pooled
from fec_jax.metrics.subjects import Complete, network
from fec_jax.nets import vgg16
from fec_jax.types import HostAttrs, HostImages, HostMasks, UserError

CHUNK_BYTES = 2**25
"""Of photos, so many are in work at once; some metrics need thirty times as much."""

Subject = Complete | Pooled
Figures = dict[str, dict[str, float | int | None]]
"""{metric: {"mean", "std", "n"}}; mean and std are None where no image has the figure."""
Edits = Literal["flipped", "ignored", "unclassified"]
"""Attribute edits: each attribute is flipped in turn; the subject ignores attributes; no classifier is used."""


@dataclass(frozen=True)
class Judges:
    """The networks that measure completions.

    By the suffix of the figures' names ("alex", "vgg16", "" for Inception). classifiers: say which attributes a face
    has, all the same ones in the same order; features: for the distribution metrics.
    """

    classifiers: Mapping[str, Classifier] = field(default_factory=dict)
    features: Mapping[str, Features] = field(default_factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        """The attributes that the classifiers know, in the order of their logits."""
        return next((classifier.names for classifier in self.classifiers.values()), ())


@dataclass(frozen=True, eq=False)
class Bench:
    """Subjects are measured on the first `count` photos of `source`. `tick` counts images done.

    Features and classes of the photos themselves are computed once, for all subjects and mask sets.
    """

    source: Source
    count: int
    judges: Judges = field(default_factory=Judges)
    tick: Callable[[int], None] = lambda images: None

    @property
    def real_features(self) -> dict[str, Float32[np.ndarray, "n d"]]:
        """Of the photos, by suffix."""
        return self._of_photos[0]

    @property
    def real_shows(self) -> dict[str, Bool[np.ndarray, "n a"]]:
        """Which attributes each classifier sees in the photos, by suffix."""
        return self._of_photos[1]

    @property
    def labels(self) -> HostAttrs:
        """Of the photos."""
        return self._of_photos[2]

    @cached_property
    def _of_photos(self) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray], HostAttrs]:
        """Features, what the classifiers see, and labels, in one pass over the photos."""
        features: dict[str, list[np.ndarray]] = {name: [] for name in self.judges.features}
        shows: dict[str, list[np.ndarray]] = {name: [] for name in self.judges.classifiers}
        labels = []
        for rows in self.chunks():
            real, attrs = self.source.load(rows)
            labels.append(attrs)
            for name, of in self.judges.features.items():
                features[name].append(of(real))
            for name, classifier in self.judges.classifiers.items():
                shows[name].append(classifier.logits(real) > 0)
        joined = [{name: np.concatenate(x) for name, x in parts.items()} for parts in (features, shows)]
        return joined[0], joined[1], np.concatenate(labels)

    @property
    def judged(self) -> dict[str, int]:
        """`judges.names`, each with its column of the labels."""
        return {name: self.source.attribute_names.index(name) for name in self.judges.names}

    def chunks(self) -> Iterator[range]:
        """The photos, some at a time."""
        size = max(1, CHUNK_BYTES // (3 * self.source.resolution_px**2))
        for start in range(0, self.count, size):
            yield range(start, min(start + size, self.count))


@dataclass(frozen=True, eq=False)
class Measured:
    """Of one subject under one mask set: figures per photo, and features of its completions by suffix."""

    per_image: dict[str, Float64[np.ndarray, " n"]]
    features: dict[str, Float32[np.ndarray, "n d"]]


def per_image(completed: HostImages, real: HostImages, mask: HostMasks) -> dict[str, Float64[np.ndarray, " n"]]:
    """Every figure of a completion and its photo. NaN: does not apply to this image."""
    figures = {name: metric(completed, real, mask) for name, metric in (PIXEL | LIMITS).items()}
    return figures | {
        "lpips": perceptual.lpips(completed, real),
        "lpips_alex": perceptual.lpips_alex(completed, real),
    }


def completions(
    subject: Subject, rows: Sequence[int], real: HostImages, mask: HostMasks, wanted: HostAttrs
) -> HostImages:
    """What a subject makes of the photos `real`, which are the rows of the bench's source."""
    return subject.of_rows(rows, real, mask, wanted) if isinstance(subject, Pooled) else subject(real, mask, wanted)


def measure(bench: Bench, subject: Subject, mask_set: MaskSet, edits: Edits = "flipped") -> Measured:
    """Measures one subject. Its figures, besides those of `per_image`, are the classifiers', each with its own SUFFIX:

    attribute_kept_SUFFIX/NAME      1 if it sees the photo's own label in the completion with nothing flipped
    unflipped_change_SUFFIX/NAME    1 if it sees another label in the completion, nothing flipped, than in the photo
    attribute_flipped_SUFFIX/NAME   1 if it sees the opposite of the label where that, and nothing else, was flipped
    flip_change/NAME    mean absolute difference in the hole, 0..1, between flipped and unflipped completion
    """
    classifiers = bench.judges.classifiers if edits != "unclassified" else {}
    judged = bench.judged if classifiers else {}
    parts: list[dict[str, np.ndarray]] = []
    features: dict[str, list[np.ndarray]] = {name: [] for name in bench.judges.features}
    for rows in bench.chunks():
        (real, attrs), mask = bench.source.load(rows), mask_set.of(rows)
        kept = completions(subject, rows, real, mask, attrs)
        part = per_image(kept, real, mask)
        for name, of in bench.judges.features.items():
            features[name].append(of(kept))
        bench.tick(len(real))
        for suffix, classifier in classifiers.items():
            shows, in_photo = classifier.logits(kept) > 0, bench.real_shows[suffix][rows.start : rows.stop]
            for at, (name, i) in enumerate(judged.items()):
                agrees = (shows[:, at] == (attrs[:, i] == 1)).astype(np.float64)
                part[f"attribute_kept_{suffix}/{name}"] = agrees
                part[f"unflipped_change_{suffix}/{name}"] = (shows[:, at] != in_photo[:, at]).astype(np.float64)
                if edits == "ignored":  # the same face whatever is wanted
                    part[f"attribute_flipped_{suffix}/{name}"] = 1 - agrees
        for at, (name, i) in enumerate(judged.items() if edits == "flipped" else ()):
            wanted = flipped(attrs, i)
            completed = completions(subject, rows, real, mask, wanted)
            for suffix, classifier in classifiers.items():
                agrees = (classifier.logits(completed)[:, at] > 0) == (wanted[:, i] == 1)
                part[f"attribute_flipped_{suffix}/{name}"] = agrees.astype(np.float64)
            part[f"flip_change/{name}"] = PIXEL["l1_hole"](completed, kept, mask)
            bench.tick(len(real))
        parts.append(part)
    joined = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    return Measured(joined, {name: np.concatenate(x) for name, x in features.items()})


def flipped(attrs: HostAttrs, i: int) -> HostAttrs:
    """The labels with the opposite of attribute `i`."""
    wanted = attrs.copy()
    wanted[:, i] = 1 - wanted[:, i]
    return wanted


def summary(values: Float[np.ndarray, " n"]) -> dict[str, float | int | None]:
    """Mean and standard deviation (of the images, not of the mean) of the values that are numbers, and their count."""
    there = values[np.isfinite(values)]
    if not len(there):
        return {"mean": None, "std": None, "n": 0}
    return {"mean": float(there.mean()), "std": float(there.std()), "n": len(there)}


def figures(bench: Bench, measured: Measured, skipped: dict[str, str] | None = None) -> Figures:
    """Every figure of a subject, with means over attributes (`attribute_kept_alex/mean` ...) and distribution metrics.

    A metric that has too few images is left out, with the reason in `skipped`.
    """
    found: Figures = {name: summary(values) for name, values in measured.per_image.items()}
    for kind in dict.fromkeys(name.split("/")[0] for name in measured.per_image if "/" in name):
        columns = [values for name, values in measured.per_image.items() if name.startswith(f"{kind}/")]
        found[f"{kind}/mean"] = summary(np.mean(columns, axis=0))
    for suffix, features in measured.features.items():
        found |= distribution_figures(bench.real_features[suffix], features, suffix, skipped)
    return found


def distribution_figures(
    real: Float32[np.ndarray, "n d"],
    fake: Float32[np.ndarray, "m d"],
    suffix: str,
    skipped: dict[str, str] | None = None,
    paired: bool = True,
) -> Figures:
    """Frechet distance and its like of two sets of features. They are one number of a whole set: no deviation.

    paired: row i of both belongs to the same photo.
    """
    try:
        found = distribution.all_figures(real, fake, suffix, paired)
    except UserError as error:
        if skipped is not None:
            between = "" if paired else " between halves of the photos"
            skipped[f"distribution metrics ({suffix or 'inception'}){between}"] = str(error)
        return {}
    return {name: {"mean": value, "std": None, "n": len(fake)} for name, value in found.items()}


def by_hole_area(measured: Measured, mask_set: MaskSet) -> dict[str, Figures]:
    """The figures of single images, by the share of the image that is hole."""
    labels = np.array(mask_set.bins)
    return {
        label: {name: summary(values[labels == label]) for name, values in measured.per_image.items()}
        for label in sorted(set(labels))
    }


def in_training(predict: Predict, source: Source, mask_sets: Sequence[MaskSet], batch: int = 16) -> dict[str, float]:
    """Figures of held-out photos while training: `MASKS/METRIC` of every metric that needs no classifier, means.

    Below 16 px, where SSIM and LPIPS are not defined, nothing.
    """
    found: dict[str, float] = {}
    if source.resolution_px < vgg16.SMALLEST_PX:
        return found
    for mask_set in mask_sets:
        bench = Bench(source, mask_set.count)
        for name, figure in figures(bench, measure(bench, network(predict, batch), mask_set)).items():
            if figure["mean"] is not None:
                found[f"{mask_set.name}/{name}"] = float(figure["mean"])
    return found
