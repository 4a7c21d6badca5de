"""`configs/hq1024.py` from photos to report, on any machine: every step that a real run has, at the narrowest width.

python experiments/narrow/narrow.py runs/narrow

Draws faces of 1024 px with attributes, prepares them, trains every phase and fade (16 images each) with checkpoint,
grid and figures, exports weights, completes a photo, measures the held-out ones. Writes the seconds of every phase to
OUT/table.md. `--px 64` ends earlier. A training that was stopped goes on.
"""

import argparse
import csv
import json
import os
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from fec_jax.data.synthetic.source import ATTRIBUTES, SyntheticFaces

ROOT = Path(__file__).resolve().parents[2]
FEC, TRAIN = [Path(sys.executable).with_name("fec")], [sys.executable, "-m", "fec_jax.main"]
SPLITS = {"train": 80, "validation": 4, "test": 8}


def draw(folder: Path, px: int) -> None:
    """Faces as PNG files, and attributes.csv with their labels and splits."""
    (folder / "images").mkdir(parents=True, exist_ok=True)
    splits = [split for split, count in SPLITS.items() for _ in range(count)]
    faces = SyntheticFaces(len(splits), px)
    with (folder / "attributes.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["image_id", "split", *ATTRIBUTES])
        for i, split in enumerate(splits):
            photo, labels = faces.load([i])
            Image.fromarray(photo[0]).save(folder / "images" / f"{i:02d}.png")
            table.writerow([f"{i:02d}", split, *labels[0]])


def centre(path: Path, px: int) -> None:
    """A mask: the centre square."""
    hole = np.zeros((px, px), np.uint8)
    hole[px // 4 : -px // 4, px // 4 : -px // 4] = 255
    Image.fromarray(hole).save(path)


def run(program: Sequence[object], *words: object) -> None:
    """Prints and runs a command of this project."""
    command = [str(word) for word in (*program, *words)]
    print("$", shlex.join([Path(command[0]).name, *command[1:]]), flush=True)
    subprocess.run(command, cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}, check=True)


def table(workdir: Path) -> str:
    """Seconds per image at the end of every phase, and the most memory so far, as the run logged them."""
    lines = map(json.loads, (workdir / "metrics.jsonl").read_text().splitlines())
    last = {line["phase"]: line for line in lines if "images_per_s" in line}
    rows = ["| phase | images seen | s per image | memory, MiB |", "|---|---|---|---|"]
    for phase, line in last.items():
        rows.append(f"| {phase} | {line['nimg']} | {1 / line['images_per_s']:.2f} | {line['memory_mib']:.0f} |")
    return "\n".join(rows) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--px", type=int, default=1024, help="final resolution (default: 1024)")
    args = parser.parse_args()
    out, px = args.out.resolve(), args.px
    workdir, weights, data = out / "run", out / "weights.safetensors", out / "data"
    if not (out / "drawn").exists():
        draw(out / "faces", px)
        centre(out / "mask.png", px)
        (out / "drawn").touch()
    run(FEC, "prepare", "folder", out / "faces", "--resolution", px, "--out", data)
    config = f"--config=experiments/narrow/narrow_config.py:{px}"
    run(TRAIN, config, f"--workdir={workdir}", f"--config.data.path={data}")
    run(FEC, "export", "weights", workdir, "--out", weights, "--force")
    photo = out / "faces/images" / f"{sum(SPLITS.values()) - 1:02d}.png"
    hole = ["--mask", out / "mask.png", "--align", "off", "--set", "Smiling=1"]
    run(FEC, "complete", photo, *hole, "--weights", weights, "--out", out / "completed.png", "--force")
    measured = ["--data", data, "--masks", "center", "--no-controls", "--out", out / "report", "--force"]
    run(FEC, "evaluate", "--weights", weights, *measured)
    (out / "table.md").write_text(table(workdir))
    report = json.loads((out / "report/report.json").read_text())
    print((out / "table.md").read_text())
    print(f"done: {out / 'completed.png'}, report of {len(report)} parts in {out / 'report'}")


if __name__ == "__main__":
    main()
