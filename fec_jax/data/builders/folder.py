"""A folder of the user's own photos, with an optional attribute table."""

from pathlib import Path

import numpy as np

from fec_jax.data.attributes import AttributeTable, read_table
from fec_jax.data.builders.listing import Listing, hash_splits, join
from fec_jax.data.builders.scan import Found, existing_folder, photos_in
from fec_jax.io.formats import SUFFIXES
from fec_jax.io.names import shown
from fec_jax.types import UserError

UNSTATED_LICENSE = "not stated"
TABLE = "attributes.csv"


def list_folder(src: Path | str, attributes: Path | str | None = None, license: str = UNSTATED_LICENSE) -> Listing:
    """Lists the photos in `src/images`, or in `src` itself when there is no such folder.

    attributes   the table: CSV or CelebA's format (`attributes.read_table`). Default: `src/attributes.csv`, and no
                 labels at all when that does not exist.

    A table without a `split` column is split by `listing.hash_split`; with a `person` column by person. Raises
    `UserError` for a folder without photos, a bad table, or a table that fits none of the photos.
    """
    root = existing_folder(src, "the photo folder")
    if attributes is None and (root / TABLE).is_file():
        attributes = root / TABLE
    folder, found = _look(root, () if attributes is None else (Path(attributes).name,))
    if not found.photos:
        others = f"; {len(found.skipped)} other entries, such as {found.skipped[0][0]}" if found.skipped else ""
        raise UserError(f"no photos ({', '.join(SUFFIXES)}) in {shown(folder)}{others}: give the folder they lie in")
    if attributes is None:
        table = AttributeTable((), tuple(found.photos), np.zeros((len(found.photos), 0), np.uint8))
    else:
        table = read_table(attributes)
    description = f"Photos from a folder ({shown(root.resolve().name)})."
    splits = table.splits or hash_splits(table)
    listing = join(found, table, splits, kind="folder", description=description, license=license)
    if not listing.photos:
        raise UserError(
            f"none of the {len(table.ids)} ids in {attributes} (first: {table.ids[0]}) is a photo in {shown(folder)} "
            f"(first: {shown(next(iter(found.photos.values())).name)})"
        )
    return listing


def _look(root: Path, known: tuple[str, ...]) -> tuple[Path, Found]:
    if not (root / "images").is_dir():
        return root, photos_in(root, known)
    found, beside = photos_in(root / "images", known), photos_in(root, ("images", *known))
    unread = tuple(
        (shown(path.name), "beside images/: only photos in that folder are read") for path in beside.photos.values()
    )
    return root / "images", Found(found.photos, found.skipped + unread)
