"""Synthetic faces, 4 to 32 px, in a few minutes on two CPU cores. `make demo` runs it.

python -m fec_jax.main --config=configs/quickstart.py --workdir=runs/quickstart
"""

from ml_collections import ConfigDict

from configs.common import get_config as common
from configs.common import row


def get_config() -> ConfigDict:
    config = common()
    config.resolution_px = 32
    config.data.train_size = 4096
    config.data.test_size = 128
    config.growth = "add"
    config.schedule.px4 = row(0, 2, 1e-3)
    config.schedule.px8 = row(1, 3, 1e-3)
    config.schedule.px16 = row(1, 7, 1e-3)
    config.schedule.px32 = row(1, 13, 1e-3, 5e-5)
    config.batch = ConfigDict({"px4": 16, "px8": 16, "px16": 16, "px32": 16})
    config.generator.update({"base": 512, "cap": 64, "latent": 64})
    config.discriminator.update({"base": 512, "cap": 64})
    # With the paper's lambdas nearly all of the gradient is reconstruction, feature and boundary loss (`share/...` in
    # metrics.jsonl), and G ignores the attributes. These were chosen by the shares.
    config.loss.update({"adv": 0.5, "attr": 8.0, "rec": 60.0, "feat": 1.0, "bdy": 10.0})
    config.loss.rec_on_flipped = 0.1
    config.loss.update({"d_sees": "completed", "feat_sees": "completed", "feat_share": 0.5})
    # Against patterns that only D sees (see portraits64.py).
    config.d_augment.noise = 0.2
    config.loss.update({"r1_gamma": 5e-5, "r1_attr": 1.0})
    config.mask.update({"center_share": 0.35, "wide_share": 0.25})
    config.ema.halflife_kimg = 0.3
    config.every.update({"log_kimg": 1.0, "checkpoint_kimg": 5.0, "grid_kimg": 5.0, "eval_kimg": 10.0})
    return config
