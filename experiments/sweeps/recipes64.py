"""The recommended recipe of `hq1024` against the paper's, at small size: synthetic faces, 64 px, three seeds.

python experiments/sweep.py experiments/sweeps/recipes64.py --jobs 2

From 64 px on the recommended recipe has LPIPS by VGG16 among its losses: LPIPS by AlexNet is the one to compare.
"""

from experiments.sweeps.recipes32 import FIGURES, SEEDS, measure

__all__ = ["CONFIG", "FIGURES", "ROWS", "SEEDS", "measure"]

CONFIG = "experiments/sweeps/recipes_config.py:paper64"
ROWS = {"paper": {}, "recommended": {"config": "experiments/sweeps/recipes_config.py:recommended64"}}
