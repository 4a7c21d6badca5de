"""Faces turned, scaled and placed on a canvas, completed there and as the aligned crops that they were made from.

python experiments/alignment/placed.py DATA [--count 100] [--split test] [--seed 0] [--weights FILE]
    [--measure-at PX] [--out FILE]

DATA is a folder with images/, attributes.csv and provenance.csv (columns image_id, split, px). Every photo, the 512 px
ones first, is turned by up to 25 degrees, scaled by 0.3 to 2 and placed on a canvas of 1,500 px, over another photo
that is blurred. The hole is the centre square of the aligned crop, where that lies on the canvas. Both completions get
the photo's own attributes; the one on the canvas is mapped back by the true transform. PSNR of the hole and LPIPS are
those at the network's size, or at `--measure-at`, to which everything is pooled.
"""

import argparse
import csv
import json
import platform
import time
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from fec_jax.complete import align
from fec_jax.complete.completer import Completer
from fec_jax.complete.opencv import cv2
from fec_jax.complete.photos import Photo
from fec_jax.metrics import perceptual, pixel
from fec_jax.types import UserError
from fec_jax.weights.load import weights_from

CANVAS_PX = 1500
MOST_DEGREES, SCALES = 25.0, (0.3, 2.0)


def listed(data: Path, split: str, count: int) -> list[dict[str, str]]:
    """Rows of `attributes.csv` of one split, with `px`; the largest photos first."""
    with (data / "provenance.csv").open() as file:
        px = {row["image_id"]: row["px"] for row in csv.DictReader(file)}
    with (data / "attributes.csv").open() as file:
        rows = [{**row, "px": px[row["image_id"]]} for row in csv.DictReader(file) if row["split"] == split]
    return sorted(rows, key=lambda row: (-int(row["px"]), row["image_id"]))[:count]


def read(data: Path, row: dict[str, str]) -> np.ndarray:
    with Image.open(data / "images" / f"{row['image_id']}.jpg") as image:
        return np.asarray(image.convert("RGB"))


