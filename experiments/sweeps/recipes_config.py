"""`hq1024` and `hq1024_paper` at a sixteenth of the width, to 32 or 64 px, on synthetic faces.

The runs of `recipes32.py` and `recipes64.py`.
Only size, length, data and what follows from them change; see `reduced`.
"""

import math
from typing import Any

from ml_collections import ConfigDict

from configs import hq1024, hq1024_paper

NARROWER = 16
KIMG = {8: (0, 3), 16: (1, 4), 32: (1, 6), 64: (1, 6)}
"""Thousands of images of fade and stable phase."""
BATCH = 16


def get_config(which: str) -> Any:
    """which: `paper32`, `paper64`, `recommended32` or `recommended64`."""
    configs = {"paper": hq1024_paper, "recommended": hq1024}
    return reduced(configs[which[:-2]].get_config(), int(which[-2:]), rates_for_width=which.startswith("recommended"))


def reduced(config: Any, resolution_px: int, rates_for_width: bool) -> Any:
    """The config at small size. rates_for_width: its learning rates are shares of a kernel's standard deviation, which
    grows as kernels have fewer channels (`hq1024.LR`).
    """
    full = config.schedule
    config.resolution_px = resolution_px
    config.schedule, config.batch = ConfigDict(), ConfigDict()
    for px, (fade, stable) in KIMG.items():
        if px <= resolution_px:
            row = config.schedule[f"px{px}"] = full[f"px{px}"]
            row.fade_kimg, row.stable_kimg = float(fade), float(stable)
            if rates_for_width:
                row.lr *= math.sqrt(NARROWER)
            row.lr_end = row.lr / 10 if px == resolution_px else row.lr
            config.batch[f"px{px}"] = BATCH
    for network in (config.generator, config.discriminator):
        network.base //= NARROWER
        network.cap //= NARROWER
    config.generator.latent //= NARROWER
    config.attributes = ()
    config.data.kind, config.data.path, config.data.threads = "drawn", "", 2
    config.data.train_size = 1024
    config.dtype = "float32"
    config.remat_min_px = 0
    config.lr_warmup_kimg = 0.1
    config.ema.halflife_kimg = 2.0
    config.every.update({"log_kimg": 1.0, "checkpoint_kimg": 8.0, "grid_kimg": 0.0, "eval_kimg": 0.0})
    config.eval_images = 16
    return config
