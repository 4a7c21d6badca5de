"""Inputs of a training step, and the figures that it returns."""

import dataclasses
from typing import Any, Literal

import flax.struct

from fec_jax.losses.total import Lambdas
from fec_jax.masks.sampler import MaskSampler
from fec_jax.nets.discriminator import Discriminator
from fec_jax.nets.generator import Generator
from fec_jax.train import optimizers
from fec_jax.train.augment import Augment
from fec_jax.train.flat import Kernels
from fec_jax.types import Params


@dataclasses.dataclass(frozen=True)
class Recipe:
    """Everything that stays the same from the first step of a run to the last. [ours] where nothing is said."""

    generator: Generator
    discriminator: Discriminator
    mask_px: int
    """The final resolution: masks are sampled at it and pooled."""
    sampler: MaskSampler = MaskSampler()
    lambdas: Lambdas = Lambdas()
    g_adam: optimizers.Adam = optimizers.Adam()
    d_adam: optimizers.Adam = optimizers.Adam()
    g_optimizer: Literal["adam", "muon"] = "adam"
    """muon: of G's convolutions, with `g_adam.b1` as its momentum; the rest of G is Adam's."""
    d_lr_factor: float = 1.0
    """D's learning rate, in units of G's."""
    d_attr: float = 1.0
    """[paper: 1] Factor of the attribute loss where D learns: less leaves more of D to tell real from fake."""
    ema: optimizers.Ema = optimizers.Ema()
    augment: Augment = Augment(mirror=True)
    """Of the photos."""
    d_augment: Augment = Augment()
    """Of all that D sees, photos and completions alike."""
    d_sees: Literal["fake", "completed"] = "fake"
    """What D sees as fake: G's whole image [paper], or the hole pasted into the photo."""
    feat_sees: Literal["fake", "completed"] = "fake"
    """The same for the feature loss."""
    feat_share: float = 1.0
    """Share of the batch that the feature loss sees; the cost falls likewise."""
    feat_px: int = 0
    """Side of the random square window that the feature loss sees of larger images; 0: the whole image."""
    feat_pooled: float = 0.0
    """Weight of the feature loss of such whole images, pooled to the window's side, beside 1 for the window."""
    adversarial: Literal["nonsaturating", "minimax"] = "nonsaturating"
    """Kind of G's adversarial loss; minimax [paper]."""
    rec_alpha: float = 0.7
    """[paper] Weight of the hole in the reconstruction loss."""
    rec_on_flipped: float = 1.0
    """0 to 1 [paper: 1]: pull towards the photo inside the hole where an attribute was flipped: of the reconstruction,
    feature and boundary loss."""
    rim: float = 0.0
    """How far from the seam the boundary loss reaches, as a share of the side; 0 [paper]: 4 px at every size."""
    r1_gamma: float = 0.0
    """Weight of D's gradient penalty, per pixel: gamma = r1_gamma * r * r, so that it acts alike at every size."""
    r1_every: int = 1
    """Steps between penalties; each is multiplied by this number."""
    r1_attr: float = 0.0
    """Weight of every attribute logit in the penalty, beside 1 for real/fake: a smooth head is harder to fool."""
    keep_probability: float = 0.5
    """[paper] Probability of no edit; otherwise one to `most_flips` attributes are flipped."""
    most_flips: int = 1
    """[paper: 1] Most attributes that are flipped at once."""
    flip_shift: float | tuple[float, ...] = 0.0
    """Where an attribute was flipped, the target of these losses is the photo plus so many times the attribute's
    direction (see `Constants`): one number for all, or one for each. 0 [paper]: the photo itself."""
    history_share: float = 0.5
    """How often D sees an earlier completion."""
    flip_to_face: bool = False
    """Where an attribute was flipped, the target shows another face in the hole instead (see `lookalikes`)."""
    patches: float = 0.0
    """Weight of the game of D's heads on VGG16's features, beside 1 for D's own; 0: none. Of the phase."""
    feature: Literal["relu2_2", "lpips"] = "relu2_2"
    """What the feature loss is: the paper's, or LPIPS. Of the phase."""
    feature_min_px: int = 16
    """Below this there is no feature loss: VGG16 was not trained on such sizes."""
    shares_every: int = 16
    """Steps between those that measure `Metrics.share`, which costs one more pass through D; 0: never."""
    kernels: Kernels | None = None
    """How kernels lie in the vectors that a step updates; None: as this machine's devices want them."""
    d_terms: float = 1.0
    """Factor of G's two losses that come from D. Of the phase, see `schedule.Row`."""


@flax.struct.dataclass
class Batch:
    """real: photos of the phase's size, uint8 [b, r, r, 3]. attrs: their labels, uint8 [b, n]. Split over devices."""

    real: Any
    attrs: Any


@flax.struct.dataclass
class Constants:
    """Constant inputs of every step, the same on all devices.

    vgg: parameters of `vgg16.relu2_2`; those of `losses.feature.lpips`, of which they are a part, if a phase asks for
    it. directions: of the attributes, float32 [n, d, d, 3], what each adds to the average face (`train.directions`);
    None for a recipe whose `flip_shift` is 0. faces: `lookalikes.Faces`; None without `flip_to_face`.
    """

    vgg: Params
    directions: Any = None
    faces: Any = None


@flax.struct.dataclass
class Clock:
    """The host's scalars for this step: alpha and lr, float32; seed, a key; stream, int32.

    stream: number of the global batch's first example among all of the run.
    """

    alpha: Any
    lr: Any
    stream: Any
    seed: Any


@flax.struct.dataclass
class Metrics:
    """Means over the global batch, float32 scalars. raw, share: dicts by loss, see `TERMS`.

    share: the norm of the gradient of lambda * loss with respect to G's output, over the sum of these norms: each
    loss's share in what G learns, before the pass through G, which is the same for all. NaN in the steps that do not
    measure it.
    offset: of G's `Offset` (Huber, in 1/128 of the side, right and down added); NaN where images are not moved.
    patches: the loss of D's heads on features, their penalty included; NaN without.
    r1: D's gradient penalty before its weight; 0 in the steps between. real_logit, fake_logit: D's.
    finite: whether every loss and gradient of this step is a number; if not, networks, optimisers and history stayed as
    they were. sound: whether the parameters after the step are numbers.
    """

    g_loss: Any
    d_loss: Any
    d_attr: Any
    r1: Any
    real_logit: Any
    fake_logit: Any
    raw: dict[str, Any]
    share: dict[str, Any]
    offset: Any
    patches: Any
    g_grad_norm: Any
    d_grad_norm: Any
    from_history: Any
    finite: Any
    sound: Any
