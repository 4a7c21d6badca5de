"""CelebA-HQ, 4 to 1024 px: the paper's recipe as far as it is known, to compare with. `hq1024.py` is what we recommend.

fec prepare celebamask-hq CelebAMask-HQ --partition list_eval_partition.txt --resolution 1024 --out data/celebamask_hq
python -m fec_jax.main --config=configs/hq1024_paper.py --workdir=runs/hq1024_paper

The paper's: lambdas, blended growth, D and feature loss of G's whole image, masks, half of the examples with one edit.
It does not give learning rates, lengths, batch sizes and widths: those are `hq1024`'s, the rate 1e-3, as usual for
progressive growing. R1 is ours, and so is the non-saturating form of the adversarial loss (the paper prints it with a
wrong sign; `--config.loss.adversarial=minimax` is what it means).
Not run to its end by us. The lambdas are meant for sums. With the means here, adversarial and attribute loss together
had 0.07 to 0.17 % of the gradient at G's output at 64 px, 0.3 % in the first steps at 4 px (synthetic faces): close to
a regression. At a sixteenth of the width, to 32 px, they had 11 to 13 %, and D won: see experiments/recipes.
"""

from typing import Any

from ml_collections import ConfigDict

from configs.common import get_config as common
from configs.common import row
from configs.hq1024 import LENGTHS
from configs.hq1024 import get_config as hq1024


def get_config() -> ConfigDict:
    config: Any = hq1024()
    paper: Any = common()
    for px in LENGTHS:
        config.schedule[f"px{px}"] = row(*LENGTHS[px], 1e-3, 1e-4 if px == config.resolution_px else 1e-3)
    for name in ("growth", "loss", "mask", "augment", "d_augment", "keep_probability", "most_flips", "d_lr_factor"):
        config[name] = paper[name]
    config.history.share = paper.history.share
    config.loss.r1_gamma = 1e-5
    config.loss.r1_every = 16
    return config
