"""From a config to a run: the only reader of ConfigDict. What cannot work is said here, before anything is compiled."""

import dataclasses
import functools
import json
from collections.abc import Callable
from typing import Any, get_args

import jax
from ml_collections import ConfigDict

from fec_jax import masks, schedule
from fec_jax.data.pooled import Pooled
from fec_jax.data.source import Source, open_source
from fec_jax.data.synthetic import DrawnFaces
from fec_jax.keys import Keys
from fec_jax.losses.adversarial import KINDS
from fec_jax.losses.total import Lambdas
from fec_jax.metrics import mask_sets
from fec_jax.metrics.extra import need
from fec_jax.nets import layers, published
from fec_jax.nets.discriminator import Discriminator
from fec_jax.nets.generator import Generator, Skip
from fec_jax.train import optimizers, parallel, steps
from fec_jax.train.augment import Augment
from fec_jax.train.run import Every, Run
from fec_jax.types import UserError

Sources = Callable[[int], Source]


def build(config: ConfigDict) -> Run:
    """The run that a config describes.

    Raises UserError, naming the key, for unknown, unused, missing and impossible values, data that is not there, and
    attributes that the data does not have.
    """
    keys = Keys(config.to_dict())
    phases = _phases(keys)
    final_px = phases[-1].resolution_px
    train, test = map(functools.cache, _sources(keys, final_px))
    run = _run(keys, phases, train(final_px).attribute_names, train, test, _plain(config))
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
        for source in (train, test):
            source(phase.resolution_px)
    return run


def networks_only(config: dict[str, Any], names: tuple[str, ...]) -> Run:
    """A run to read checkpoints with, on a machine that need not have its data: its sources raise UserError."""

    def nothing(resolution_px: int) -> Source:
        raise UserError(f"no data at {resolution_px} px: this run was opened for its networks only")

    keys = Keys(config)
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
    smallest = max(published.SMALLEST_PX, keys.whole("loss.feature_min_px", 4))
    if weight and px < smallest:
        raise UserError(
            f"config.schedule.px{px}.lpips is {weight:g}: below {smallest} px (LPIPS's own {published.SMALLEST_PX}, or "
            "config.loss.feature_min_px) there is no feature loss; use 0"
        )
    return weight


def _sources(keys: Keys, final_px: int) -> tuple[Sources, Sources]:
    """Training and held-out photos by resolution."""
    kind, names = keys.one_of("data.kind", ("drawn", "prepared")), keys.get("attributes", tuple)
    if kind == "drawn":
        seed = keys.whole("data.seed")
        for name, neutral in (("path", ""), ("train_split", "train"), ("test_split", "test")):
            keys.idle(f"data.{name}", neutral, "config.data.kind = 'drawn'")

        def drawn(size: int, split: str) -> Sources:
            # Small faces are pooled from one set that stays in memory; large ones are drawn as they are needed.
            if final_px <= 128:
                whole = DrawnFaces(size, final_px, seed, split)
                return lambda px: Pooled(whole, px, names)
            return lambda px: Pooled(DrawnFaces(size, px, seed, split), px, names)

        return drawn(keys.whole("data.train_size", 1), "train"), drawn(keys.whole("data.test_size", 1), "test")
    for name, neutral in (("train_size", 8192), ("test_size", 256), ("seed", 0)):
        keys.idle(f"data.{name}", neutral, "config.data.kind = 'prepared'")
    path = keys.get("data.path", str)
    if not path:
        raise UserError("config.data.path is empty: give the folder that `fec prepare` wrote, --config.data.path=DIR")
    train, test = keys.get("data.train_split", str), keys.get("data.test_split", str)
    if train == test:
        raise UserError(f"config.data.train_split and test_split are both {train!r}: figures would be of known photos")

    def prepared(split: str) -> Sources:
        return lambda px: open_source(path, px, split, names or None)

    return prepared(train), prepared(test)