def canvas(photo: np.ndarray, behind: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, align.Square, float]:
    """The picture, where the photo's square lies in it, and the scale."""
    scale = float(np.exp(rng.uniform(*np.log(SCALES))))
    side, turn = len(photo) * scale, np.radians(rng.uniform(-MOST_DEGREES, MOST_DEGREES))
    reach = min(side / 2 * (abs(np.cos(turn)) + abs(np.sin(turn))), CANVAS_PX / 2)
    centre = rng.uniform(reach, CANVAS_PX - reach, 2)
    matrix = side * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    square = align.Square(np.column_stack([matrix, centre - matrix @ (0.5, 0.5)]))
    small = cv2().GaussianBlur(cv2().resize(behind, (256, 256), interpolation=cv2().INTER_AREA), (0, 0), 5)
    sheet = cv2().resize(small, (CANVAS_PX, CANVAS_PX), interpolation=cv2().INTER_CUBIC)
    if scale < 1:
        photo = cv2().resize(photo, (round(side), round(side)), interpolation=cv2().INTER_AREA)
    k = len(photo)
    to_pixels = np.column_stack([matrix / k, square.matrix[:, 2] + (matrix / k) @ (0.5, 0.5) - 0.5])
    placed = cv2().warpAffine(
        photo, to_pixels, (CANVAS_PX, CANVAS_PX), flags=cv2().INTER_CUBIC, borderMode=cv2().BORDER_REPLICATE
    )
    everywhere = slice(0, CANVAS_PX)
    return np.where(square.covers(everywhere, everywhere)[..., None], placed, sheet), square, scale


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--split", default="test")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--measure-at", type=int, metavar="PX")
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    completer, rng = Completer(weights_from(args.weights)), np.random.default_rng(args.seed)
    r, rows = args.measure_at or completer.resolution_px, listed(args.data, args.split, args.count)
    everywhere = slice(0, CANVAS_PX)
    real, back, aligned, placed, moved, missed, changed_8, changed_16, seconds = [], [], [], [], [], [], 0, 0, []
    for i, row in enumerate(rows):
        photo, behind = read(args.data, row), read(args.data, rows[(i + 7) % len(rows)])
        attrs = {name: int(row[name]) for name in completer.attribute_names}
        crop_hole = np.zeros(photo.shape[:2], bool)
        quarter = len(photo) // 4
        crop_hole[quarter:-quarter, quarter:-quarter] = True
        picture, square, scale = canvas(photo, behind, rng)
        u, v = square.coordinates(everywhere, everywhere)
        hole = (np.abs(u - 0.5) < 0.25) & (np.abs(v - 0.5) < 0.25)
        start = time.perf_counter()
        try:
            result = completer.complete(picture, hole, attrs)
        except UserError as e:
            missed.append({"image": row["image_id"], "scale": round(scale, 3), "error": str(e)})
            continue
        seconds.append(time.perf_counter() - start)
        eyes = np.array([[0.38, 0.45], [0.62, 0.45]])
        off = np.hypot(*(square.to_crop(result.square.to_photo(eyes)) - eyes).T).max()
        if off > 0.12:  # half the eye distance: another face, or none
            missed.append({"image": row["image_id"], "scale": round(scale, 3), "eyes_off": round(float(off), 3)})
        changed_8 += int((result.completed != picture)[~hole].sum())
        deep = (picture[..., :1].astype(np.uint16) << 8) | rng.integers(0, 256, (*picture.shape[:2], 1), np.uint16)
        filled = Photo(deep, picture).replaced(result.completed, hole)
        changed_16 += int((filled.pixels != deep)[~hole].sum())
        whole = align.whole(slice(0, len(photo)), slice(0, len(photo)))
        real.append(align.cut_out(photo, whole, r))
        flat = completer.complete(photo, crop_hole, attrs, align="off").completed
        aligned.append(align.cut_out(flat, whole, r))
        back.append(align.cut_out(picture, square, r))
        placed.append(align.cut_out(result.completed, square, r))
        moved.append((result.square.side_px / square.side_px, result.square.degrees - square.degrees, off))
    real, back, aligned, placed = (np.array(x) for x in (real, back, aligned, placed))
    mask = np.zeros((len(real), r, r, 1), np.float32)
    mask[:, r // 4 : -r // 4, r // 4 : -r // 4] = 1
    sides, degrees, off = np.array(moved).T
    figures = {
        "photos": len(rows),
        "found": len(rows) - len(missed),
        "missed": missed,
        "psnr_hole_aligned": float(pixel.host_psnr(aligned, real, mask).mean()),
        "psnr_hole_placed": float(pixel.host_psnr(placed, real, mask).mean()),
        "lpips_aligned": float(perceptual.lpips(aligned, real).mean()),
        "lpips_placed": float(perceptual.lpips(placed, real).mean()),
        "against_the_canvas_mapped_back": {
            "psnr_hole": float(pixel.host_psnr(placed, back, mask).mean()),
            "lpips": float(perceptual.lpips(placed, back).mean()),
        },
        "values_changed_outside_8_bit": changed_8,
        "values_changed_outside_16_bit": changed_16,
        "side_error": {"mean": float(sides.mean() - 1), "std": float(sides.std())},
        "degrees_error": {"mean": float(degrees.mean()), "std": float(degrees.std())},
        "eyes_off_side_shares": {"median": float(np.median(off)), "largest": float(off.max())},
        "seconds_per_photo": {"median": float(np.median(seconds)), "first": seconds[0]},
    }
    report = {
        "command": f"placed.py --count {args.count} --split {args.split} --seed {args.seed} --measure-at {r}",
        "weights": str(args.weights or "shipped"),
        "machine": f"{platform.machine()}, Python {platform.python_version()}",
        **figures,
    }
    publish(report, args.out)


def publish(report: dict[str, Any], out: Path | None) -> None:
    """Prints a report as JSON, and writes it to `out` if there is one."""
    text = json.dumps(report, indent=2)
    print(text)
    if out:
        out.write_text(text + "\n")


if __name__ == "__main__":
    main()
