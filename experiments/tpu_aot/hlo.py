"""What a compiled program does, read from its text (optimised HLO): collectives, and the types of convolutions."""

import dataclasses
import math
import re
from collections import Counter

import numpy as np

KINDS = "all-reduce|all-gather|all-to-all|reduce-scatter|collective-permute|collective-broadcast"
COLLECTIVE = re.compile(rf"^\s*(?:ROOT )?%?\S+ = (?P<result>.*?) (?P<kind>{KINDS})(?P<start>-start)?\(", re.M)
RESULT = re.compile(r"^\s*(?:ROOT )?%?(\S+) = ([a-z]+[0-9]*\w*\[[\d,]*\])", re.M)
CONVOLUTION = re.compile(
    r"^\s*(?:ROOT )?%?\S+ = (\S+?\]).*? convolution\((?:\S+?\]\S* )?%?(\S+?), (?:\S+?\]\S* )?%?(\S+?)\)(.*)$", re.M
)
SHAPE = re.compile(r"([a-z]+[0-9]*\w*)\[([\d,]*)\]")
BITS = re.compile(r"\d+")


@dataclasses.dataclass(frozen=True)
class Collective:
    """One collective. arrays, scalars: how many of each it carries; bytes: of one device's part of the result."""

    kind: str
    arrays: int
    scalars: int
    bytes: int


@dataclasses.dataclass(frozen=True)
class Convolution:
    """One convolution or matrix product (a TPU's programs have only the former). operands: types, as in "bf16"."""

    operands: tuple[str, str]
    flops: float
    is_product: bool


def collectives(text: str) -> list[Collective]:
    """Every collective once, in the text's order: an asynchronous one counts where it starts, not where it is done."""
    found = list[Collective]()
    for match in COLLECTIVE.finditer(text):
        shapes = [(kind, _sides(sides)) for kind, sides in SHAPE.findall(match["result"])]
        if match["start"] and match["kind"] != "all-reduce":
            # Their result holds the operands too: (operands, results, and for some kinds numbers of no interest here).
            shapes = shapes[: len(shapes) // 2]
        scalars = sum(not sides for _, sides in shapes)
        size = sum(_bits(kind) * math.prod(sides) for kind, sides in shapes) // 8
        found.append(Collective(match["kind"], len(shapes) - scalars, scalars, size))
    return found


def counted(found: list[Collective]) -> dict[str, int]:
    """How many there are of each kind."""
    return dict(sorted(Counter(c.kind for c in found).items()))


def convolutions(text: str) -> list[Convolution]:
    """Every convolution of the program, also of those branches that a step may not take."""
    shapes = dict(RESULT.findall(text))
    found = list[Convolution]()
    for result, left, right, rest in CONVOLUTION.findall(text):
        operands = [SHAPE.findall(shapes[name])[0] for name in (left, right)]
        out, a, b = (_sides(s) for _, s in (SHAPE.findall(result)[0], *operands))
        product = re.search(r'op_name="[^"]*dot_general', rest) is not None
        found.append(Convolution((operands[0][0], operands[1][0]), _flops(out, a, b, rest), product))
    return found


def in_bfloat16(found: list[Convolution]) -> tuple[float, float]:
    """The fraction of convolutions with two bfloat16 operands: by number, and by floating-point operations."""
    half = [c for c in found if c.operands == ("bf16", "bf16")]
    return len(half) / len(found), sum(c.flops for c in half) / sum(c.flops for c in found)


def peak_bytes(arguments: int, outputs: int, temporaries: int, aliased: int) -> int:
    """Most memory that a program's arrays need at once; aliased: outputs that lie where donated arguments were."""
    return arguments + outputs + temporaries - aliased


def _flops(out: list[int], left: list[int], right: list[int], rest: str) -> float:
    """Two for every pair of numbers that meet; what meets padding, or a hole of a dilated operand, is left out."""
    labels = re.search(r"dim_labels=(\w+)_(\w+)->(\w+)", rest)
    if labels is None:
        raise ValueError(f"a convolution without dim_labels: {rest[:100]}")
    a, b, c = labels.groups()
    window = dict(
        re.findall(r"(\w+)=([\w\-]+)", re.findall(r"window=\{(.*?)\}", rest)[0]) if "window={" in rest else []
    )
    pairs = 1.0
    for i, label in enumerate(d for d in c if d.isdigit()):
        size, places = right[b.index(label)], out[c.index(label)]
        low = int(window["pad"].split("x")[i].split("_")[0]) if "pad" in window else 0
        stride, holes, spread = (
            int(window[key].split("x")[i]) if key in window else 1 for key in ("stride", "lhs_dilate", "rhs_dilate")
        )
        at = np.arange(places)[:, None] * stride + np.arange(size) * spread - low
        pairs *= np.count_nonzero((at >= 0) & (at <= (left[a.index(label)] - 1) * holes) & (at % holes == 0))
    return 2 * pairs * out[c.index("b")] * out[c.index("f")] * right[b.index("i")]


def _sides(text: str) -> list[int]:
    return [int(side) for side in text.split(",") if side]


def _bits(kind: str) -> int:
    bits = BITS.search(kind)
    return int(bits[0]) if bits else 8  # pred
