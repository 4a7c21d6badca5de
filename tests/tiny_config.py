"""The smallest run that has all parts of a real one: 4 to 16 px with fades, every loss, history, augmentation, R1.

python -m fec_jax.main --config=tests/tiny_config.py --workdir=DIR
"""

from ml_collections import ConfigDict

from configs.common import get_config as common
from configs.common import row


def get_config() -> ConfigDict:
    config = common()
    config.resolution_px = 16
    config.data.update({"train_size": 40, "test_size": 4})
    config.schedule.px4 = row(0, 0.04, 2e-3)
    config.schedule.px8 = row(0.072, 0.04, 2e-3)
    config.schedule.px16 = row(0.072, 0.04, 1e-3, 1e-4)
    config.batch = ConfigDict({"px4": 8, "px8": 8, "px16": 8})
    config.lr_warmup_kimg = 0.02
    config.generator.update({"base": 64, "cap": 8, "latent": 8})
    config.discriminator.update({"base": 64, "cap": 8})
    config.loss.update({"rec": 20.0, "feat": 0.3, "bdy": 10.0, "r1_gamma": 0.002, "r1_every": 4})
    config.augment.update({"color": 0.1, "shift": 0.1})
    config.d_augment.shift = 0.1
    config.mask.center_share = 0.5
    config.history.depth = 2
    config.ema.halflife_kimg = 0.05
    # Lines of two steps, checkpoints of three: some checkpoints are taken with half a line's figures gathered.
    config.every.update({"log_kimg": 0.016, "checkpoint_kimg": 0.024, "grid_kimg": 0.08, "eval_kimg": 0.08})
    config.grid_images = 2
    config.eval_images = 4
    return config
