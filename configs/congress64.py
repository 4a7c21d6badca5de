"""458 real portraits to train on, 4 to 64 px, seven attributes, on two CPU cores.

fec prepare folder PATH/TO/congress_faces --resolution 64 --out data/congress64
python -m fec_jax.main --config=configs/congress64.py --workdir=runs/congress64

Hours, figures and pictures: experiments/congress64/README.md.
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
    config.schedule.px32 = row(1, 12, 1e-3, d_terms=0.6)
    config.schedule.px64 = row(1, 13, 1e-3, 2e-5, d_terms=0.03)
    config.batch = ConfigDict({"px4": 16, "px8": 16, "px16": 16, "px32": 16, "px64": 16})
    config.generator.update({"base": 1024, "cap": 64, "latent": 128})
    config.discriminator.update({"base": 1024, "cap": 64})
    # With the paper's lambdas nearly all of the gradient is reconstruction, feature and boundary loss (`share/...` in
    # metrics.jsonl), and G ignores the attributes. With these, adversarial and attribute loss have half of it at 32 px.
    # At 64 px d_terms leaves them a seventh: by then G uses the attributes, and has to learn detail.
    config.loss.update({"adv": 0.3, "attr": 8.0, "rec": 40.0, "feat": 0.6, "bdy": 10.0})
    config.loss.rec_on_flipped = 0.15
    config.keep_probability = 0.6
    config.loss.d_sees = "completed"
    config.loss.r1_gamma = 2e-5
    config.mask.update({"center_share": 0.55, "wide_share": 0.15})
    # G and D soon memorise so few photos: augment both.
    config.augment.update({"color": 0.1, "shift": 0.04})
    config.d_augment.update({"color": 0.2, "shift": 0.1})
    config.ema.halflife_kimg = 1.8
    config.every.update({"log_kimg": 1.0, "checkpoint_kimg": 4.0, "grid_kimg": 8.0, "eval_kimg": 8.0})
    config.eval_images = 0
    return config
