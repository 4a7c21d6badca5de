"""Holes of brush strokes and boxes as other papers evaluate on: LaMa's and MAT's, drawn without a drawing library.

Each protocol is a recipe in pixels of the resolution it was published for; other resolutions get the same shapes, drawn
at their own size. Numbers are those that the published generators really use, which differ from their
settings: LaMa adds 5 px to widths, 10 px to lengths and 1 to the largest number of strokes.

LaMa: Suvorov et al., arXiv:2109.07161, github.com/advimman/lama, configs/data_gen/random_{thin,medium,thick}_256.
MAT: Li et al., arXiv:2203.15270, github.com/fenglinglwb/MAT, datasets/mask_generator_512(_small); the recipe is
CoModGAN's (Zhao et al., arXiv:2103.10428).

Random numbers are Philox's raw bits, whose stream NumPy guarantees, and whether a pixel is hole is decided by sums and
products that float64 holds exactly: the same mask on every machine, under every version.
"""

import hashlib
import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64

MOST_TRIES = 1000
Point = tuple[float, float]
"""x, y"""


class Dice:
    """Random numbers of one mask; another for every (seed, name, index)."""

    def __init__(self, seed: int, name: str, index: int):
        digest = hashlib.sha256(f"{seed}/{name}/{index}".encode()).digest()
        self._bits = np.random.Philox(key=np.frombuffer(digest[:16], "<u8"))

    def uniform(self, low: float = 0.0, high: float = 1.0) -> float:
        """In [low, high)."""
        return low + (high - low) * (int(self._bits.random_raw()) >> 11) * 2.0**-53

    def integer(self, low: int, high: int) -> int:
        """From `low` to `high`, both included."""
        return low + math.floor(self.uniform() * (high - low + 1))

    def normal(self, mean: float, deviation: float) -> float:
        # Box and Muller; 1 - u is never 0.
        radius = math.sqrt(-2 * math.log(1 - self.uniform()))
        return mean + deviation * radius * math.cos(2 * math.pi * self.uniform())


class Canvas:
    """A mask of `px` pixels a side, drawn on in units of which the side has `units`. A pixel counts by its centre."""

    def __init__(self, px: int, units: int):
        self.hole: Bool[np.ndarray, "px px"] = np.zeros((px, px), bool)
        self.pixel = units / px
        self._centres: Float64[np.ndarray, " px"] = (np.arange(px) + 0.5) * self.pixel

    def share(self) -> float:
        return int(self.hole.sum()) / self.hole.size

    def box(self, left: float, top: float, width: float, height: float) -> None:
        (x0, x1), (y0, y1) = self._range(left, left + width), self._range(top, top + height)
        self.hole[y0:y1, x0:x1] = True

    def stroke(self, start: Point, end: Point, width: float) -> None:
        """All that is not further than half the width from the straight line between two points.

        It is a pixel wide at least: finer ones would have gaps.
        """
        radius = max(width, self.pixel) / 2
        (x0, y0), (x1, y1) = start, end
        columns = slice(*self._range(min(x0, x1) - radius, max(x0, x1) + radius))
        rows = slice(*self._range(min(y0, y1) - radius, max(y0, y1) + radius))
        x, y = self._centres[columns][None, :] - x0, self._centres[rows][:, None] - y0
        dx, dy = x1 - x0, y1 - y0
        length2, along, across = dx * dx + dy * dy, x * dx + y * dy, x * dy - y * dx
        # No division and no root, so that nothing is rounded.
        beside = (along >= 0) & (along <= length2) & (across * across <= radius * radius * length2)
        caps = (x * x + y * y <= radius * radius) | ((x - dx) ** 2 + (y - dy) ** 2 <= radius * radius)
        self.hole[rows, columns] |= (beside & (length2 > 0)) | caps

    def _range(self, low: float, high: float) -> tuple[int, int]:
        """Indices of the centres in [low, high]: from, to."""
        return int(np.searchsorted(self._centres, low, "left")), int(np.searchsorted(self._centres, high, "right"))


