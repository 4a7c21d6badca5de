"""The weights that come with the package: 458 real portraits, 4 to 64 px, wishes before fidelity, on two CPU cores.

fec prepare folder PATH/TO/congress_faces --resolution 64 --out data/congress64
python -m fec_jax.main --config=configs/portraits64.py --workdir=runs/portraits64

The data of `congress64.py`, another aim: what is asked for is to be seen by others than D. Hours, figures and pictures:
experiments/portraits64/README.md.
"""

from ml_collections import ConfigDict

from configs.common import get_config as common
from configs.common import row


def get_config() -> ConfigDict:
    config = common()
    config.resolution_px = 64
    config.data.kind = "prepared"
    config.data.path = "data/congress64"
    config.growth = "add"
    config.schedule.px4 = row(0, 0.5, 1e-3)
    config.schedule.px8 = row(0.5, 1.5, 1e-3)
    config.schedule.px16 = row(0.5, 6, 1e-3)
    config.schedule.px32 = row(1, 23, 1e-3, d_terms=0.6)
    config.schedule.px64 = row(1, 29, 1e-3, 2e-5, d_terms=0.4)
    config.batch = ConfigDict({"px4": 16, "px8": 16, "px16": 16, "px32": 16, "px64": 16})
    config.generator.update({"base": 1024, "cap": 64, "latent": 128})
    config.discriminator.update({"base": 1024, "cap": 64})
    # With the paper's lambdas nearly all of the gradient would be reconstruction, features and seam (`share/...` in
    # metrics.jsonl), and G would not listen to attributes.
    config.loss.update({"adv": 0.3, "attr": 16.0, "rec": 40.0, "feat": 1.0, "bdy": 10.0})
    config.loss.rec_on_flipped = 0.15
    config.keep_probability = 0.6
    # Only the hole is ever used; half of the batch shows the feature loss enough, at half the cost.
    config.loss.update({"d_sees": "completed", "feat_sees": "completed", "feat_share": 0.5})
    # Noise and a penalty on its attribute logits keep D from believing what nobody else would see: without them its
    # attribute head granted 85 % of the flips of Male, an independent classifier 15 %.
    config.d_augment.update({"color": 0.2, "shift": 0.1, "noise": 0.2})
    config.loss.update({"r1_gamma": 5e-5, "r1_attr": 1.0})
    config.mask.update({"center_share": 0.45, "wide_share": 0.35})
    config.augment.update({"color": 0.1, "shift": 0.04})  # so few photos are soon known by heart
    config.ema.halflife_kimg = 2.0
    config.every.update({"log_kimg": 1.0, "checkpoint_kimg": 4.0, "grid_kimg": 8.0, "eval_kimg": 8.0})
    config.eval_images = 0
    return config
