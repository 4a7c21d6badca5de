"""What a run is, once its config has been read: everything `loop.train` needs, and no ConfigDict."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from fec_jax import schedule
from fec_jax.data.source import Source
from fec_jax.train import directions, extending, lookalikes, parallel
from fec_jax.train import state as states
from fec_jax.train.recipe import Constants, Recipe
from fec_jax.types import Params
from fec_jax.weights import published


@dataclasses.dataclass(frozen=True)
class Every:
    """How often things happen, in thousands of images; 0: never. In addition, at the borders of growth phases."""

    log_kimg: float
    """A line of the log and of metrics.jsonl."""
    checkpoint_kimg: float
    """A checkpoint."""
    grid_kimg: float
    """A grid of held-out photos."""
    eval_kimg: float
    """Figures of held-out photos."""
    checkpoint_minutes: float
    """A checkpoint by the clock on the wall, in minutes."""


@dataclasses.dataclass(frozen=True)
class Run:
    """A run, see `config.build`."""

    recipe: Recipe
    phases: tuple[schedule.Phase, ...]
    warmup_kimg: float
    """The learning rate rises over so many thousands of images, at every resolution."""
    seed: int
    attribute_names: tuple[str, ...]
    train_source: Callable[[int], Source]
    """The photos to train on, by resolution in px."""
    validation_source: Callable[[int], Source]
    """Held-out photos, of which grids and figures while training are, likewise."""
    splits: tuple[str, ...]
    """Names of the splits that the photos to train on come from."""
    alignment: dict[str, Any]
    """Where the photos' eyes lie, see `weights.format.Meta`."""
    init_from: str
    """Weights that a new run begins with; empty: random ones."""
    history_depth: int
    """Earlier completions that are kept for each place of the batch."""
    mode: parallel.Mode
    every: Every
    grid_images: int
    """Rows of the grids."""
    eval_images: int
    """Held-out photos that the figures are of; 0: all."""
    eval_masks: tuple[str, ...]
    """Mask sets of the figures, besides the centre square."""
    keep_checkpoints: int
    """How many of the newest stay, besides those of the borders."""
    max_skipped: int
    """After so many non-finite steps in a row the run goes back to the last checkpoint."""
    max_rollbacks: int
    """After so many rollbacks without getting past the place the run gives up."""
    threads: int
    """Threads that read ahead."""
    config: dict[str, Any]
    """What was read, as plain values; kept with every checkpoint."""

    def new_state(self, phase: schedule.Phase) -> states.State:
        """The state before the first step, with a history as `phase` needs it."""
        r = self.recipe
        return states.create(self.seed, r.generator, r.discriminator, r.g_adam, r.d_adam, phase, self.history_depth)

    def recipe_of(self, phase: schedule.Phase) -> Recipe:
        """The recipe, with what the phase's row of the schedule says."""
        row = phase.row
        d_augment = dataclasses.replace(self.recipe.d_augment, noise=self.recipe.d_augment.noise * row.noise)
        lambdas = dataclasses.replace(self.recipe.lambdas, adv=self.recipe.lambdas.adv * row.adv)
        recipe = dataclasses.replace(
            self.recipe, d_terms=row.d_terms, d_augment=d_augment, lambdas=lambdas, patches=row.patches
        )
        if not row.lpips:
            return recipe
        return dataclasses.replace(recipe, feature="lpips", lambdas=dataclasses.replace(lambdas, feat=row.lpips))

    @property
    def direction_px(self) -> int:
        """Side of the attributes' directions."""
        return min(self.phases[-1].resolution_px, directions.DIRECTION_PX)

    @property
    def face_px(self) -> int:
        """Side of the faces that flipped examples are drawn to."""
        return min(self.phases[-1].resolution_px, lookalikes.FACE_PX)

    def constants(self) -> Constants:
        """What every step is given: the feature loss's network; the attributes' directions, or faces, if used."""
        vgg = published.load_params() if self._whole_vgg else published.load_relu2_2()
        moves = directions.directions(self.train_source(self.direction_px)) if self._moves else None
        faces = lookalikes.faces(self.train_source(self.face_px)) if self.recipe.flip_to_face else None
        return Constants(vgg, moves, faces)

    def constants_shape(self) -> Constants:
        """`constants` as `jax.ShapeDtypeStruct`s; no data is read."""
        d = self.direction_px
        directions = jax.ShapeDtypeStruct((len(self.attribute_names), d, d, 3), jnp.float32)
        faces = lookalikes.shapes(self.face_px, len(self.attribute_names)) if self.recipe.flip_to_face else None
        vgg = published.params_shape() if self._whole_vgg else jax.eval_shape(published.load_relu2_2)
        return Constants(vgg, directions if self._moves else None, faces)

    @property
    def _moves(self) -> bool:
        return bool(np.any(self.recipe.flip_shift))

    @property
    def _whole_vgg(self) -> bool:
        """Whether a loss needs more of VGG16 than the paper's."""
        return any(phase.row.lpips or phase.row.patches for phase in self.phases)

    def state_shape(self, nimg: int, mesh: jax.sharding.Mesh) -> states.State:
        """Shapes and places of the state after `nimg` images."""
        shape = jax.eval_shape(lambda: self.new_state(self.at(nimg).phase))
        places = parallel.state_shardings(shape, mesh)
        return jax.tree.map(lambda x, s: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=s), shape, places)

    def packing(self, phase: schedule.Phase) -> states.Packing:
        """How the state of a phase's steps lies in vectors."""
        return states.Packing(self.recipe, phase.resolution_px)

    def saved_as(self, config: Mapping[str, Any]) -> "Run":
        """This run as a checkpoint with `config` has it: fewer resolutions, perhaps, and another end."""
        r, px, rows = self.recipe, int(config["resolution_px"]), extending.rows(config)
        generator, on_features = r.generator.clone(max_px=px), any(row.patches for row in rows)
        discriminator = r.discriminator.clone(max_px=px, on_features=on_features)
        recipe = dataclasses.replace(r, generator=generator, discriminator=discriminator)
        return dataclasses.replace(self, recipe=recipe, phases=schedule.phases(rows))

    def extended(self, state: states.State, saved: "Run", nimg: int) -> states.State:
        """`state`, which `saved` had after `nimg` images, as this run resumes with it: new layers, a new phase."""
        phase, r = self.at(nimg).phase, self.recipe
        if saved.recipe.discriminator != r.discriminator:  # it has grown, or has heads on features now
            state = extending.overlaid(self.new_state(phase), state)
        if saved.at(nimg).phase.resolution_px != phase.resolution_px:
            state = states.enter(state, phase, r.g_adam, r.d_adam, self.history_depth)
        return state

    def params_shape(self) -> tuple[Params, Params]:
        """Shapes of both networks' parameters."""
        return jax.eval_shape(lambda: states.init_params(self.seed, self.recipe.generator, self.recipe.discriminator))

    def loss_networks(self, nimg: int) -> tuple[str, ...]:
        """Published networks that a loss has used after `nimg` images: VGG16, of the feature loss and of LPIPS."""
        begun = [phase for phase in self.phases if phase.start_nimg < nimg]
        weights = self.recipe.lambdas.feat, self.recipe.feature_min_px
        used = any(p.row.lpips or p.row.patches or (weights[0] and p.resolution_px >= weights[1]) for p in begun)
        return ("vgg16",) if used else ()

    def at(self, nimg: int) -> schedule.Moment:
        return schedule.at(self.phases, nimg, warmup_kimg=self.warmup_kimg)