@dataclass(frozen=True)
class Lama:
    """LaMa's masks, in units of 1/256 of the side; ranges include both ends.

    A mask is of strokes or, with probability 0.3 / 1.3 if `boxes` are given, of boxes (axis-aligned, `margin` away from
    the border). A stroke starts anywhere and is of 1 to 5 pieces; each has a direction, of 0.01, 1.01, 2.01 or 3.01
    radians from the vertical (to the left in every second stroke, beginning with the first), a length and a width of
    its own, and starts where the last one ended; ends are cut off at the border. Holes of more than half the image are
    resampled, as are empty ones.
    """

    strokes: tuple[int, int]
    widths: tuple[int, int]
    lengths: tuple[int, int]
    boxes: tuple[int, int] | None = None
    sides: tuple[int, int] = (0, 0)
    margin: int = 0

    units = 256
    largest_share = 0.5

    def draw(self, dice: Dice, canvas: Canvas) -> None:
        if self.boxes is not None and dice.uniform() < 0.3 / 1.3:
            self._draw_boxes(dice, canvas, self.boxes)
            return
        for i in range(dice.integer(*self.strokes)):
            x, y = dice.integer(0, self.units - 1), dice.integer(0, self.units - 1)
            for _ in range(dice.integer(1, 5)):
                angle = (0.01 + dice.integer(0, 3)) * (-1 if i % 2 == 0 else 1)
                length, width = dice.integer(*self.lengths), dice.integer(*self.widths)
                end_x = min(max(int(x + length * math.sin(angle)), 0), self.units)
                end_y = min(max(int(y + length * math.cos(angle)), 0), self.units)
                # OpenCV's whole numbers are pixels' centres.
                canvas.stroke((x + 0.5, y + 0.5), (end_x + 0.5, end_y + 0.5), width)
                x, y = end_x, end_y

    def _draw_boxes(self, dice: Dice, canvas: Canvas, boxes: tuple[int, int]) -> None:
        for _ in range(dice.integer(*boxes)):
            width, height = dice.integer(*self.sides), dice.integer(*self.sides)
            left = dice.integer(self.margin, self.units - self.margin - width)
            top = dice.integer(self.margin, self.units - self.margin - height)
            canvas.box(left, top, width, height)


@dataclass(frozen=True)
class Mat:
    """MAT's and CoModGAN's masks, in units of 1/512 of the side; ranges include both ends.

    The union of 0 to `small_boxes` boxes with sides below half the image, 0 to `large_boxes` below the whole, both up
    to half outside; and of 0 to `brushes` zigzag strokes of 4 to 17 pieces and 12 to 47 units' width. Their pieces turn
    by about 72 degrees to and fro; a length is normal around an eighth of the diagonal. The strokes together are
    mirrored left to right and upside down, each with probability 1/2. Empty and full masks are resampled: MAT's range
    of hole shares is (0, 1), and *small* and *large* differ by the three numbers only.
    """

    small_boxes: int
    large_boxes: int
    brushes: int

    units = 512
    largest_share = 1.0

    def draw(self, dice: Dice, canvas: Canvas) -> None:
        for most, limit in ((self.small_boxes, self.units // 2), (self.large_boxes, self.units)):
            for _ in range(dice.integer(0, most)):
                width, height = dice.integer(0, limit - 1), dice.integer(0, limit - 1)
                left = dice.integer(-(width // 2), self.units - width + width // 2 - 1)
                top = dice.integer(-(height // 2), self.units - height + height // 2 - 1)
                canvas.box(left, top, width, height)
        brushed = Canvas(len(canvas.hole), self.units)
        for _ in range(dice.integer(0, self.brushes)):
            self._brush(dice, brushed)
        for axis in (0, 1):
            if dice.uniform() < 0.5:
                brushed.hole = np.flip(brushed.hole, axis)
        canvas.hole |= brushed.hole

    def _brush(self, dice: Dice, canvas: Canvas) -> None:
        reach = math.sqrt(2) * self.units / 8
        pieces = dice.integer(4, 17)
        turn, spread = 2 * math.pi / 5, 2 * math.pi / 15
        least, most = turn - dice.uniform(0, spread), turn + dice.uniform(0, spread)
        width = dice.integer(12, 47)
        x, y = dice.integer(0, self.units - 1), dice.integer(0, self.units - 1)
        for i in range(pieces):
            angle = dice.uniform(least, most) * (-1 if i % 2 == 0 else 1)
            length = min(max(dice.normal(reach, reach // 2), 0), 2 * reach)
            end_x = int(min(max(x + length * math.cos(angle), 0), self.units))
            end_y = int(min(max(y + length * math.sin(angle), 0), self.units))
            # Pillow's whole numbers, too, are taken for pixels' centres.
            canvas.stroke((x + 0.5, y + 0.5), (end_x + 0.5, end_y + 0.5), width)
            x, y = end_x, end_y


PROTOCOLS: dict[str, Lama | Mat] = {
    "lama-thin": Lama(strokes=(4, 51), widths=(5, 14), lengths=(10, 49)),
    "lama-medium": Lama((4, 6), (5, 54), (10, 109), boxes=(1, 5), sides=(10, 50)),
    "lama-thick": Lama((1, 6), (5, 104), (10, 209), boxes=(1, 3), sides=(30, 150), margin=10),
    "mat-small": Mat(small_boxes=2, large_boxes=1, brushes=3),
    "mat-large": Mat(small_boxes=4, large_boxes=2, brushes=8),
}
"""By name. LaMa's *narrow* and *wide* masks are thin and thick."""


def draw(name: str, px: int, seed: int, index: int) -> Bool[np.ndarray, "{px} {px}"]:
    """Mask `index` of a protocol, true in the hole, neither empty nor full. KeyError for an unknown name."""
    protocol, dice = PROTOCOLS[name], Dice(seed, name, index)
    for _ in range(MOST_TRIES):
        canvas = Canvas(px, protocol.units)
        protocol.draw(dice, canvas)
        if 0 < canvas.share() <= protocol.largest_share and not canvas.hole.all():
            return canvas.hole
    raise RuntimeError(f"no mask of {name} at {px} px in {MOST_TRIES} tries")
