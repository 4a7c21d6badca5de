"""When the networks grow: a table, and one pure function of images seen.

A run walks through resolutions 4, 8, ... px. Each begins with a fade, in which alpha goes from 0 to 1 and blends the
new layers of G and D in, followed by a stable phase at alpha 1 (paper, section "Training"). No other
module computes where a phase begins: not the loop, not the checkpoints, not the learning rate.
"""

import dataclasses
import math
from collections.abc import Sequence


@dataclasses.dataclass(frozen=True)
class Row:
    """One resolution of the table that a config holds."""

    resolution_px: int
    fade_kimg: float
    """Length of the phase that fades the new layers in, in thousands of images, rounded up to whole batches."""
    stable_kimg: float
    """Length of the phase after it."""
    batch: int
    """Images per step, over all devices."""
    lr: float
    """Learning rate from the first image on."""
    lr_end: float
    """Learning rate at the end of the stable phase, reached along a half cosine."""
    d_terms: float = 1.0
    """Factor of G's two losses that come from D (adversarial, attribute): their share grows with the resolution."""
    lpips: float = 0.0
    """Weight of LPIPS, which then replaces the feature loss; 0: the feature loss."""
    adv: float = 1.0
    """A further factor of the adversarial loss alone."""
    noise: float = 1.0
    """Factor of the noise on what D sees. Noise hides fine texture: lower it where D has to learn texture."""
    patches: float = 0.0
    """Weight of the game of D's heads on VGG16's features, beside 1 for D's own (`train.patches`); 0: none."""


@dataclasses.dataclass(frozen=True)
class Phase:
    """A stretch [start_nimg, end_nimg) of images seen with one resolution, batch and kind (`fade` or `stable`)."""

    index: int
    kind: str
    row: Row
    start_nimg: int
    end_nimg: int
    grows: bool
    """Whether this phase is the first of its resolution, where optimisers and history are reset."""

    @property
    def resolution_px(self) -> int:
        return self.row.resolution_px

    @property
    def batch(self) -> int:
        return self.row.batch

    @property
    def name(self) -> str:
        return f"{self.kind} {self.resolution_px} px"


@dataclasses.dataclass(frozen=True)
class Moment:
    """All that depends on the clock: the phase, alpha in [0, 1], the learning rate, and whether the run is over."""

    phase: Phase
    nimg: int
    alpha: float
    lr: float
    done: bool


def phases(rows: Sequence[Row]) -> tuple[Phase, ...]:
    """The phases of a table, in order. The first resolution has nothing to fade from: its `fade_kimg` must be 0.

    Raises ValueError for a table whose resolutions do not double from row to row, or with a negative or empty length.
    """
    if not rows:
        raise ValueError("the schedule has no rows")
    result: list[Phase] = []
    nimg = 0
    for i, row in enumerate(rows):
        if i and row.resolution_px != 2 * rows[i - 1].resolution_px:
            raise ValueError(
                f"resolution {row.resolution_px} px follows {rows[i - 1].resolution_px} px: it must double"
            )
        if row.fade_kimg < 0 or row.stable_kimg < 0 or row.fade_kimg + row.stable_kimg <= 0:
            raise ValueError(f"{row.resolution_px} px: fade_kimg and stable_kimg must be >= 0 and not both 0")
        if i == 0 and row.fade_kimg:
            raise ValueError(
                f"{row.resolution_px} px is the first resolution: there is nothing to fade from (fade_kimg)"
            )
        for kind, kimg in (("fade", row.fade_kimg), ("stable", row.stable_kimg)):
            if kimg:
                end = nimg + math.ceil(kimg * 1000 / row.batch) * row.batch
                grows = bool(i) and (not result or result[-1].resolution_px != row.resolution_px)
                result.append(Phase(len(result), kind, row, nimg, end, grows))
                nimg = end
    return tuple(result)


def by_resolution(phases: Sequence[Phase]) -> list[list[Phase]]:
    """The phases of every resolution, its fade before its stable phase."""
    grouped: dict[int, list[Phase]] = {}
    for phase in phases:
        grouped.setdefault(phase.resolution_px, []).append(phase)
    return list(grouped.values())


def total_nimg(phases: Sequence[Phase]) -> int:
    """Images of the whole run."""
    return phases[-1].end_nimg


def at(phases: Sequence[Phase], nimg: int, *, warmup_kimg: float = 0.0) -> Moment:
    """The state of the schedule after `nimg` images, for the next step.

    On a border the later phase counts; at and past the end the last phase does, with `done`. Alpha is
    (nimg - start) / (end - start) in a fade and 1 otherwise. The learning rate rises linearly over the first
    `warmup_kimg` of every resolution, so that fresh optimiser statistics do not disturb the older layers.
    """
    phase = next((p for p in phases if nimg < p.end_nimg), phases[-1])
    row = phase.row
    progress = min((nimg - phase.start_nimg) / (phase.end_nimg - phase.start_nimg), 1.0)
    alpha = progress if phase.kind == "fade" else 1.0
    lr = row.lr
    if phase.kind == "stable":
        lr = row.lr_end + (row.lr - row.lr_end) * 0.5 * (1 + math.cos(math.pi * progress))
    if warmup_kimg:
        grown_at = next(p for p in phases if p.resolution_px == row.resolution_px).start_nimg
        lr *= min(1.0, (nimg - grown_at + row.batch) / (warmup_kimg * 1000))
    return Moment(phase, nimg, alpha, lr, nimg >= phases[-1].end_nimg)


def crossed(before: int, nimg: int, kimg: float) -> bool:
    """Whether a multiple of `kimg` thousand images lies in (before, nimg]."""
    every = max(1, round(kimg * 1000))
    return bool(kimg) and nimg // every > before // every
