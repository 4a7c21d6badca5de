"""What an evaluation was of: everything that changes its figures, in one block with a hash over it.

Two reports may be compared only if their hashes agree. Not in it, but beside it in a report: the weights, which are
what is compared, whatever the size of their images (`measured_at_px` is that of what was measured); the software's
versions; the data's name, for the same photos may lie in a folder of another name.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from flax.traverse_util import flatten_dict

from fec_jax.data.held import Hashed
from fec_jax.data.source import Source, fitted_count
from fec_jax.masks.sets import MaskSet

VERSION = 3
"""Of the way figures are computed. Raised whenever any of them would come out differently."""


def describe(
    train: Source,
    test: Source,
    split: str,
    count: int,
    mask_sets: Sequence[MaskSet],
    features: Mapping[str, Mapping[str, Any]],
) -> dict[str, Any]:
    """The protocol block.

    train     what classifier and baselines were fitted on
    count     how many photos of `test` were used, from the first
    features  of each network whose features were measured, its "sha256" and the "size" of its features
    """
    facts = {
        "version": VERSION,
        "data": {
            "split": split,
            "photos": count,
            "sha256": fingerprint(test, count),
            "fitted_on_photos": fitted_count(train),
            "fitted_on_sha256": fingerprint(train, fitted_count(train)),
        },
        "attributes": list(test.attribute_names),
        "measured_at_px": test.resolution_px,
        "masks": {masks.name: {"version": masks.version, "sha256": masks.sha256} for masks in mask_sets},
        "resize": "photos as `fec prepare` averaged them to this size, masks drawn for it; larger completions, under "
        "these masks enlarged, averaged to it",
        "codec": "none: 8-bit RGB, the hole pasted into the photo",
        "features": {name: dict(facts) for name, facts in features.items()},
    }
    return {**facts, "hash": digest(facts)}


def digest(facts: Mapping[str, Any]) -> str:
    """SHA-256 of the block without its `hash`, as JSON with sorted keys."""
    plain = {name: value for name, value in facts.items() if name != "hash"}
    return hashlib.sha256(json.dumps(plain, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def differences(a: Mapping[str, Any], b: Mapping[str, Any]) -> list[str]:
    """The entries in which two blocks differ, by dotted name."""
    flat_a, flat_b = (flatten_dict({**block, "hash": None}, sep=".") for block in (a, b))
    return [name for name in sorted(flat_a.keys() | flat_b.keys()) if flat_a.get(name) != flat_b.get(name)]


def fingerprint(source: Source, count: int) -> str:
    """SHA-256 over the SHA-256 of each of the first `count` photos, in order: of its pixels, then its labels."""
    hashed = source if isinstance(source, Hashed) else Hashed(source)
    return hashlib.sha256(b"".join(hashed.digests(count))).hexdigest()
