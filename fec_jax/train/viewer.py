"""Grids and figures of held-out photos while training, always of the same photos and masks."""

from collections.abc import Callable
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from fec_jax import images, xla_options
from fec_jax.masks import holes
from fec_jax.masks import sets as mask_sets
from fec_jax.metrics import evaluation, heldout
from fec_jax.metrics.report import grid_titles
from fec_jax.train import writers
from fec_jax.train.run import Run
from fec_jax.train.state import State

MAX_TILE_PX = 256
"""Largest picture of a grid: a sheet of 1024 px faces would be 100 million pixels."""


class Viewer:
    """Completes held-out photos with the averaged generator of a state."""

    def __init__(self, run: Run):
        self._run = run
        self._baselines: dict[int, dict[str, float]] = {}

        def predict(params, masked, mask, attrs, alpha, resolution_px):
            return run.recipe.generator.apply(
                {"params": params}, masked, mask, attrs, alpha, resolution_px=resolution_px
            )

        def classify(params, x, alpha, resolution_px):
            return run.recipe.discriminator.apply({"params": params}, x, alpha, resolution_px=resolution_px)[1]

        options = xla_options.options()
        self._predict = jax.jit(predict, static_argnums=5, compiler_options=options)
        self._classify = jax.jit(classify, static_argnums=3, compiler_options=options)

    def functions(self, state: State, alpha: float, resolution_px: int) -> tuple[heldout.Predict, heldout.Classify]:
        """`predict` and `classify` of a state, as `metrics` wants them; one process runs them alone."""
        g_ema, d_params = jax.device_put((state.g_ema, state.d_params), jax.local_devices()[0])
        return (
            lambda masked, mask, attrs: self._predict(g_ema, masked, mask, attrs, alpha, resolution_px),
            lambda x: self._classify(d_params, x, alpha, resolution_px),
        )

    def figures(self, state: State, alpha: float, resolution_px: int) -> dict[str, float]:
        """Held-out figures of a state, beside those of the mean training face (`mean_face/...`)."""
        photos, attrs = self._photos(resolution_px, self._run.eval_images)
        predict, classify = self.functions(state, alpha, resolution_px)
        result = heldout.reconstruction_figures(predict, photos, attrs)
        if resolution_px not in self._baselines:
            mean_face = heldout.mean_face(self._run.train_source(resolution_px))
            self._baselines[resolution_px] = heldout.reconstruction_figures(mean_face, photos, attrs)
        baseline = self._baselines[resolution_px]
        result |= {f"mean_face/{name}": value for name, value in baseline.items()}
        if self._run.eval_masks:
            source = self._run.validation_source(resolution_px)
            sets = [mask_sets.make(name, len(photos), resolution_px, 0) for name in self._run.eval_masks]
            result |= evaluation.in_training(predict, source, sets)
        if self._run.attribute_names:
            result |= heldout.attribute_figures(predict, classify, photos, attrs, self._run.attribute_names)
        return result

    def grid(self, path: Path, state: State, alpha: float, resolution_px: int) -> None:
        """A row per photo: real, masked, completed with its own attributes, and completed with each one flipped.

        The rows have the centre mask, the wide one, and one of the training's kind, in turn.
        """
        run = self._run
        photos, attrs = self._photos(resolution_px, run.grid_images)
        real, labels = images.to_float(photos), jnp.asarray(attrs, jnp.float32)
        px = run.recipe.mask_px
        sampled = run.recipe.sampler(jax.random.split(jax.random.key(run.seed), len(photos)), px)
        kinds = (holes.center(px), holes.center(px, holes.WIDE))
        mask = jnp.stack([kinds[i % 3] if i % 3 < 2 else sampled[i] for i in range(len(photos))])
        mask = holes.pooled(mask, resolution_px)
        masked = holes.cut(real, mask)
        predict, _ = self.functions(state, alpha, resolution_px)
        wanted = [labels] + [labels.at[:, i].set(1 - labels[:, i]) for i in range(len(run.attribute_names))]
        columns = [real, masked] + [holes.paste(predict(masked, mask, w), real, mask) for w in wanted]
        if resolution_px > MAX_TILE_PX:
            columns = [images.pool_to(x, MAX_TILE_PX) for x in columns]
        rows = np.stack([np.asarray(images.to_uint8(x)) for x in columns], axis=1)
        writers.write_grid(path, rows, grid_titles(run.attribute_names))

    def _photos(self, resolution_px: int, count: int) -> tuple[np.ndarray, np.ndarray]:
        source = self._run.validation_source(resolution_px)
        return source.load(range(min(count or len(source), len(source))))


def print_figures(
    figures: dict[str, float], line: Callable[..., None], *, resolution_px: int, whole: bool = True
) -> None:
    """Prints the figures for people; `whole` adds a line per attribute."""
    rows = [("completed", ""), ("mean face", "mean_face/")]
    for name, prefix in rows:
        psnr, l1 = figures[f"{prefix}psnr_hole_center"], figures[f"{prefix}l1_hole_center"]
        line("held-out %d px, centre hole: %-10s PSNR %5.2f dB   L1 %.4f", resolution_px, name, psnr, l1)
    gain = figures["psnr_hole_center"] - figures["mean_face/psnr_hole_center"]
    line("held-out %d px, centre hole: %+.2f dB over the mean face", resolution_px, gain)
    prefix = "attr_flipped_center/"
    names = [key.removeprefix(prefix) for key in figures if key.startswith(prefix)]
    kinds = ("flipped_center", "flipped_wide", "kept_center", "kept_wide", "real")
    for name in names if whole else names[:1]:
        shares = [100 * figures[f"attr_{kind}/{name}"] for kind in kinds]
        text = (
            "attribute %-11s as wanted: flipped %3.0f %%, wide hole %3.0f %%; kept %3.0f %%, %3.0f %%; photos %3.0f %%"
        )
        line(text, name, *shares)
