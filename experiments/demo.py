"""The end of `make demo`: completes a held-out synthetic face with the command line, and shows it.

python experiments/demo.py runs/quickstart

WORKDIR is that of a run on synthetic faces, with its `weights.safetensors`. Writes WORKDIR/demo/: photo.png, mask.png
(eyes, nose and mouth), a completion for each row of `EDITS`, and all of them side by side in demo.png.
"""

import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from fec_jax.data.synthetic.source import ATTRIBUTES, SyntheticFaces
from fec_jax.train.writers import write_grid

PHOTO_PX = 64  # twice the network's resolution, which limits the detail of the hole
EDITS = {
    "smile": {"Smiling": 1, "Eyeglasses": 0},
    "no_smile": {"Smiling": 0, "Eyeglasses": 0},
    "glasses": {"Smiling": 0, "Eyeglasses": 1},
}
FEC = Path(sys.executable).with_name("fec")


def write_photo(folder: Path) -> None:
    """Writes photo.png, the first held-out face without smile and glasses, and mask.png, the centre square."""
    labels = SyntheticFaces(64, 4, split="test").load(range(64))[1]
    smiles, glasses = (labels[:, ATTRIBUTES.index(name)] for name in ("Smiling", "Eyeglasses"))
    index = int(np.argmin(smiles | glasses))
    photo = SyntheticFaces(64, PHOTO_PX, split="test").load([index])[0][0]
    hole = np.zeros((PHOTO_PX, PHOTO_PX), np.uint8)
    hole[PHOTO_PX // 4 : -PHOTO_PX // 4, PHOTO_PX // 4 : -PHOTO_PX // 4] = 255
    Image.fromarray(photo).save(folder / "photo.png")
    Image.fromarray(hole).save(folder / "mask.png")


def fec_complete(folder: Path, weights: Path, name: str, attrs: dict[str, int]) -> None:
    """Prints and runs the command `fec complete`."""
    command = ["complete", folder / "photo.png", "--align", "off", "--mask", folder / "mask.png", "--weights", weights]
    for attribute, value in attrs.items():
        command += ["--set", f"{attribute}={value}"]
    command = [str(word) for word in (*command, "--out", folder / f"{name}.png", "--force")]
    print("$", shlex.join(["fec", *command]), flush=True)
    subprocess.run([FEC, *command], check=True)


def side_by_side(folder: Path) -> Path:
    """Writes demo.png: photo, photo with the hole, completions."""
    photo, mask = (np.asarray(Image.open(folder / f"{name}.png")) for name in ("photo", "mask"))
    masked = np.where(mask[..., None] > 0, np.uint8(128), photo)
    completed = [np.asarray(Image.open(folder / f"{name}.png")) for name in EDITS]
    out = folder / "demo.png"
    write_grid(out, np.stack([photo, masked, *completed])[None], ["photo", "hole", *EDITS], tile_px=256)
    return out


def main(workdir: Path) -> None:
    folder, weights = workdir / "demo", workdir / "weights.safetensors"
    folder.mkdir(exist_ok=True)
    write_photo(folder)
    for name, attrs in EDITS.items():
        fec_complete(folder, weights, name, attrs)
    grids = sorted((workdir / "grids").glob("*.png"))
    print(f"\nCompleted photo:  {side_by_side(folder)}")
    if grids:
        print(f"Training, grids:  {workdir}/grids/ ({len(grids)} pictures, the last one is {grids[-1].name})")
    print(f"Training, curves: {workdir}/metrics.jsonl, and TensorBoard events in {workdir}/events/")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python experiments/demo.py WORKDIR")
    main(Path(sys.argv[1]))
