"""Bytes that a compiled program moves, read from its text: operands and results of every kernel.

`cost_analysis()` of a program compiled for a GPU does not say: it leaves out all calls of libraries, and cuDNN's
convolutions are such calls.
"""

import math
import re

from experiments.tpu_aot.hlo import SHAPE

COMPUTATION = re.compile(r"^(?:ENTRY )?%?([\w.\-]+) .*\{$")
INSTRUCTION = re.compile(r"^\s+(?:ROOT )?%?([\w.\-]+) = (.*?)\s([a-z][\w\-]*)\((.*)$")
PART = re.compile(r"(calls|to_apply)=%?([\w.\-]+)")
FREE = {
    "parameter", "constant", "tuple", "get-tuple-element", "bitcast", "while", "conditional", "call", "after-all",
    "partition-id", "replica-id", "iota", "async-start", "async-update", "async-done", "copy-done",
    "all-reduce-done", "opt-barrier", "domain", "get-dimension-size",
}  # fmt: skip
"""Kinds that move nothing themselves; what they run is counted where it stands."""


def moved(text: str) -> float:
    """Bytes of all operands and results of the kernels in an optimised program (HLO text).

    What a loop or a branch runs counts once. What a kernel skips of an operand counts too: more than is moved, rather
    than less.
    """
    sizes, kernels, inner = dict[str, int](), list[tuple[str, str, list[str]]](), set[str]()
    computation = ""
    for line in text.splitlines():
        if head := COMPUTATION.match(line):
            computation = head[1]
        elif found := INSTRUCTION.match(line):
            name, shapes, kind, rest = found.groups()
            sizes[name] = sum(map(size, *zip(*SHAPE.findall(shapes), strict=True))) if SHAPE.search(shapes) else 0
            if kind not in FREE:
                inner |= {called for _, called in PART.findall(rest)}
                kernels.append((computation, name, re.findall(r"%([\w.\-]+)", rest.split(")")[0])))
    return float(
        sum(
            sizes[name] + sum(sizes.get(operand, 0) for operand in operands)
            for computation, name, operands in kernels
            if computation not in inner
        )
    )


def size(kind: str, sides: str) -> int:
    """Bytes of an array of that element type ("bf16") and these sides ("8,64")."""
    bits = re.search(r"\d+", kind)
    return math.prod(int(side) for side in sides.split(",") if side) * (int(bits[0]) if bits else 8) // 8
