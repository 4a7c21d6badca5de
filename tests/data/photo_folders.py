"""Tiny photo folders, drawn for the tests of the data side."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from fec_jax.data.attributes import CELEBA


def picture(number: int, width: int = 32, height: int | None = None) -> Image.Image:
    """A smooth picture that differs for every number."""
    rng = np.random.default_rng(number)
    small = rng.integers(0, 256, (4, 4, 3), np.uint8)
    return Image.fromarray(small).resize((width, height or width), Image.Resampling.BILINEAR)


def write_photos(folder: Path, names: Sequence[str], width: int = 32, height: int | None = None) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(names):
        picture(number, width, height).save(folder / name)


def photo_folder(root: Path, count: int = 20, attributes: Sequence[str] = ("Male", "Bald")) -> Path:
    """`count` PNG photos p00.png, ... in root/images; every fourth is for test; label a of photo i is bit a of i."""
    write_photos(root / "images", [f"p{i:02d}.png" for i in range(count)])
    rows = [
        ",".join([f"p{i:02d}", "test" if i % 4 == 3 else "train", *(str(i >> a & 1) for a in range(len(attributes)))])
        for i in range(count)
    ]
    (root / "attributes.csv").write_text("\n".join([",".join(["image_id", "split", *attributes]), *rows]) + "\n")
    return root


def truncate(path: Path) -> None:
    """Cuts a file in the middle, as an interrupted download does."""
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def celeba_table(names: Sequence[str], gap: str = " ") -> str:
    """A table in CelebA's format: attribute a of row i is set when (i + a) is a multiple of 3."""
    rows = [name + gap + gap.join("1" if (i + a) % 3 == 0 else "-1" for a in range(40)) for i, name in enumerate(names)]
    return "\n".join([str(len(names)), " ".join(CELEBA), *rows]) + "\n"
