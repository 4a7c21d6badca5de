"""Seconds that `Completer.complete` takes for a photo of 12 megapixels, and where they go.

python experiments/alignment/speed.py [--out FILE]

The photo is scikit-image's astronaut, enlarged so that the face's crop is 350, 1,050 and 2,100 px wide, on a canvas of
4,000 x 3,000 px; the hole is the centre half of the crop. Medians of five after the first. `stages`: the same parts,
called alone.
"""

import argparse
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from placed import publish
from skimage import data

from fec_jax.complete import faces, task
from fec_jax.complete.completer import Completer
from fec_jax.weights.shipped import load_shipped

SIZES = (2, 6, 12)


def median(of: Callable[[], Any], clock: Callable[[], float] = time.perf_counter) -> float:
    seconds = []
    for _ in range(5):
        start = clock()
        of()
        seconds.append(clock() - start)
    return round(statistics.median(seconds), 3)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    completer = Completer(load_shipped())
    attrs = dict.fromkeys(completer.attribute_names, 0)
    report: dict[str, Any] = {"cores": os.cpu_count(), "load_before": round(os.getloadavg()[0], 1), "photos": {}}
    for times in SIZES:
        photo = np.full((3000, 4000, 3), 140, np.uint8)
        large = Image.fromarray(data.astronaut()[:250, 100:350]).resize(
            (250 * times, 250 * times), Image.Resampling.BICUBIC
        )
        photo[: 250 * times, : 250 * times] = np.asarray(large)
        place, _ = completer.locate(photo, "face")
        assert place is not None
        square = place.square
        rows, columns = square.bounds(*photo.shape[:2])
        hole = np.zeros(photo.shape[:2], bool)
        u, v = square.coordinates(rows, columns)
        hole[rows, columns] = (np.abs(u - 0.5) < 0.25) & (np.abs(v - 0.5) < 0.25)
        start = time.perf_counter()
        completer.complete(photo, hole, attrs)
        first = round(time.perf_counter() - start, 3)
        where, _ = completer.locate(photo, hole)
        ready = task.ready(photo, hole, where, completer.resolution_px, attrs, None)
        answer = completer.infer([ready])[0]
        report["photos"][f"crop of {square.side_px:.0f} px"] = {
            "first": first,
            "complete": median(lambda photo=photo, hole=hole: completer.complete(photo, hole, attrs)),
            "complete, processor time of all threads": median(
                lambda photo=photo, hole=hole: completer.complete(photo, hole, attrs), time.process_time
            ),
            "stages": {
                "search": median(lambda photo=photo, hole=hole: faces.find(photo, hole)),
                "search and eyes": median(lambda photo=photo, hole=hole: completer.locate(photo, hole)),
                "to the network": median(
                    lambda photo=photo, hole=hole, where=where: task.ready(
                        photo, hole, where, completer.resolution_px, attrs, None
                    )
                ),
                "networks": median(lambda ready=ready: completer.infer([ready])),
                "back, and the seam": median(lambda ready=ready, answer=answer: task.finish(ready, answer)),
            },
        }
    publish(report, args.out)


if __name__ == "__main__":
    main()
