"""`configs/hq1024.py` at the narrowest width there is, with some dozens of images per phase: `narrow.py` trains it.

--config=experiments/narrow/narrow_config.py:1024 (or a smaller final resolution)
"""

from typing import Any

from configs.hq1024 import get_config as hq1024
from configs.hq1024 import grown_to

BATCH, STEPS = 2, 8
"""Images per step, and steps of every fade and of every stable phase."""


def get_config(resolution_px: str = "1024") -> Any:
    config: Any = grown_to(hq1024(), int(resolution_px))
    config.attributes = ()
    config.data.threads = 2
    for name, row in config.schedule.items():
        row.fade_kimg = STEPS * BATCH / 1000 if name != "px4" else 0.0
        row.stable_kimg = STEPS * BATCH / 1000
        config.batch[name] = BATCH
    config.lr_warmup_kimg = 0.004
    config.generator.update({"base": 1024, "cap": 16, "latent": 16})  # 1 channel at 1024 px
    config.discriminator.update({"base": 1024, "cap": 16})
    config.dtype = "float32"
    config.ema.halflife_kimg = 0.02
    config.every.update({"log_kimg": 0.008, "checkpoint_kimg": 0.0, "grid_kimg": 0.0, "eval_kimg": 0.0})
    config.keep_checkpoints = 1
    config.grid_images, config.eval_images = 2, 4
    return config
