"""From a config to networks and a `Recipe`: what a training step is made of."""

import dataclasses
import math
from typing import Any, get_args

from fec_jax import schedule
from fec_jax.config.keys import Keys
from fec_jax.losses.adversarial import KINDS
from fec_jax.losses.total import Lambdas
from fec_jax.masks.sampler import MaskSampler
from fec_jax.nets import layers, offset, prior, vgg16
from fec_jax.nets.discriminator import Discriminator
from fec_jax.nets.generator import Generator, Skip
from fec_jax.train import optimizers, steps
from fec_jax.train.augment import Augment
from fec_jax.types import UserError


def _ema(keys: Keys) -> optimizers.Ema:
    halflife_kimg = keys.number("ema.halflife_kimg")
    if keys.get("init_from", str):  # there is no random start to leave
        return optimizers.Ema(halflife_kimg, rampup=math.inf)
    return optimizers.Ema(halflife_kimg)


def read_recipe(keys: Keys, phases: tuple[schedule.Phase, ...], names: tuple[str, ...]) -> steps.Recipe:
    """What is the same in all `phases`."""
    final_px = phases[-1].resolution_px
    on_features = any(phase.row.patches for phase in phases)
    generator, discriminator = _networks(keys, final_px, len(names), on_features)
    if not names:
        keys.idle("loss.flip_shift", 0.0, "data without attributes")
        keys.idle("loss.flip_shift_of", (), "data without attributes")
        keys.idle("loss.flip_to_face", False, "data without attributes")
    if not keys.number("loss.r1_gamma"):
        keys.idle("loss.r1_attr", 0.0, "config.loss.r1_gamma = 0")
    if not keys.number("d_augment.noise"):
        keys.idle("d_augment.clean", 0.0, "config.d_augment.noise = 0")
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
            eps=keys.number(f"{name}.eps", 1e-12),  # with 0, zero gradients of later layers would become NaN
        )

    return steps.Recipe(
        generator=generator,
        discriminator=discriminator,
        mask_px=final_px,
        sampler=MaskSampler(
            **_mask_shares(keys),
            min_side=sides[0],
            max_side=sides[1],
            cells=keys.whole("mask.cells", 1),
            threshold=keys.number("mask.threshold", 0, 0.95),
            min_area=areas[0],
            max_area=areas[1],
        ),
        lambdas=Lambdas(**{f.name: keys.number(f"loss.{f.name}") for f in dataclasses.fields(Lambdas)}),
        g_adam=adam("g_adam"),
        d_adam=adam("d_adam"),
        g_optimizer=keys.one_of("g_optimizer", ("adam", "muon")),
        d_lr_factor=keys.number("d_lr_factor"),
        d_attr=keys.number("loss.d_attr"),
        ema=_ema(keys),
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
            clean=keys.number("d_augment.clean", 0, 1),
        ),
        d_sees=keys.one_of("loss.d_sees", ("fake", "completed")),
        feat_sees=keys.one_of("loss.feat_sees", ("fake", "completed")),
        feat_share=_feat_share(keys),
        feat_px=_feat_px(keys),
        feat_pooled=_feat_pooled(keys),
        adversarial=keys.one_of("loss.adversarial", KINDS),
        rec_alpha=keys.number("loss.rec_alpha", 0, 1),
        rim=keys.number("loss.rim", 0, 0.25),
        rec_on_flipped=keys.number("loss.rec_on_flipped", 0, 1),
        r1_gamma=keys.number("loss.r1_gamma"),
        r1_attr=keys.number("loss.r1_attr"),
        r1_every=keys.whole("loss.r1_every", 1),
        keep_probability=keys.number("keep_probability", 0, 1),
        most_flips=keys.whole("most_flips", 1),
        flip_shift=_flip_shift(keys, names),
        flip_to_face=keys.get("loss.flip_to_face", bool),
        history_share=keys.number("history.share", 0, 1),
        feature_min_px=keys.whole("loss.feature_min_px", 4),
    )


def _mask_shares(keys: Keys) -> dict[str, float]:
    shares = {
        name: keys.number(f"mask.{name}", 0, 1) for name in ("center_share", "wide_share", "box_share", "stroke_share")
    }
    if sum(shares.values()) > 1 + 1e-9:
        found = ", ".join(f"config.mask.{name} {share:g}" for name, share in shares.items())
        raise UserError(f"{found}: together they must be at most 1, and what is left are the paper's masks")
    return shares


def _networks(keys: Keys, final_px: int, num_attrs: int, on_features: bool) -> tuple[Generator, Discriminator]:
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
        prior=_prior(keys, final_px, growth),
        offset=_offset(keys, final_px),
        **width("generator"),
    )
    discriminator = {"dtype": dtype, "on_features": on_features, **width("discriminator")}
    return generator, Discriminator(max_px=final_px, num_attrs=num_attrs, **discriminator)


def _prior(keys: Keys, final_px: int, growth: layers.Growth) -> int:
    count = keys.whole("generator.prior", 0, prior.LARGEST)
    if count and (growth != "add" or final_px < prior.PX):
        raise UserError(
            f"config.generator.prior is {count}: it needs config.growth = 'add' and a config.resolution_px of "
            f"{prior.PX} or more; use 0 for none"
        )
    return count


def _offset(keys: Keys, final_px: int) -> bool:
    wanted = keys.get("generator.offset", bool)
    if wanted and final_px < offset.FROM_PX:
        raise UserError(
            f"config.generator.offset is True: it needs a config.resolution_px of {offset.FROM_PX} or more; use False"
        )
    return wanted


def _feat_share(keys: Keys) -> float:
    share = keys.number("loss.feat_share", 0, 1)
    if not share or abs(1 / share - round(1 / share)) > 0.05:
        raise UserError(
            f"config.loss.feat_share is {share:g}: it must be 1 or a whole part of it, 0.5, 0.25 or 0.1, say"
        )
    return share


def _feat_px(keys: Keys) -> int:
    side, smallest = keys.whole("loss.feat_px"), max(vgg16.SMALLEST_PX, keys.whole("loss.feature_min_px", 4))
    if 0 < side < smallest:
        raise UserError(f"config.loss.feat_px is {side}: below {smallest} px there is no feature loss; use 0 for all")
    return side


def _feat_pooled(keys: Keys) -> float:
    weight, side, final_px = keys.number("loss.feat_pooled"), keys.whole("loss.feat_px"), keys.whole("resolution_px")
    if weight and not side:
        raise UserError(f"config.loss.feat_pooled is {weight:g}, but config.loss.feat_px is 0: no image is pooled")
    if weight and final_px % side:
        raise UserError(f"config.loss.feat_px is {side}: images of {final_px} px are not pooled to it (feat_pooled)")
    return weight


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
