"""CelebA-HQ with its 40 attributes, from the CelebAMask-HQ folder, split so that nobody is in two splits."""

from pathlib import Path

from fec_jax.data.attributes import correct_celeba_hq, read_mapping, read_partition, read_table
from fec_jax.data.builders.listing import Listing, join
from fec_jax.data.builders.scan import existing_folder, photos_in
from fec_jax.types import UserError

IMAGES = "CelebA-HQ-img"
TABLE = "CelebAMask-HQ-attribute-anno.txt"
MAPPING = "CelebA-HQ-to-CelebA-mapping.txt"
PARTITION = "list_eval_partition.txt"
WHOLE = 30_000
COUNTS = {"train": 24_183, "validation": 2_993, "test": 2_824}


def list_celebamask_hq(src: Path | str, partition: Path | str | None = None) -> Listing:
    """Lists the CelebAMask-HQ folder: `CelebA-HQ-img/{0..29999}.jpg`, the attribute table and the mapping to CelebA.

    partition   CelebA's `list_eval_partition.txt`; default: the file of that name in `src`. CelebA puts every person
                into one split, so the split of the original photo keeps identities apart: 24,183 / 2,993 / 2,824.

    The labels of `Male` that are known to be wrong are corrected (`attributes.CELEBA_HQ_WRONG_MALE`). Raises
    `UserError` for a missing file, a photo whose original has no split, or a partition that gives other counts for
    all 30,000.
    """
    root = existing_folder(src, "the CelebAMask-HQ folder")
    for name in (IMAGES, TABLE, MAPPING):
        if not (root / name).exists():
            raise UserError(f"{root} has no {name}: is it the unpacked CelebAMask-HQ folder?")
    partition_path = Path(partition) if partition is not None else root / PARTITION
    if not partition_path.is_file():
        raise UserError(
            f"{partition_path} does not exist: copy {PARTITION} there from CelebA's download (folder Eval), "
            "it keeps the people of train and test apart"
        )
    table = correct_celeba_hq(read_table(root / TABLE))
    mapping, by_original = read_mapping(root / MAPPING), read_partition(partition_path)
    unmapped = next((name for name in table.ids if name not in mapping), None)
    if unmapped is not None:
        raise UserError(f"{root / MAPPING} has no row for image {unmapped}, which {TABLE} labels")
    unsplit = next((mapping[name] for name in table.ids if mapping[name] not in by_original), None)
    if unsplit is not None:
        raise UserError(f"{partition_path} has no row for {unsplit}.jpg, an original of CelebA-HQ")
    splits = [by_original[mapping[name]] for name in table.ids]
    if len(splits) == WHOLE:
        counts = {split: splits.count(split) for split in COUNTS}
        if counts != COUNTS:
            raise UserError(
                f"{partition_path} splits CelebA-HQ into {counts} instead of {COUNTS}: not CelebA's own file?"
            )
    listing = join(
        photos_in(root / IMAGES),
        table,
        splits,
        kind="celebamask_hq",
        description="CelebA-HQ with the 40 attributes of CelebAMask-HQ and CelebA's split (identities apart).",
        license="CelebAMask-HQ: non-commercial research and education only",
        homepage="https://github.com/switchablenorms/CelebAMask-HQ",
        citation="Lee, Liu, Wu, Luo. MaskGAN: Towards Diverse and Interactive Facial Image Manipulation. CVPR 2020.",
    )
    if not listing.photos:
        raise UserError(f"{root / IMAGES} has none of the images that {TABLE} labels (0.jpg, 1.jpg, ...)")
    return listing
