"""Grids and figures of held-out photos while training, always of the same photos and masks.

Completed on all devices of this process, each with no more photos at once than it has in a training step.
"""

import functools
import math
from collections.abc import Callable
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import NamedSharding

from fec_jax import images, xla_options
from fec_jax.masks import holes
from fec_jax.masks import sets as mask_sets
from fec_jax.metrics import evaluation, heldout
from fec_jax.metrics.report import grid_titles
from fec_jax.train import parallel, writers
from fec_jax.train.run import Run
from fec_jax.train.state import State

MAX_TILE_PX = 256
"""Largest picture of a grid: a sheet of 1024 px faces would be 100 million pixels."""


class Viewer:
    """Completes held-out photos with the averaged generator of a state."""

    def __init__(self, run: Run):
        self._run = run
        self._mesh = parallel.mesh(jax.local_devices())
        self._baselines: dict[int, dict[str, float]] = {}
        same, split = parallel.SAME, parallel.SPLIT

        def predict(params, masked, mask, attrs, alpha, resolution_px):
            def part(params, alpha, *images_of_a_device):
                return run.recipe.generator.apply(
                    {"params": params}, *images_of_a_device, alpha, resolution_px=resolution_px
                )

            specs = (same, same, split, split, split)
            mapped = jax.shard_map(part, mesh=self._mesh, in_specs=specs, out_specs=split, check_vma=False)
            return mapped(params, alpha, masked, mask, attrs)

        def classify(params, x, alpha, resolution_px):
            def part(params, alpha, x):
                return run.recipe.discriminator.apply({"params": params}, x, alpha, resolution_px=resolution_px)[1]

            mapped = jax.shard_map(
                part, mesh=self._mesh, in_specs=(same, same, split), out_specs=split, check_vma=False
            )
            return mapped(params, alpha, x)

        options = xla_options.options()
        self._predict = jax.jit(predict, static_argnums=5, compiler_options=options)
        self._classify = jax.jit(classify, static_argnums=3, compiler_options=options)

    def functions(self, state: State, alpha: float, resolution_px: int) -> tuple[heldout.Predict, heldout.Classify]:
        """`predict` and `classify` of a state, as `metrics` wants them; one process runs them alone.

        They take batches that this process's devices can share, see `batch`.
        """
        g_ema, d_params, a = parallel.replicate((state.g_ema, state.d_params, np.float32(alpha)), self._mesh)
        placed = functools.partial(jax.device_put, device=NamedSharding(self._mesh, parallel.SPLIT))

        def predict(masked, mask, attrs):
            return self._predict(g_ema, *placed((masked, mask, attrs)), a, resolution_px)

        return predict, lambda x: self._classify(d_params, placed(x), a, resolution_px)

    def batch(self, resolution_px: int, count: int) -> int:
        """Photos to complete at once, of `count` in all: those of a training step, of this process's devices."""
        phase = next(phase for phase in self._run.phases if phase.resolution_px == resolution_px)
        devices = self._mesh.size
        return devices * min(phase.batch // jax.device_count(), math.ceil(count / devices))

    def figures(self, state: State, alpha: float, resolution_px: int) -> dict[str, float]:
        """Held-out figures of a state, beside those of the mean training face (`mean_face/...`)."""
        photos, attrs = self._photos(resolution_px, self._run.eval_images)
        predict, classify = self.functions(state, alpha, resolution_px)
        batch = self.batch(resolution_px, len(photos))
        result = heldout.reconstruction_figures(predict, photos, attrs, batch)
        if resolution_px not in self._baselines:
            mean_face = heldout.mean_face(self._run.train_source(resolution_px))
            self._baselines[resolution_px] = heldout.reconstruction_figures(mean_face, photos, attrs, batch)
        baseline = self._baselines[resolution_px]
        result |= {f"mean_face/{name}": value for name, value in baseline.items()}
        if self._run.eval_masks:
            source = self._run.validation_source(resolution_px)
            sets = [mask_sets.make(name, len(photos), resolution_px, 0) for name in self._run.eval_masks]
            result |= evaluation.in_training(predict, source, sets, batch)
        if self._run.attribute_names:
            result |= heldout.attribute_figures(predict, classify, photos, attrs, self._run.attribute_names, batch)
        return result

    def grid(self, path: Path, state: State, alpha: float, resolution_px: int) -> None:
        """A row per photo: real, masked, completed with its own attributes, and completed with each one flipped.

        The rows have the centre mask, the wide one, and one of the training's kind, in turn.
        """
        run = self._run
        photos, attrs = self._photos(resolution_px, run.grid_images)
        px = run.recipe.mask_px
        sampled = run.recipe.sampler(jax.random.split(jax.random.key(run.seed), len(photos)), px)
        kinds = (holes.center(px), holes.center(px, holes.WIDE))
        masks = jnp.stack([kinds[i % 3] if i % 3 < 2 else sampled[i] for i in range(len(photos))])
        predict, _ = self.functions(state, alpha, resolution_px)
        rows = list[np.ndarray]()
        for index, new in images.batches(len(photos), self.batch(resolution_px, len(photos))):
            real, labels = images.to_float(photos[index]), jnp.asarray(attrs[index], jnp.float32)
            mask = holes.pooled(masks[index], resolution_px)
            masked = holes.cut(real, mask)
            wanted = [labels] + [labels.at[:, i].set(1 - labels[:, i]) for i in range(len(run.attribute_names))]
            columns = [real, masked] + [holes.paste(predict(masked, mask, w), real, mask) for w in wanted]
            if resolution_px > MAX_TILE_PX:
                columns = [images.pool_to(x, MAX_TILE_PX) for x in columns]
            rows.append(np.stack([np.asarray(images.to_uint8(x)) for x in columns], axis=1)[:new])
        writers.write_grid(path, np.concatenate(rows), grid_titles(run.attribute_names))

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