def _networks(keys: Keys, final_px: int, num_attrs: int) -> tuple[Generator, Discriminator]:
    dtype = keys.one_of("dtype", ("float32", "bfloat16"))
    growth = keys.one_of("growth", get_args(layers.Growth))
    remat_min_px = keys.whole("remat_min_px")

    def width(name: str) -> dict[str, Any]:
        base, cap = keys.whole(f"{name}.base", 1), keys.whole(f"{name}.cap", 1)
        if base < final_px:
            raise UserError(f"config.{name}.base is {base}: it must be at least config.resolution_px, {final_px}")
        return {"base": base, "cap": cap, "growth": growth, "remat_min_px": remat_min_px}

    generator = Generator(
        max_px=final_px,
        num_attrs=num_attrs,
        latent=keys.whole("generator.latent", 1),
        skip=keys.one_of("generator.skip", get_args(Skip)),
        dtype=dtype,
        **width("generator"),
    )
    return generator, Discriminator(max_px=final_px, num_attrs=num_attrs, dtype=dtype, **width("discriminator"))


def _recipe(keys: Keys, final_px: int, names: tuple[str, ...]) -> steps.Recipe:
    generator, discriminator = _networks(keys, final_px, len(names))
    if not names:
        keys.idle("loss.attr_sees", "photo", "data without attributes")  # it would cost a pass through D
        keys.idle("loss.flip_shift", 0.0, "data without attributes")
        keys.idle("loss.flip_shift_of", (), "data without attributes")
    sides = keys.number("mask.min_side", 0, 1), keys.number("mask.max_side", 0, 1)
    if not 0 < sides[0] <= sides[1]:
        raise UserError(f"config.mask.min_side and max_side are {sides}: they must be above 0 and in this order")
    areas = keys.number("mask.min_area", 0.01, 0.95), keys.number("mask.max_area", 0.01, 0.95)
    if areas[0] > areas[1]:
        raise UserError(f"config.mask.min_area and max_area are {areas}: they must be in this order")

    def adam(name: str) -> optimizers.Adam:
        return optimizers.Adam(
            b1=keys.number(f"{name}.b1", 0, 0.9999),
            b2=keys.number(f"{name}.b2", 0, 0.9999),
            eps=keys.number(f"{name}.eps", 1e-12),  # with 0, the zero gradients of unborn layers would become NaN
        )

    return steps.Recipe(
        generator=generator,
        discriminator=discriminator,
        mask_px=final_px,
        sampler=masks.MaskSampler(
            min_side=sides[0],
            max_side=sides[1],
            cells=keys.whole("mask.cells", 1),
            threshold=keys.number("mask.threshold", 0, 0.95),
            center_share=keys.number("mask.center_share", 0, 1),
            wide_share=keys.number("mask.wide_share", 0, 1),
            stroke_share=keys.number("mask.stroke_share", 0, 1),
            box_share=keys.number("mask.box_share", 0, 1),
            min_area=areas[0],
            max_area=areas[1],
        ),
        lambdas=Lambdas(**{f.name: keys.number(f"loss.{f.name}") for f in dataclasses.fields(Lambdas)}),
        g_adam=adam("g_adam"),
        d_adam=adam("d_adam"),
        d_lr_factor=keys.number("d_lr_factor"),
        ema=optimizers.Ema(halflife_kimg=keys.number("ema.halflife_kimg"), rampup=keys.number("ema.rampup")),
        augment=Augment(
            mirror=keys.get("augment.mirror", bool),
            color=keys.number("augment.color", 0, 1),
            shift=keys.number("augment.shift", 0, 0.5),
            scale=keys.number("augment.scale", 0, 0.5),
        ),
        d_augment=Augment(
            color=keys.number("d_augment.color", 0, 1),
            shift=keys.number("d_augment.shift", 0, 0.5),
            cutout=keys.number("d_augment.cutout", 0, 1),
            noise=keys.number("d_augment.noise"),
        ),
        d_sees=keys.one_of("loss.d_sees", ("fake", "completed")),
        attr_sees=keys.one_of("loss.attr_sees", ("photo", "transplanted")),
        feat_sees=keys.one_of("loss.feat_sees", ("fake", "completed")),
        feat_share=keys.number("loss.feat_share", 0, 1),
        feat_px=_feat_px(keys),
        adversarial=keys.one_of("loss.adversarial", KINDS),
        rec_alpha=keys.number("loss.rec_alpha", 0, 1),
        rec_on_flipped=keys.number("loss.rec_on_flipped", 0, 1),
        attr_on_kept=keys.number("loss.attr_on_kept", 0, 1),
        r1_gamma=keys.number("loss.r1_gamma"),
        r1_attr=keys.number("loss.r1_attr"),
        r1_every=keys.whole("loss.r1_every", 1),
        keep_probability=keys.number("keep_probability", 0, 1),
        most_flips=keys.whole("most_flips", 1),
        flip_shift=_flip_shift(keys, names),
        history_share=keys.number("history.share", 0, 1),
        feature_min_px=keys.whole("loss.feature_min_px", 4),
        feature_chunk_pixels=2 * 64**2 if jax.default_backend() == "cpu" else None,
    )


