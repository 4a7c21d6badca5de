"""A data set that `fec prepare` wrote."""

from collections.abc import Iterator
from pathlib import Path

from fec_jax.data.builders import records
from fec_jax.data.source import open_source, splits_of
from fec_jax.doctor import sets
from fec_jax.doctor.findings import Finding
from fec_jax.io.names import shown
from fec_jax.types import UserError

_TOGETHER = 256


def examine_prepared(root: Path) -> list[Finding]:
    """Opens every resolution and split, and reads all photos of the largest resolution."""
    resolutions = records.resolutions_in(root)
    found = [Finding(f"a data set of {', '.join(map(str, resolutions)) or 'no'} px")]
    if (root / ".partial").is_dir():
        found.append(Finding("a preparation was interrupted", "run the same `fec prepare` again"))
    seen: list[sets.Seen] = []
    names: tuple[str, ...] = ()
    prints = set()
    for px in resolutions:
        metadata = records.read_metadata(root, px) or {}
        prints.add(metadata.get("records_sha256"))
        names = tuple(metadata.get("attribute_names", ()))
        for split in splits_of(root, px):
            try:
                read = list(_read(root, px, split, whole=px == resolutions[-1]))
            except UserError as error:
                found.append(Finding(f"{px} px cannot be read", str(error)))
            else:
                seen += read
        if px == resolutions[-1] and metadata.get("license") in (None, "", "not stated"):
            found.append(Finding("no licence of the photos is stated: weights will not say who may use them"))
    if len(prints) > 1:
        advice = f"delete {shown(root)} and prepare it again"
        found.append(Finding("not all resolutions hold the same photos", advice))
    return found + (sets.examine(seen, names) if seen else [])


def _read(root: Path, px: int, split: str, whole: bool) -> Iterator[sets.Seen]:
    source = open_source(root, px, split)  # reads the first and the last record
    for start in range(0, len(source) if whole else 0, _TOGETHER):
        indices = range(start, min(start + _TOGETHER, len(source)))
        images, attrs = source.load(indices)
        for name, image, row in zip(source.ids(indices), images, attrs, strict=True):
            yield sets.seen(name, split, row.tolist(), image)
