"""A run for tests with several processes: 4 and 8 px, the history, and as little to compile as can be.

python -m fec_jax.main --config=tests/hosts_config.py --workdir=DIR
"""

from ml_collections import ConfigDict

from configs.common import row
from tests import tiny_config


def get_config() -> ConfigDict:
    config = tiny_config.get_config()
    config.resolution_px = 8
    config.attributes = ("Smiling", "Eyeglasses")
    for px in (4, 8, 16):
        del config.schedule[f"px{px}"], config.batch[f"px{px}"]
    config.schedule.px4 = row(0, 0.032, 2e-3)
    config.schedule.px8 = row(0.032, 0.032, 2e-3, 1e-4)
    config.batch.px4, config.batch.px8 = 8, 8
    config.loss.r1_gamma = 0.0
    config.augment.update({"color": 0.0, "shift": 0.0})
    config.d_augment.shift = 0.0
    # See tests/train/stepping.py: a larger epsilon, so that Adam does not make steps of rounding errors.
    config.g_adam.eps, config.d_adam.eps = 1e-2, 1e-2
    config.every.update({"log_kimg": 0.008, "checkpoint_kimg": 0.016, "grid_kimg": 0.0, "eval_kimg": 0.0})
    config.eval_images = 2
    return config
