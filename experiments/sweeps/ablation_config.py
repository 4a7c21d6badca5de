"""A smaller quickstart: synthetic faces, grown from 8 to 32 px or trained at 32 px only. The runs of `ablation.py`."""

from typing import Any

from ml_collections import ConfigDict

from configs.common import row
from configs.quickstart import get_config as quickstart


def get_config(growth: str = "progressive") -> ConfigDict:
    config: Any = quickstart()
    config.data.train_size = 1024
    config.schedule, config.batch = ConfigDict(), ConfigDict()
    if growth == "progressive":
        config.schedule.px8 = row(0, 2.4, 2e-3)
        config.schedule.px16 = row(0.8, 2.4, 2e-3)
        config.schedule.px32 = row(0.6, 3.6, 2e-3, 5e-5)
        config.batch.update({"px8": 16, "px16": 8, "px32": 8})
    elif growth == "direct":
        config.schedule.px32 = row(0, 5.28, 2e-3, 5e-5)  # as many seconds of steps as the three sizes take together
        config.batch.px32 = 8
    else:
        raise ValueError(f"growth {growth!r}: progressive or direct")
    config.lr_warmup_kimg = 0.1
    config.generator.update({"base": 512, "cap": 32, "latent": 32})
    config.discriminator.update({"base": 256, "cap": 32})
    # Each loss gets a share of the gradient (`share/...` in metrics.jsonl) in a run this short; no feature loss below
    # 32 px, where it would be half of the cost.
    config.loss.update({"rec": 150.0, "feat": 1.0, "bdy": 200.0, "feature_min_px": 32})
    # The quickstart's values when experiments/ablation was made; its D has seen noise since.
    config.loss.update({"adv": 1.0, "attr": 4.0, "rec_on_flipped": 0.0, "feat_sees": "fake", "feat_share": 1.0})
    config.loss.update({"r1_gamma": 2e-5, "r1_attr": 0.0})
    config.d_augment.noise = 0.0
    config.every.update({"log_kimg": 0.8, "checkpoint_kimg": 4.0, "grid_kimg": 0.0, "eval_kimg": 1.6})
    config.eval_images = 16
    return config