def _feat_px(keys: Keys) -> int:
    side, smallest = keys.whole("loss.feat_px"), max(published.SMALLEST_PX, keys.whole("loss.feature_min_px", 4))
    if 0 < side < smallest:
        raise UserError(f"config.loss.feat_px is {side}: below {smallest} px there is no feature loss; use 0 for all")
    return side


def _flip_shift(keys: Keys, names: tuple[str, ...]) -> float | tuple[float, ...]:
    usual, pairs = keys.number("loss.flip_shift"), keys.get("loss.flip_shift_of", tuple)
    if not pairs:
        return usual
    others: dict[str, float] = {}
    for pair in pairs:
        if not (isinstance(pair, tuple | list) and len(pair) == 2 and isinstance(pair[1], int | float)):
            raise UserError(f"config.loss.flip_shift_of has {pair!r}: write ((name of an attribute, number), ...)")
        name, times = pair
        if name not in names:
            raise UserError(f"config.loss.flip_shift_of has {name!r}: the attributes are {', '.join(names)}")
        if not 0 <= times < float("inf"):
            raise UserError(f"config.loss.flip_shift_of has {times} for {name}: it must be at least 0")
        others[name] = float(times)
    return tuple(others.get(name, usual) for name in names)


def _run(
    keys: Keys,
    phases: tuple[schedule.Phase, ...],
    names: tuple[str, ...],
    train: Sources,
    test: Sources,
    config: dict[str, Any],
) -> Run:
    return Run(
        recipe=_recipe(keys, phases[-1].resolution_px, names),
        phases=phases,
        warmup_kimg=keys.number("lr_warmup_kimg"),
        seed=keys.whole("seed", 0, 2**31 - 1),
        attribute_names=names,
        train_source=train,
        test_source=test,
        history_depth=keys.whole("history.depth"),
        mode=keys.one_of("parallel", get_args(parallel.Mode)),
        every=Every(**{f.name: keys.number(f"every.{f.name}") for f in dataclasses.fields(Every)}),
        grid_images=keys.whole("grid_images", 1),
        eval_images=keys.whole("eval_images"),
        eval_masks=_eval_masks(keys),
        keep_checkpoints=keys.whole("keep_checkpoints", 1),
        max_rollbacks=keys.whole("max_rollbacks"),
        threads=keys.whole("data.threads"),
        config=config,
    )


def _eval_masks(keys: Keys) -> tuple[str, ...]:
    names = keys.get("eval_masks", tuple)
    for name in names:
        if name not in mask_sets.NAMES:
            raise UserError(f"config.eval_masks has {name!r}: mask sets are {', '.join(mask_sets.NAMES)}")
    for package in ("scipy", "skimage") if names else ():
        need(package)  # said now, not after hours
    return names


def _plain(config: ConfigDict) -> dict[str, Any]:
    """The config as JSON gives it back (tuples are lists)."""
    return json.loads(json.dumps(config.to_dict()))
