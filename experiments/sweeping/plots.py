"""The pictures of a sweep's report, as PNG. Needs matplotlib (extra `eval`)."""

import io
from collections.abc import Sequence
from statistics import stdev
from typing import Any

import numpy as np

from experiments.sweeping.results import Point, Result, spread
from experiments.sweeping.table import Table
from fec_jax.metrics.extra import need


def curves(table: Table, rows: Sequence[str], results: Sequence[Result]) -> bytes:
    """The first figure of every row, mean over seeds, over the images seen and over the seconds of training.

    At the final resolution the line is thick and a band shows the standard deviation; before, at resolutions where the
    figure is of smaller pictures, it is thin and dotted.
    """
    figure, (left, right) = _figure(1, 2, (13, 5))
    for i, row in enumerate(rows):
        runs = [result.curve for result in results if result.planned.row == row]
        moments = [[run[k] for run in runs] for k in range(min(map(len, runs)))]
        if not moments:
            continue
        final_px = moments[-1][0].px
        for axes, of in ((left, _kimg), (right, _train_s)):
            color = f"C{i % 10}"
            dashes = "-" if i < 10 else "--"
            small, grown = [m for m in moments if m[0].px < final_px], [m for m in moments if m[0].px == final_px]
            axes.plot(*_line([*small, *grown[:1]], of), ":", color=color, linewidth=0.8)
            x, y = _line(grown, of)
            axes.plot(x, y, dashes, color=color, linewidth=1.6, marker=".", label=row)
            std = [stdev([p.value for p in m]) if len(m) > 1 else 0.0 for m in grown]
            low, high = ([a + k * b for a, b in zip(y, std, strict=True)] for k in (-1, 1))
            axes.fill_between(x, low, high, color=color, alpha=0.12, linewidth=0)
    left.set_xlabel("images seen, thousands")
    right.set_xlabel("training, seconds (compilation and pictures not counted)")
    left.set_ylabel(f"{table.figures[0].label}, while training")
    right.legend(fontsize=8, loc="center left", bbox_to_anchor=(1.01, 0.5))
    return _png(figure)


def bars(table: Table, rows: Sequence[str], results: Sequence[Result]) -> bytes:
    """A panel per figure: bars from the first row's mean to each row's, standard deviations, and a dot per seed."""
    across = min(3, len(table.figures))
    down = -(-len(table.figures) // across)
    figure, grid = _figure(down, across, (4.6 * across + 1, (0.32 * len(rows) + 1.1) * down), sharey=True)
    panels = np.atleast_1d(grid).ravel()
    for axes, column in zip(panels, table.figures, strict=False):
        spreads = [spread(results, row, column.name) for row in rows]
        start = spreads[0].mean if spreads[0] and rows[0] == next(iter(table.rows)) else 0.0
        axes.axvline(start, color="black", linewidth=0.8, linestyle="--")
        for i, s in enumerate(spreads):
            if s is not None:
                axes.barh(i, s.mean - start, left=start, xerr=s.std, color=f"C{i % 10}", alpha=0.6, capsize=3)
                axes.plot(s.values, [i] * len(s.values), ".", color="black", markersize=3)
        axes.set_yticks(range(len(rows)), rows)
        axes.set_title(column.label, fontsize=10)
    for axes in panels[len(table.figures) :]:
        axes.set_visible(False)
    panels[0].invert_yaxis()
    return _png(figure)


def _kimg(point: Point) -> float:
    return point.nimg / 1000


def _train_s(point: Point) -> float:
    return point.train_s


def _line(moments: Sequence[Sequence[Point]], x: Any) -> tuple[list[float], list[float]]:
    """Means over seeds, moment by moment."""
    means = [(float(np.mean([x(p) for p in m])), float(np.mean([p.value for p in m]))) for m in moments]
    return [mean[0] for mean in means], [mean[1] for mean in means]


def _figure(down: int, across: int, size: tuple[float, float], **options: Any) -> tuple[Any, Any]:
    figure = need("matplotlib.figure").Figure(figsize=size, layout="constrained")
    return figure, figure.subplots(down, across, **options)


def _png(figure: Any) -> bytes:
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=110, metadata={"Software": None})
    return file.getvalue()
