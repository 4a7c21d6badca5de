"""The end of `make demo`: completes a drawn face that the training has not seen, with the command line, and shows it.

python experiments/demo.py runs/quickstart

WORKDIR is that of a run on drawn faces, with its `weights.safetensors`. Writes WORKDIR/demo/: photo.png, mask.png (the
eyes, nose and mouth), one completion per wish of `WISHES`, and all of them side by side in demo.png.
"""

import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from fec_jax.data.synthetic.source import ATTRIBUTES, SyntheticFaces
from fec_jax.train.writers import write_grid

PHOTO_PX = 64  # twice the network's: what a hole is filled with has the detail of the network, whatever the photo has
WISHES = {
    "smile": {"Smiling": 1, "Eyeglasses": 0},
    "no_smile": {"Smiling": 0, "Eyeglasses": 0},
    "glasses": {"Smiling": 0, "Eyeglasses": 1},
}
FEC = Path(sys.executable).with_name("fec")


def draw(folder: Path) -> None:
    """Writes photo.png, the first held-out face without smile and glasses, and mask.png, the centre square."""
    labels = SyntheticFaces(64, 4, split="test").load(range(64))[1]
    smiles, glasses = (labels[:, ATTRIBUTES.index(name)] for name in ("Smiling", "Eyeglasses"))
    index = int(np.argmin(smiles | glasses))
    photo = SyntheticFaces(64, PHOTO_PX, split="test").load([index])[0][0]
    hole = np.zeros((PHOTO_PX, PHOTO_PX), np.uint8)
    hole[PHOTO_PX // 4 : -PHOTO_PX // 4, PHOTO_PX // 4 : -PHOTO_PX // 4] = 255
    Image.fromarray(photo).save(folder / "photo.png")
    Image.fromarray(hole).save(folder / "mask.png")


def fec_complete(folder: Path, weights: Path, name: str, wish: dict[str, int]) -> None:
    """Runs `fec complete`, as one would in a terminal, and prints the command."""
    command = ["complete", folder / "photo.png", "--align", "off", "--mask", folder / "mask.png", "--weights", weights]
    for attribute, value in wish.items():
        command += ["--set", f"{attribute}={value}"]
    command = [str(word) for word in (*command, "--out", folder / f"{name}.png", "--force")]
    print("$", shlex.join(["fec", *command]), flush=True)
    subprocess.run([FEC, *command], check=True)


def side_by_side(folder: Path) -> Path:
    """Writes demo.png: photo, photo with the hole, completions."""
    photo, mask = (np.asarray(Image.open(folder / f"{name}.png")) for name in ("photo", "mask"))
    masked = np.where(mask[..., None] > 0, np.uint8(128), photo)
    completed = [np.asarray(Image.open(folder / f"{name}.png")) for name in WISHES]
    out = folder / "demo.png"
    write_grid(out, np.stack([photo, masked, *completed])[None], ["photo", "hole", *WISHES], tile_px=256)
    return out


def main(workdir: Path) -> None:
    folder, weights = workdir / "demo", workdir / "weights.safetensors"
    folder.mkdir(exist_ok=True)
    draw(folder)
    for name, wish in WISHES.items():
        fec_complete(folder, weights, name, wish)
    grids = sorted((workdir / "grids").glob("*.png"))
    print(f"\nCompleted photo:  {side_by_side(folder)}")
    if grids:
        print(f"Training, grids:  {workdir}/grids/ ({len(grids)} pictures, the last one is {grids[-1].name})")
    print(f"Training, curves: {workdir}/metrics.jsonl, and TensorBoard events in {workdir}/events/")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python experiments/demo.py WORKDIR")
    main(Path(sys.argv[1]))
