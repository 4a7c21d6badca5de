"""The smallest runs: 4 px only, or grown to 8 px. For `tests/test_sweep.py`."""

from ml_collections import ConfigDict

from configs.common import get_config as common
from configs.common import row


def get_config(last_px: str = "4") -> ConfigDict:
    config = common()
    config.resolution_px = int(last_px)
    config.data.update({"train_size": 16, "test_size": 4})
    config.schedule.px4 = row(0, 0.16, 2e-3)
    config.batch.px4 = 8
    if last_px == "8":
        config.schedule.px8 = row(0.016, 0.016, 1e-3)
        config.batch.px8 = 8
    config.lr_warmup_kimg = 0.0
    config.generator.update({"base": 32, "cap": 8, "latent": 4})
    config.discriminator.update({"base": 32, "cap": 8})
    config.loss.update({"rec": 20.0, "bdy": 10.0})
    config.history.depth = 2
    # Often, so that a test finds time to interrupt.
    config.every.update({"log_kimg": 0.016, "checkpoint_kimg": 0.016, "grid_kimg": 0.0, "eval_kimg": 0.08})
    config.grid_images = 2
    config.eval_images = 4
    return config
