"""What is examined of every set of labelled photos, whether still a folder or already prepared."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8

from fec_jax.data.attributes import SPLITS
from fec_jax.doctor import duplicates
from fec_jax.doctor.findings import Finding, several

RARE = 0.01


@dataclass(frozen=True)
class Seen:
    """One photo that could be opened: its name, its split, labels 0/1, who it shows ("": not known), its print."""

    name: str
    split: str
    attrs: tuple[int, ...]
    person: str
    mark: duplicates.Print


def examine(photos: Sequence[Seen], attribute_names: Sequence[str]) -> list[Finding]:
    """Counts, labels, duplicates and leaks between splits."""
    return [*_splits(photos), *_labels(photos, attribute_names), *_copies(photos), *_people(photos)]


def _splits(photos: Sequence[Seen]) -> Iterator[Finding]:
    counts = {split: sum(photo.split == split for photo in photos) for split in SPLITS}
    yield Finding(f"{len(photos)} photos: " + ", ".join(f"{count} {split}" for split, count in counts.items()))
    for split, use in (("train", "train on"), ("test", "measure on")):
        if not counts[split]:
            advice = "add photos, or a column split to the table (train, validation, test)"
            yield Finding(f"no photo is in the split {split}: there is nothing to {use}", advice)


def _labels(photos: Sequence[Seen], names: Sequence[str]) -> Iterator[Finding]:
    values = np.array([photo.attrs for photo in photos], np.uint8).reshape(len(photos), len(names))
    in_train = np.array([photo.split == "train" for photo in photos], bool)
    if names and len(photos):
        listed = (f"{n} {int(v.sum())} ({v.mean():.0%})" for n, v in zip(names, values.T, strict=True))
        yield Finding("photos with each attribute: " + ", ".join(listed))
    for name, column in zip(names, values[in_train].T, strict=True):
        if len(column) and column.min() == column.max():
            advice = "label some photos otherwise, or leave it out with `fec prepare --keep`"
            yield Finding(f"{name} is {column[0]} in all photos of train: it cannot be learned", advice)
        elif len(column) and min(column.mean(), 1 - column.mean()) < RARE:
            few = min(int(column.sum()), int((1 - column).sum()))
            advice = "add photos of that kind, or leave it out with `fec prepare --keep`"
            yield Finding(f"{name} has its rarer value in only {few} photos of train", advice)


def _copies(photos: Sequence[Seen]) -> Iterator[Finding]:
    names = [photo.name for photo in photos]
    prints = [photo.mark for photo in photos]
    for what, groups in (("photos with the same pixels", duplicates.same_pixels(prints)),
                         ("photos that look the same", duplicates.alike(prints))):  # fmt: skip
        across = [group for group in groups if len({photos[i].split for i in group}) > 1]
        within = [group for group in groups if len({photos[i].split for i in group}) == 1]
        leak = "keep one of each, or put them into one split; test figures are of photos seen in training"
        yield from several(f"times {what}, in different splits", duplicates.named(across, names), leak)
        yield from several(f"times {what}", duplicates.named(within, names), "keep one of each")


def _people(photos: Sequence[Seen]) -> Iterator[Finding]:
    splits: dict[str, set[str]] = {}
    for photo in photos:
        if photo.person:
            splits.setdefault(photo.person, set()).add(photo.split)
    yield from several(
        "people are in more than one split",
        sorted(person for person, found in splits.items() if len(found) > 1),
        "leave the split column out, and `fec prepare` keeps a person's photos together",
    )


def seen(name: str, split: str, attrs: Sequence[int], pixels: UInt8[np.ndarray, "h w 3"], person: str = "") -> Seen:
    """A photo with its print."""
    return Seen(name, split, tuple(attrs), person, duplicates.print_of(pixels))
