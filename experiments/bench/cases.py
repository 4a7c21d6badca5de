"""What is measured: widths, resolutions, batches, and the run that a training step belongs to."""

from typing import Any

WIDTHS = {"full": (16384, 512, 512), "narrow": (4096, 256, 256), "small": (1024, 64, 128), "tiny": (64, 8, 8)}
"""base, cap and latent width: those of `hq1024`, a quarter of them, those of `congress64`, and some for tests."""

COMPLETIONS = [("full", 64, 1), ("full", 64, 8), ("full", 256, 1), ("full", 512, 1), ("full", 1024, 1)]
COMPLETIONS += [("narrow", 64, 1), ("narrow", 64, 8), ("narrow", 256, 1), ("narrow", 512, 1), ("narrow", 1024, 1)]
STEPS = [("small", 64, 16), ("narrow", 64, 8), ("narrow", 128, 8), ("narrow", 256, 4)]
NAMES = tuple(f"attribute_{i}" for i in range(7))


def config(width: str, px: int, batch: int, kimg: float) -> dict[str, Any]:
    """A run with everything a training has but D's gradient penalty, at `px` from its first image to the last."""
    from configs.common import get_config, row

    values: Any = get_config()
    values.resolution_px = px
    values.schedule[f"px{px}"] = row(0, kimg, 1e-3)
    values.batch[f"px{px}"] = batch
    base, cap, latent = WIDTHS[width]
    values.generator.update({"base": base, "cap": cap, "latent": latent})
    values.discriminator.update({"base": base, "cap": cap})
    values.loss.r1_gamma = 0.0
    return values.to_dict()
