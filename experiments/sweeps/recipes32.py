"""The recommended recipe of `hq1024` against the paper's, at small size: synthetic faces, 32 px, three seeds.

python experiments/sweep.py experiments/sweeps/recipes32.py --jobs 2

Figures: averaged generator, hole pasted into the photo, 128 held-out faces. Both recipes were trained on the paper's
holes, only the recommended one on centre and wide squares.
"""

from pathlib import Path

from fec_jax.data.synthetic.source import SyntheticFaces
from fec_jax.masks import sets as mask_sets
from fec_jax.metrics import perceptual, pixel, subjects
from fec_jax.weights.load import predictor, weights_from

CONFIG = "experiments/sweeps/recipes_config.py:paper32"
SEEDS = (0, 1, 2)
ROWS = {"paper": {}, "recommended": {"config": "experiments/sweeps/recipes_config.py:recommended32"}}
FIGURES = {
    "psnr_hole_center": ("PSNR of the centre hole, dB", 2),
    "psnr_hole_wide": ("PSNR of the wide hole, dB", 2),
    "psnr_hole_paper": ("PSNR of the paper's holes, dB", 2),
    "lpips_center": ("LPIPS (VGG16), centre hole", 4),
    "lpips_wide": ("LPIPS (VGG16), wide hole", 4),
    "lpips_paper": ("LPIPS (VGG16), the paper's holes", 4),
    "lpips_alex_center": ("LPIPS (AlexNet), centre hole", 4),
    "lpips_alex_wide": ("LPIPS (AlexNet), wide hole", 4),
    "lpips_alex_paper": ("LPIPS (AlexNet), the paper's holes", 4),
}
_FACES, _BATCH = 128, 32


def measure(workdir: Path, out: Path) -> dict[str, float]:
    """Figures of a finished run, of its own resolution."""
    weights = weights_from(workdir)
    px = weights.meta.resolution_px
    photos, attrs = SyntheticFaces(_FACES, px, split="test").load(range(_FACES))
    complete = subjects.network(predictor(weights), _BATCH)
    figures = {}
    for name in ("center", "wide", "paper"):
        masks = mask_sets.make(name, _FACES, px, 0).masks
        completed = complete(photos, masks, attrs)
        figures[f"psnr_hole_{name}"] = float(pixel.host_psnr(completed, photos, masks).mean())
        figures[f"lpips_{name}"] = float(perceptual.lpips(photos, completed, _BATCH).mean())
        figures[f"lpips_alex_{name}"] = float(perceptual.lpips_alex(photos, completed, _BATCH).mean())
    return figures
