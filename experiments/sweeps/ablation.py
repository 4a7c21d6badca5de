"""Ablation on synthetic faces at 32 px: one part of the method removed or replaced per row.

python experiments/sweep.py experiments/sweeps/ablation.py --jobs 2

Figures: averaged generator, hole pasted into the photo, 128 held-out faces (LPIPS: 64 of them, whole images).
Attributes by the independent classifier of `judge.py`.
"""

from pathlib import Path

from experiments.sweeps import judge
from fec_jax.data.synthetic.source import SyntheticFaces
from fec_jax.masks import sets as mask_sets
from fec_jax.metrics import heldout, perceptual, subjects
from fec_jax.weights.load import predictor, weights_from

CONFIG = "experiments/sweeps/ablation_config.py"
SEEDS = (0, 1, 2)
ROWS = {
    "baseline": {},
    "no adversarial loss": {"loss.adv": 0.0},
    "no attribute loss": {"loss.attr": 0.0},
    "no reconstruction loss": {"loss.rec": 0.0},
    "no feature loss": {"loss.feat": 0.0},
    "no boundary loss": {"loss.bdy": 0.0},
    "no history": {"history.share": 0.0},
    "concat skips": {"generator.skip": "concat"},
    "no EMA": {"ema.halflife_kimg": 0.0},
    "blended growth": {"growth": "blend"},
    "direct at equal compute": {"config": f"{CONFIG}:direct"},
    "direct and blended growth": {"config": f"{CONFIG}:direct", "growth": "blend"},
}
FIGURES = {
    "psnr_hole_center": ("PSNR of the centre hole, dB", 2),
    "lpips_center": ("LPIPS, centre hole", 4),
    "attr_flipped_wide/mean": ("flipped, wide hole: right", 3),
    "attr_flipped_center/mean": ("flipped, centre hole: right", 3),
    "attr_kept_wide/mean": ("kept, wide hole: right", 3),
    "attr_kept_center/mean": ("kept, centre hole: right", 3),
}
_FACES, _LPIPS_FACES = 128, 64  # LPIPS of an image costs ten times as much as the rest
_BATCH = 32


def measure(workdir: Path, out: Path) -> dict[str, float]:
    """Figures of a finished run. The classifier is kept in the folder of the sweep."""
    weights = weights_from(workdir)
    px = weights.meta.resolution_px
    predict = predictor(weights)
    photos, attrs = SyntheticFaces(_FACES, px, split="test").load(range(_FACES))
    figures = heldout.reconstruction_figures(predict, photos, attrs, _BATCH)
    figures |= heldout.attribute_figures(
        predict, judge.classify(px, out / "judge.safetensors"), photos, attrs, weights.meta.attribute_names, _BATCH
    )
    some, mask = photos[:_LPIPS_FACES], mask_sets.make("center", _LPIPS_FACES, px, 0).masks
    completed = subjects.network(predict, _BATCH)(some, mask, attrs[:_LPIPS_FACES])
    distances = perceptual.lpips(some, completed, _BATCH)
    return {**figures, "lpips_center": float(distances.mean())}
