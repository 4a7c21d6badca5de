"""One side of a comparison, in a process of its own, which runs on request: see `bench.py`.

python -m experiments.bench.side SIDE WHAT WIDTH PX BATCH FOLDER, with SIDE one of ours, contiguous, channels_last.
Ours writes FOLDER/given.pkl, which the others read. Prints one line of JSON when it is ready; then, for every number
N it reads, a line with the seconds of N calls, after one call that is not timed.
"""

import json
import pickle
import sys
import time
from pathlib import Path
from typing import Any


def main() -> None:
    name, what, width, px, batch, folder = sys.argv[1:]
    given = Path(folder) / "given.pkl"
    ready: dict[str, Any] = {}
    if name == "ours":
        from experiments.bench import ours

        side, inputs = getattr(ours, what)(width, int(px), int(batch))
        given.write_bytes(pickle.dumps(inputs))
    else:
        from experiments.bench import theirs

        side = getattr(theirs, what)(pickle.loads(given.read_bytes()), name == "channels_last")
    result = Path(folder) / f"{name}.pkl"
    result.write_bytes(pickle.dumps(side()))
    if name == "contiguous":
        ready["operations"] = theirs.operations(side)
    print(json.dumps(ready), flush=True)
    for line in sys.stdin:
        side()
        seconds = []
        for _ in range(int(line)):
            begun = time.perf_counter()
            side()
            seconds.append(time.perf_counter() - begun)
        print(json.dumps(seconds), flush=True)


if __name__ == "__main__":
    main()
