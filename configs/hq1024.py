"""CelebA-HQ, 4 to 1024 px, eleven attributes: the recipe that we recommend. `hq1024_paper.py` has the paper's own.

pip install -e '.[eval]'  # LPIPS, a loss from 64 px on, needs its weights
fec prepare celebamask-hq CelebAMask-HQ --partition list_eval_partition.txt --resolution 1024 --out data/celebamask_hq
python -m fec_jax.main --config=configs/hq1024.py --workdir=runs/hq1024

Hardware: written for 8 accelerators of 16 GB (2 photos of 1024 px each). On fewer, lower `config.batch`, as in
`--config.batch.px1024=8`; to try the start on a CPU, `--config.batch.px4=8 --config.dtype=float32`.
Hours and figures: not run to its end by us; nothing is claimed. Chosen on 1,254 portraits up to 128 px
(`portraits128.py`, experiments/portraits128): weights of the losses by their shares of G's gradient, the game, masks,
edits. From 256 px on the weights of 128 px go on: an extrapolation. Watch `share/...` in metrics.jsonl: `share/adv` of
0.1 to 0.3 and `share/attr` of about 0.05 are the aim; `adv` and `d_terms` of a row move them.
"""

from ml_collections import ConfigDict

from configs.common import get_config as common
from configs.common import row

LENGTHS = {
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
"""Thousands of images of fade and stable phase."""
BATCH = {4: 256, 8: 256, 16: 256, 32: 256, 64: 128, 128: 128, 256: 64, 512: 32, 1024: 16}
LR = 2e-4
"""1 % of the standard deviation of a new kernel of 512 channels. Rates of 1e-3 are for equalised learning rates, which
these networks do not have, or for few channels: with 64 it is 6e-4 (the deviation goes with 1 / sqrt(channels))."""


def grown_to(config: ConfigDict, resolution_px: int) -> ConfigDict:
    """Sets the final resolution and its rows of schedule and batch. The last row's learning rate decays."""
    config.resolution_px = resolution_px
    config.schedule, config.batch = ConfigDict(), ConfigDict()
    for px in sorted(LENGTHS):
        if px <= resolution_px:
            lr_end = LR / 10 if px == resolution_px else LR
            config.schedule[f"px{px}"] = row(*LENGTHS[px], LR, lr_end, **of_losses(px))
            config.batch[f"px{px}"] = BATCH[px]
    return config


def of_losses(resolution_px: int) -> dict[str, float]:
    """A row's weights of the losses, and its noise for D: `portraits128`'s, but for 64 px (experiments/recipes).

    From 128 px on, those that it had before its generator was widened.
    """
    if resolution_px < 32:
        return {"d_terms": 0.2}
    if resolution_px == 32:
        return {"d_terms": 0.3, "adv": 3.0}
    if resolution_px == 64:
        # `portraits128`'s `d_terms` 1.4 gave the attribute loss 15 % of the gradient here, and 0.3 dB less.
        return {"d_terms": 0.5, "adv": 2.2, "lpips": 45.0, "noise": 0.5}
    return {"d_terms": 2.0, "adv": 2.5, "lpips": 20.0, "noise": 0.5}


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
    config.history.update({"depth": 4, "share": 0.25})

    # New layers are added: blended growth lost 1.2 dB (experiments/ablation).
    config.growth = "add"
    config.loss.update({"adv": 1.0, "attr": 16.0, "rec": 80.0, "feat": 3.0, "bdy": 400.0})
    config.loss.rim = 1 / 32  # 4 px of 128, 32 px of 1024: the same part of the image at every size
    # Only the hole of G's image is ever used.
    config.loss.update({"d_sees": "completed", "feat_sees": "completed"})
    config.loss.feat_px = 256  # a window: VGG16 of whole images of 1024 px would be most of the step
    config.loss.d_attr = 0.125  # with 1 nearly all that D learns is attributes
    config.d_lr_factor = 2.0
    # The penalty's gradient joins that of the next step, so Adam makes no steps besides the ordinary ones. Its rate and
    # betas need no correction for the interval: Karras et al. 2020 (appendix B) correct for one more step.
    config.loss.update({"r1_gamma": 1e-5, "r1_attr": 1.0, "r1_every": 16})
    config.d_augment.update({"color": 0.1, "shift": 0.05, "noise": 0.2, "clean": 0.5})
    config.augment.update({"shift": 0.01, "scale": 0.02})
    config.keep_probability = 0.65
    config.most_flips = 3
    config.loss.flip_shift = 3.0
    config.loss.flip_shift_of = (
        ("Smiling", 2.0),
        ("Eyeglasses", 2.0),
        ("No_Beard", 2.5),
        ("Gray_Hair", 6.0),
        ("Young", 4.0),
    )
    # The paper's masks are half of all.
    config.mask.update({"center_share": 0.15, "wide_share": 0.15, "stroke_share": 0.1, "box_share": 0.1})
    config.every.update({"log_kimg": 10.0, "checkpoint_kimg": 100.0, "grid_kimg": 100.0, "eval_kimg": 200.0})
    config.eval_images = 256
    return config
