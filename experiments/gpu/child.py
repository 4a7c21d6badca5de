"""One row, in a process of its own: prints its figures as JSON, a line whenever there are more. See `measure.py`.

python -m experiments.gpu.child '{"what": "completion", ...}'

Ends when its standard input does: with the process that started it.
"""

import json
import os
import sys
import threading
from collections.abc import Iterator
from typing import Any


def card() -> Iterator[dict[str, Any]]:
    """What JAX computes on here."""
    import jax

    yield {"platform": jax.default_backend(), "card": jax.devices()[0].device_kind}


def figures(asked: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """asked: a row's key, `seconds` to measure for, and whether there is a `gpu`; or just `what`: "card"."""
    if asked["what"] == "card":
        return card()
    args = [asked[name] for name in ("what", "name", "resolution", "batch", "dtype", "seconds")]
    if asked["side"] in ("ours", "reference", "operations"):
        from experiments.gpu import ours

        return ours.measure(*args, side=asked["side"])
    from experiments.gpu import theirs

    return theirs.measure(*args, side=asked["side"], gpu=asked["gpu"])


def end_with_parent() -> None:
    while os.read(0, 1):
        pass
    os._exit(1)


def main() -> None:
    threading.Thread(target=end_with_parent, daemon=True).start()
    so_far: dict[str, Any] = {}
    for more in figures(json.loads(sys.argv[1])):
        so_far |= more
        print(json.dumps(so_far), flush=True)


if __name__ == "__main__":
    main()
