"""What is measured on a GPU, the most important first."""

import dataclasses
from collections.abc import Iterable
from typing import Any

KEY = ("what", "side", "name", "resolution", "batch", "dtype")
SIDES = ("ours", "compile", "eager")
"""Ours; the twin under `torch.compile`; the twin as it is."""
LEAST_S = {"check_completion": 20, "check_step": 40, "rates": 10, "completion": 12, "step": 40}
"""No row of this kind ends within fewer seconds: programs start, networks are made and compiled."""


@dataclasses.dataclass(frozen=True)
class Row:
    """One row: what is measured, of which network or config, by which side.

    what: a key of `LEAST_S`. side: one of `SIDES`, or `graphs`: compiled, replayed as CUDA graphs. name: of a width
    (`experiments.bench.cases.WIDTHS`) or a config (`experiments.gpu_aot.aot.CONFIGS`). resolution: of the images, in
    px; of `rates`, the side of the matrices.
    """

    what: str
    side: str
    name: str
    resolution: int
    batch: int
    dtype: str

    @property
    def key(self) -> dict[str, Any]:
        return dataclasses.asdict(self)

    def __str__(self) -> str:
        return f"{self.what} {self.name} {self.resolution} px, batch {self.batch}, {self.dtype}, {self.side}"


def completions(sides: Iterable[str], *cases: tuple[str, int, int, str]) -> list[Row]:
    return [Row("completion", side, *case) for case in cases for side in sides]


def steps(sides: Iterable[str], *cases: tuple[str, int, int]) -> list[Row]:
    """Training steps in bfloat16."""
    return [Row("step", side, *case, "bfloat16") for case in cases for side in sides]


OURS = SIDES[:1]
WIDE, LARGE = ("full", "narrow"), (1024, 512, 256)
TINY = [
    Row("check_completion", "ours", "tiny", 16, 2, "float32"),
    Row("check_step", "ours", "tiny", 16, 4, "float32"),
    Row("rates", "ours", "card", 256, 1, "both"),
    *completions(SIDES, ("tiny", 32, 1, "bfloat16"), ("tiny", 32, 2, "float32")),
    *steps(SIDES, ("tiny", 16, 4)),
    *steps(OURS, ("benchmark", 4, 32)),
]
"""All kinds of rows, at sizes for which any machine will do."""

FULL = [
    Row("check_completion", "ours", "narrow", 64, 2, "float32"),
    Row("check_step", "ours", "small", 16, 8, "float32"),
    Row("rates", "ours", "card", 8192, 1, "both"),
    *completions((*SIDES, "graphs"), ("full", 1024, 1, "bfloat16")),
    *steps(OURS, ("benchmark", 64, 32), ("benchmark", 256, 32)),
    *steps(SIDES[:2], ("full", 256, 32)),
    *steps(OURS, ("hq1024", 256, 64)),
    *completions((*SIDES, "graphs"), ("full", 512, 1, "bfloat16"), ("full", 256, 1, "bfloat16")),
    *completions(SIDES, ("full", 1024, 8, "bfloat16"), ("full", 1024, 1, "float32"), ("narrow", 1024, 1, "bfloat16")),
    *steps(OURS, ("hq1024", 1024, 16)),
    *steps(SIDES, ("narrow", 64, 32)),
    *completions(SIDES, *((w, px, 1, "bfloat16") for w, px in (("narrow", 512), ("narrow", 256)))),
    *completions(SIDES, *((w, px, 8, "bfloat16") for w in WIDE for px in LARGE)),
    *completions(SIDES, *((w, px, b, "float32") for w in WIDE for px in LARGE for b in (1, 8))),
    *steps(SIDES[2:], ("full", 256, 32)),
]


def plan(tiny: bool) -> list[Row]:
    """Every row once, in the order in which they are measured."""
    return list(dict.fromkeys(TINY if tiny else FULL))


def left(planned: Iterable[Row], found: Iterable[dict[str, Any]], card: str) -> list[Row]:
    """The planned rows that a card has no figures of: those never tried in their order, then those that failed."""
    failed = {tuple(row[name] for name in KEY): "error" in row for row in found if row["card"] == card}
    missing = [row for row in planned if failed.get(tuple(row.key.values()), True)]
    return sorted(missing, key=lambda row: tuple(row.key.values()) in failed)


def limit(row: Row, seconds: float, last: bool) -> float | None:
    """Seconds that a row may take of those that are left; None: it is not begun.

    Half, so that a row which hangs does not take all; but always enough for a row that is as quick as can be.
    """
    least = LEAST_S[row.what]
    if seconds < least:
        return None
    return seconds if last else min(seconds, max(seconds / 2, 3.0 * least))
