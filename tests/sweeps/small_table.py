"""Two rows, two seeds. For `tests/test_sweep.py`."""

import json
from pathlib import Path

CONFIG = "tests/sweeps/small_config.py"
SEEDS = (0, 1)
ROWS = {
    "plain": {},
    "grown without history": {"config": f"{CONFIG}:8", "history.share": 0.0},
}
FIGURES = {"psnr_hole_center": ("hole PSNR, dB", 2), "letters": ("letters in config.json", 0)}


def measure(workdir: Path, out: Path) -> dict[str, float]:
    assert workdir.is_relative_to(out)
    return {"letters": len(json.dumps(json.loads((workdir / "config.json").read_text())))}
