"""A folder of the user's own photos, with an optional attribute table."""

from pathlib import Path

import numpy as np

from fec_jax.data.attributes import AttributeTable, read_table
from fec_jax.data.builders.listing import Listing, existing_folder, hash_split, join, photos_in
from fec_jax.types import UserError

UNSTATED_LICENSE = "not stated"


def list_folder(src: Path | str, attributes: Path | str | None = None, license: str = UNSTATED_LICENSE) -> Listing:
    """Lists the photos (PNG, JPEG, WEBP) in `src/images`, or in `src` itself when there is no such folder.

    attributes   the table: CSV or CelebA's format (`attributes.read_table`). Default: `src/attributes.csv`, and no
                 labels at all when that does not exist.

    A table without a `split` column is split by `listing.hash_split`. Raises `UserError` for a folder without photos, a
    bad table, or a table that fits none of the photos.
    """
    root = existing_folder(src, "the photo folder")
    folder = root / "images" if (root / "images").is_dir() else root
    found = photos_in(folder)
    if not found:
        raise UserError(f"no PNG, JPEG or WEBP photos in {folder}")
    if attributes is None and (root / "attributes.csv").is_file():
        attributes = root / "attributes.csv"
    if attributes is None:
        table = AttributeTable((), tuple(found), np.zeros((len(found), 0), np.uint8))
    else:
        table = read_table(attributes)
    splits = table.splits or tuple(hash_split(name) for name in table.ids)
    photos, unlabelled, absent = join(found, table, splits)
    if not photos:
        raise UserError(
            f"none of the {len(table.ids)} ids in {attributes} (first: {table.ids[0]}) is a photo in {folder} "
            f"(first: {next(iter(found.values())).name})"
        )
    return Listing(
        kind="folder",
        photos=photos,
        attribute_names=table.names,
        description=f"Photos from a folder ({root.resolve().name}).",
        license=license,
        unlabelled=unlabelled,
        absent_photos=absent,
    )
