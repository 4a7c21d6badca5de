"""What a training step is given, and the figures that it gives back."""

import dataclasses
from typing import Any, Literal

import flax.struct

from fec_jax import masks
from fec_jax.losses.total import Lambdas
from fec_jax.nets.discriminator import Discriminator
from fec_jax.nets.generator import Generator
from fec_jax.train import optimizers
from fec_jax.train.augment import Augment
from fec_jax.types import Params


@dataclasses.dataclass(frozen=True)
class Recipe:
    """Everything that stays the same from the first step of a run to the last.

    mask_px: the final resolution, at which masks are drawn. d_sees: D's fakes are G's whole images (paper) or the
    completed ones. attr_sees: what D's attribute head learns from: photos (paper), or what they have in the hole,
    in the context of another photo: the head then looks where G can do something about it, and not at a tie, which
    G cannot take away, to tell a man from a woman. feat_sees: as d_sees, for the feature loss. feat_share: the
    part of the batch that the feature loss looks at: half of it is right on average, at half the cost. feat_px: of
    larger images it looks at a square window of this side, its place drawn anew each time; 0: at all. adversarial:
    kind of G's adversarial loss. rec_alpha: weight of the hole in the reconstruction loss. rec_on_flipped: how
    strongly, from 0 to 1 (paper), examples whose wish differs from the photo are still drawn to the photo inside
    the hole. attr_on_kept: how strongly, from 0 to 1 (paper), the attribute loss teaches G at the other examples,
    whose photos show what it asks for anyway; less leaves them to the reconstruction. r1_gamma, r1_every: weight of
    D's gradient penalty, per pixel of the image (gamma = r1_gamma * r * r: a penalty that leaves D its eyes at 64
    px makes it blind at 8 px), and how often it is computed (then `r1_every` times as heavy). r1_attr: how much of
    it every attribute logit gets, beside 1 for the real/fake logit: a head whose answers turn at the slightest
    change is fooled rather than satisfied. keep_probability: of asking for the photo's own attributes; otherwise one
    to most_flips (paper: 1) of them are flipped. flip_shift: where a wish contradicts the photo, reconstruction and
    feature loss ask for the photo moved so many times along the attribute's direction, see `Given`, one number for
    all attributes or one for each; 0 (paper): for the photo. history_share: how often D is shown an older
    completion. feature_min_px: below it the feature loss is off: VGG16 never saw such sizes. feature: what the
    feature loss is, the paper's or LPIPS; of the phase.
    feature_chunk_pixels: images go through the feature loss in chunks of about so many pixels; None: at once.
    shares_every: steps between those that measure `Metrics.share`, which costs one more pass through D; 0: never.
    d_terms: of the phase, see `schedule.Row`.
    """

    generator: Generator
    discriminator: Discriminator
    mask_px: int
    sampler: masks.MaskSampler = masks.MaskSampler()
    lambdas: Lambdas = Lambdas()
    g_adam: optimizers.Adam = optimizers.Adam()
    d_adam: optimizers.Adam = optimizers.Adam()
    d_lr_factor: float = 1.0
    ema: optimizers.Ema = optimizers.Ema()
    augment: Augment = Augment(mirror=True)
    d_augment: Augment = Augment()
    d_sees: Literal["fake", "completed"] = "fake"
    attr_sees: Literal["photo", "transplanted"] = "photo"
    feat_sees: Literal["fake", "completed"] = "fake"
    feat_share: float = 1.0
    feat_px: int = 0
    adversarial: Literal["nonsaturating", "minimax"] = "nonsaturating"
    rec_alpha: float = 0.7
    rec_on_flipped: float = 1.0
    attr_on_kept: float = 1.0
    r1_gamma: float = 0.0
    r1_every: int = 1
    r1_attr: float = 0.0
    keep_probability: float = 0.5
    most_flips: int = 1
    flip_shift: float | tuple[float, ...] = 0.0
    history_share: float = 0.5
    feature: Literal["relu2_2", "lpips"] = "relu2_2"
    feature_min_px: int = 16
    feature_chunk_pixels: int | None = None
    shares_every: int = 16
    d_terms: float = 1.0


@flax.struct.dataclass
class Batch:
    """real: photos of the phase's size, uint8 [b, r, r, 3]. attrs: their labels, uint8 [b, n]. Split over devices."""

    real: Any
    attrs: Any


@flax.struct.dataclass
class Given:
    """What every step is given anew and none changes, the same on all devices.

    vgg: parameters of `vgg16.relu2_2`; those of `losses.feature.lpips`, of which they are a part, if a phase asks for
    it. directions: of the attributes, float32 [n, d, d, 3], what each adds to the average face (`fitting.directions`);
    None for a recipe whose `flip_shift` is 0.
    """

    vgg: Params
    directions: Any = None


@flax.struct.dataclass
class Clock:
    """What the host says about this step, in scalars: alpha and lr, float32; seed, a key; stream, int32.

    stream: number of the global batch's first example among all ever drawn.
    """

    alpha: Any
    lr: Any
    stream: Any
    seed: Any


@flax.struct.dataclass
class Metrics:
    """Means over the global batch, float32 scalars. raw, share: dicts by loss, see `TERMS`.

    share: the norm of the gradient of lambda * loss with respect to G's output, over the sum of these norms: how much
    each loss says in what G learns, before the way through G, which is the same for all. NaN in the steps that do not
    measure it.
    r1: D's gradient penalty before its weight; 0 in the steps between. real_logit, fake_logit: D's. finite: whether
    every loss and gradient of this step is a number.
    """

    g_loss: Any
    d_loss: Any
    d_attr: Any
    r1: Any
    real_logit: Any
    fake_logit: Any
    raw: dict[str, Any]
    share: dict[str, Any]
    g_grad_norm: Any
    d_grad_norm: Any
    from_history: Any
    finite: Any
