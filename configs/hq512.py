"""CelebA-HQ, 4 to 512 px: `hq1024` ended earlier, with the same widths at every resolution.

pip install -e '.[eval]'  # LPIPS, a loss from 64 px on, needs its weights
fec prepare celebamask-hq CelebAMask-HQ --partition list_eval_partition.txt --resolution 512 --out data/celebamask_hq
python -m fec_jax.main --config=configs/hq512.py --workdir=runs/hq512

Hardware: written for 8 accelerators of 16 GB (4 photos of 512 px each). Hours and figures: not run to its end by us.
"""

from ml_collections import ConfigDict

from configs.hq1024 import get_config as hq1024
from configs.hq1024 import grown_to


def get_config() -> ConfigDict:
    return grown_to(hq1024(), 512)
