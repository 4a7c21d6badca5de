"""CelebA-HQ, 4 to 256 px: `hq1024` ended earlier, with the same widths at every resolution.

pip install -e '.[eval]'  # LPIPS, a loss from 64 px on, needs its weights
fec prepare celebamask-hq CelebAMask-HQ --partition list_eval_partition.txt --resolution 256 --out data/celebamask_hq
python -m fec_jax.main --config=configs/hq256.py --workdir=runs/hq256

Hardware: written for 8 accelerators of 16 GB (8 photos of 256 px each). Hours and figures: not run to its end by us.
"""

from ml_collections import ConfigDict

from configs.hq1024 import get_config as hq1024
from configs.hq1024 import grown_to


def get_config() -> ConfigDict:
    config = hq1024()
    config.remat_min_px = 0
    return grown_to(config, 256)
