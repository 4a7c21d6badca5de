"""A folder of photos completed by one command, against one command per photo.

python experiments/alignment/folder.py PHOTOS [--count 100] [--out FILE]

PHOTOS is a folder of pictures; the first `--count` by name are used, all of them repeatedly under new names if
there are fewer. Both write PNG files, with the hole `--region face` and the photos' own attributes. Compiled programs
of an earlier call are in JAX's cache folder for both, if there is one.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from placed import publish

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp"}


def fec(*arguments: str) -> float:
    """Seconds that `fec complete` took. Raises CalledProcessError if it failed."""
    start = time.perf_counter()
    command = [str(Path(sys.executable).with_name("fec")), "complete", *arguments]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    found = sorted(path for path in args.photos.iterdir() if path.suffix.lower() in SUFFIXES)
    with tempfile.TemporaryDirectory() as name:
        own, folder, calls = Path(name), Path(name) / "in", Path(name) / "calls"
        folder.mkdir()
        calls.mkdir()
        for i in range(args.count):
            source = found[i % len(found)]
            shutil.copy(source, folder / f"{i:03}{source.suffix.lower()}")
        report: dict[str, Any] = {"cores": os.cpu_count(), "load_before": round(os.getloadavg()[0], 1)}
        together = fec(str(folder), "--region", "face", "--out", str(own / "out"))
        photos = sorted(folder.iterdir())
        apart = [fec(str(path), "--region", "face", "--out", str(calls / f"{path.stem}.png")) for path in photos]
    report |= {"photos": len(photos), "folder_s": round(together, 1), "calls_s": round(sum(apart), 1)}
    publish(report | {"ratio": round(sum(apart) / together, 1)}, args.out)


if __name__ == "__main__":
    main()
