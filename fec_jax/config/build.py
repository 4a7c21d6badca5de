"""From a ConfigDict to a run: the meaning of every key. Impossible values are refused before anything is compiled."""

import dataclasses
import functools
import json
import logging
from collections.abc import Callable
from typing import Any, get_args

import jax
from ml_collections import ConfigDict

from fec_jax import schedule
from fec_jax.config import older
from fec_jax.config.keys import Keys
from fec_jax.config.recipe import read_recipe
from fec_jax.data.pooled import Pooled
from fec_jax.data.source import Source, open_source, splits_of
from fec_jax.data.synthetic.source import SyntheticFaces
from fec_jax.masks import sets as mask_sets
from fec_jax.metrics.extra import need
from fec_jax.nets import layers, vgg16
from fec_jax.train import parallel, patches
from fec_jax.train.recipe import Recipe
from fec_jax.train.run import Every, Run
from fec_jax.types import UserError
from fec_jax.weights import published

log = logging.getLogger(__name__)

Sources = Callable[[int], Source]


def build(config: ConfigDict) -> Run:
    """The run that a config describes.

    Raises UserError, naming the key, for unknown, unused, missing and impossible values, data that is not there, and
    attributes that the data does not have.
    """
    keys = Keys(config.to_dict())
    phases = _phases(keys)
    final_px = phases[-1].resolution_px
    train, held_out = map(functools.cache, _sources(keys, final_px))
    run = _run(keys, phases, train(final_px).attribute_names, train, held_out, _plain(config))
    keys.finish()
    devices, processes = jax.device_count(), jax.process_count()
    if run.mode == "pmap" and processes > 1:
        raise UserError(f"config.parallel is 'pmap', with {processes} processes: 'shard_map' is the one for several")
    for phase in phases:
        if phase.batch % devices:
            raise UserError(
                f"config.batch.px{phase.resolution_px} is {phase.batch}: it must be a multiple of the "
                f"{devices} devices (of {processes} processes); use {max(1, round(phase.batch / devices)) * devices}"
            )
        _check_share(run.recipe, phase, devices)
        for source in (train, held_out):
            source(phase.resolution_px)
    return run


def _check_share(recipe: Recipe, phase: schedule.Phase, devices: int) -> None:
    """Which images the feature loss and D's heads on features see must not depend on the number of devices."""
    part, every, px = phase.batch // devices, round(1 / recipe.feat_share), phase.resolution_px
    seen = phase.row.lpips or phase.row.patches or (recipe.lambdas.feat and px >= recipe.feature_min_px)
    if devices > 1 and seen and part % every:
        raise UserError(
            f"config.loss.feat_share is {recipe.feat_share:g}: of the {part} images of {px} px that each of the "
            f"{devices} devices has it takes one in {every}, which does not come out even; use another share, or make "
            f"config.batch.px{px} a multiple of {every * devices}"
        )


def networks_only(config: dict[str, Any], names: tuple[str, ...]) -> Run:
    """A run to read checkpoints with, on a machine that need not have its data: its sources raise UserError.

    `config` may be one of an earlier version, see `older.to_read`.
    """

    def nothing(resolution_px: int) -> Source:
        raise UserError(f"no data at {resolution_px} px: this run was opened for its networks only")

    keys = Keys(older.to_read(config))
    return _run(keys, _phases(keys), names, nothing, nothing, config)


def _phases(keys: Keys) -> tuple[schedule.Phase, ...]:
    final_px = keys.whole("resolution_px", 4, 1024)
    try:
        layers.resolutions(final_px)
    except ValueError as error:
        raise UserError(f"config.resolution_px: {error}") from error
    sizes = []
    for name in keys.below("schedule"):
        if not name.removeprefix("px").isdigit():
            raise UserError(f"config.schedule.{name}: rows are named px4, px8, ... by their resolution")
        sizes.append(int(name.removeprefix("px")))
    sizes.sort()
    if not sizes or sizes[-1] != final_px:
        raise UserError(
            f"config.schedule must end with px{final_px}, the row of config.resolution_px; it has "
            f"{', '.join(f'px{px}' for px in sizes) or 'no rows'}"
        )
    rows = [
        schedule.Row(
            resolution_px=px,
            fade_kimg=keys.number(f"schedule.px{px}.fade_kimg"),
            stable_kimg=keys.number(f"schedule.px{px}.stable_kimg"),
            lr=keys.number(f"schedule.px{px}.lr"),
            lr_end=keys.number(f"schedule.px{px}.lr_end"),
            batch=keys.whole(f"batch.px{px}", 1),
            d_terms=keys.number(f"schedule.px{px}.d_terms"),
            lpips=_lpips(keys, px),
            adv=keys.number(f"schedule.px{px}.adv"),
            noise=keys.number(f"schedule.px{px}.noise"),
            patches=_patches(keys, px),
        )
        for px in sizes
    ]
    try:
        for px in sizes:
            layers.resolutions(px)
        return schedule.phases(rows)
    except ValueError as error:
        raise UserError(f"config.schedule: {error}") from error


def _lpips(keys: Keys, px: int) -> float:
    weight = keys.number(f"schedule.px{px}.lpips")
    smallest = max(vgg16.SMALLEST_PX, keys.whole("loss.feature_min_px", 4))
    if weight and px < smallest:
        raise UserError(
            f"config.schedule.px{px}.lpips is {weight:g}: below {smallest} px (LPIPS's own {vgg16.SMALLEST_PX}, or "
            "config.loss.feature_min_px) there is no feature loss; use 0"
        )
    return weight


