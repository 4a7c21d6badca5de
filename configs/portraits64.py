"""The weights that come with the package: 458 real portraits, 4 to 64 px, wishes before fidelity, on two CPU cores.

fec prepare folder PATH/TO/congress_faces --resolution 64 --out data/congress64
python -m fec_jax.main --config=configs/portraits64.py --workdir=runs/portraits64

The data of `congress64.py`, another aim: what is asked for is to be seen by others than D. Hours, figures and pictures:
experiments/portraits64/README.md.
"""

from ml_collections import ConfigDict

from configs.common import row
from configs.congress64 import get_config as congress64


def get_config() -> ConfigDict:
    config = congress64()
    config.schedule.px32 = row(1, 23, 1e-3, d_terms=0.6)
    config.schedule.px64 = row(1, 29, 1e-3, 2e-5, d_terms=0.4)
    config.loss.update({"attr": 16.0, "feat": 1.0})
    # Only the hole is ever used; half of the batch shows the feature loss enough, at half the cost.
    config.loss.update({"feat_sees": "completed", "feat_share": 0.5})
    # Noise and a penalty on its attribute logits keep D from believing what nobody else would see: without them its
    # attribute head granted 85 % of the flips of Male, an independent classifier 15 %.
    config.d_augment.noise = 0.2
    config.loss.update({"r1_gamma": 5e-5, "r1_attr": 1.0})
    config.mask.update({"center_share": 0.45, "wide_share": 0.35})
    return config
