"""CelebA-HQ, 4 to 1024 px, with attributes: the paper's experiment.

fec prepare celebamask-hq CelebAMask-HQ --partition list_eval_partition.txt --resolution 1024 --out data/celebamask_hq
python -m fec_jax.main --config=configs/hq1024.py --workdir=runs/hq1024

Hardware: written for 8 accelerators of 16 GB (2 photos of 1024 px each). On fewer, lower `config.batch`, as in
`--config.batch.px1024=8`; to try the start on a CPU, `--config.batch.px4=8 --config.dtype=float32`.
Hours and figures: not run to its end by us; nothing is claimed. The lambdas are the paper's, meant
for its sums and means. With the mean-normalised losses here, adversarial and attribute loss together had 0.3 % of the
gradient at G's output in the first steps at 4 px (on synthetic faces): watch `share/...` in metrics.jsonl.
"""

from ml_collections import ConfigDict

from configs.common import get_config as common
from configs.common import row

PHASES_KIMG = {
    4: (0, 600),
    8: (400, 600),
    16: (400, 600),
    32: (400, 600),
    64: (400, 600),
    128: (400, 600),
    256: (400, 600),
    512: (600, 800),
    1024: (600, 1600),
}
BATCH = {4: 256, 8: 256, 16: 256, 32: 256, 64: 128, 128: 128, 256: 64, 512: 32, 1024: 16}


def grown_to(config: ConfigDict, resolution_px: int) -> ConfigDict:
    """Sets the final resolution and its rows of schedule and batch. The last row's learning rate decays."""
    config.resolution_px = resolution_px
    for px in sorted(PHASES_KIMG):
        if px <= resolution_px:
            lr_end = 1e-4 if px == resolution_px else 1e-3
            config.schedule[f"px{px}"] = row(*PHASES_KIMG[px], 1e-3, lr_end)
            config.batch[f"px{px}"] = BATCH[px]
    return config


def get_config() -> ConfigDict:
    config = common()
    grown_to(config, 1024)
    config.attributes = (
        "Male",
        "Smiling",
        "Eyeglasses",
        "Young",
        "Gray_Hair",
        "No_Beard",
        "Bald",
        "Bangs",
        "Blond_Hair",
        "Wearing_Lipstick",
        "Mouth_Slightly_Open",
    )
    config.data.kind = "prepared"
    config.data.path = "data/celebamask_hq"
    config.data.threads = 16
    config.generator.update({"base": 16384, "cap": 512, "latent": 512})
    config.discriminator.update({"base": 16384, "cap": 512})
    config.dtype = "bfloat16"
    config.remat_min_px = 256  # 4 photos of 1024 px then fit 16 GB (experiments/tpu_aot)
    config.lr_warmup_kimg = 20.0
    config.history.depth = 4
    config.loss.r1_gamma = 1e-5
    config.loss.r1_every = 16
    config.every.update({"log_kimg": 10.0, "checkpoint_kimg": 100.0, "grid_kimg": 100.0, "eval_kimg": 200.0})
    config.eval_images = 256
    return config