def _patches(keys: Keys, px: int) -> float:
    weight = keys.number(f"schedule.px{px}.patches")
    if weight and px < patches.MIN_PX:
        raise UserError(
            f"config.schedule.px{px}.patches is {weight:g}: below {patches.MIN_PX} px there are no such heads; use 0"
        )
    return weight


def _sources(keys: Keys, final_px: int) -> tuple[Sources, Sources]:
    """Training and held-out photos by resolution."""
    kind, names = keys.one_of("data.kind", ("drawn", "prepared")), keys.get("attributes", tuple)
    if kind == "drawn":
        seed = keys.whole("data.seed")
        for name, neutral in (
            ("path", ""),
            ("train_split", "train"),
            ("validation_split", "validation"),
            ("alignment.eyes_apart", 0.24),
            ("alignment.eyes_middle", (0.5, 0.45)),
        ):
            keys.idle(f"data.{name}", neutral, "config.data.kind = 'drawn'")

        def drawn(size: int, split: str) -> Sources:
            # Small faces are pooled from one set, kept in memory if it fits; large ones are rendered when needed.
            if final_px <= 128:
                whole = SyntheticFaces(size, final_px, seed, split)
                return lambda px: Pooled(whole, px, names)
            return lambda px: Pooled(SyntheticFaces(size, px, seed, split), px, names)

        return drawn(keys.whole("data.train_size", 1), "train"), drawn(keys.whole("data.test_size", 1), "test")
    for name, neutral in (("train_size", 8192), ("test_size", 256), ("seed", 0)):
        keys.idle(f"data.{name}", neutral, "config.data.kind = 'prepared'")
    path = keys.get("data.path", str)
    if not path:
        raise UserError("config.data.path is empty: give the folder that `fec prepare` wrote, --config.data.path=DIR")
    train, held_out = keys.get("data.train_split", str), _validation_split(keys, path, final_px)
    if train == held_out:
        raise UserError(
            f"config.data.train_split and validation_split are both {train!r}: figures would be of known photos"
        )

    def prepared(split: str) -> Sources:
        return lambda px: open_source(path, px, split, names or None)

    return prepared(train), prepared(held_out)


def _validation_split(keys: Keys, path: str, final_px: int) -> str:
    """The split of the figures while training. Data prepared before there were three splits has only `test`."""
    split = keys.get("data.validation_split", str)
    if split == older.default("data.validation_split"):
        existing = splits_of(path, final_px)
        if split not in existing and "test" in existing:
            log.warning(
                "%s has no split %r: figures while training are of 'test'; `fec prepare` makes one in a new folder",
                path,
                split,
            )
            return "test"
    return split


def _run(
    keys: Keys,
    phases: tuple[schedule.Phase, ...],
    names: tuple[str, ...],
    train: Sources,
    held_out: Sources,
    config: dict[str, Any],
) -> Run:
    return Run(
        recipe=read_recipe(keys, phases, names),
        phases=phases,
        warmup_kimg=keys.number("lr_warmup_kimg"),
        seed=keys.whole("seed", 0, 2**31 - 1),
        attribute_names=names,
        train_source=train,
        validation_source=held_out,
        splits=(keys.get("data.train_split", str),),
        alignment=_alignment(keys),
        init_from=keys.get("init_from", str),
        history_depth=keys.whole("history.depth"),
        mode=keys.one_of("parallel", get_args(parallel.Mode)),
        every=Every(**{f.name: keys.number(f"every.{f.name}") for f in dataclasses.fields(Every)}),
        grid_images=keys.whole("grid_images", 1),
        eval_images=keys.whole("eval_images"),
        eval_masks=_eval_masks(keys),
        keep_checkpoints=keys.whole("keep_checkpoints", 1),
        max_skipped=keys.whole("max_skipped", 1),
        max_rollbacks=keys.whole("max_rollbacks"),
        threads=keys.whole("data.threads"),
        config=config,
    )


def _alignment(keys: Keys) -> dict[str, Any]:
    apart, middle = keys.number("data.alignment.eyes_apart"), keys.get("data.alignment.eyes_middle", tuple)
    if not (0 < apart < 1 and len(middle) == 2 and all(isinstance(x, float) and 0 < x < 1 for x in middle)):
        raise UserError(
            f"config.data.alignment is {apart} and {middle}: eyes_apart and the two numbers of eyes_middle are shares "
            "of the side, between 0 and 1"
        )
    return {"eyes_apart": apart, "eyes_middle": list(middle)}


def _eval_masks(keys: Keys) -> tuple[str, ...]:
    names = keys.get("eval_masks", tuple)
    for name in names:
        if name not in mask_sets.NAMES:
            raise UserError(f"config.eval_masks has {name!r}: mask sets are {', '.join(mask_sets.NAMES)}")
    if names:  # fail now, not after hours
        need("scipy")
        need("skimage")
        published.check()
    return names


def _plain(config: ConfigDict) -> dict[str, Any]:
    """The config as JSON gives it back (tuples are lists)."""
    return json.loads(json.dumps(config.to_dict()))
