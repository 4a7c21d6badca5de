"""The report of a sweep: `table.md` and `table.csv` for people, `results.json` with everything, two pictures."""

import csv
import io
import json
import math
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax

import fec_jax
from experiments.sweeping import plots
from experiments.sweeping.results import Result, Spread, difference, spread
from experiments.sweeping.table import Figure, Table
from fec_jax.io.atomic import write_whole


def write(table: Table, results: Sequence[Result], folder: Path) -> None:
    """Writes the report of the finished runs; rows without any are left out. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(folder / "table.md", markdown(table, results).encode())
    write_whole(folder / "table.csv", comma_separated(table, results).encode())
    write_whole(folder / "results.json", (json.dumps(everything(table, results), indent=1) + "\n").encode())
    rows = _rows(table, results)
    for name, picture in (("curves", plots.curves), ("bars", plots.bars)):
        write_whole(folder / f"{name}.png", picture(table, rows, results))


def markdown(table: Table, results: Sequence[Result]) -> str:
    """Two tables, mean ± standard deviation over seeds: the figures, and what they differ by from the first row's."""
    rows, reference = _rows(table, results), next(iter(table.rows))
    labels = [figure.label for figure in table.figures]
    head = ["row", *labels, "training, s", "wall, s", "seeds"]
    lines = [f"# {table.name}: mean ± standard deviation over seeds", "", _line(head), _line(["---"] * len(head))]
    for row in rows:
        ours = [result for result in results if result.planned.row == row]
        cells = [_cell(spread(results, row, figure.name), figure) for figure in table.figures]
        seconds = [_seconds([result.train_s for result in ours]), _seconds([result.wall_s for result in ours])]
        lines.append(_line([row, *cells, *seconds, str(len(ours))]))
    others = [row for row in rows if row != reference]
    if reference in rows and others:
        lines += ["", f"Difference from *{reference}*, seed by seed:", ""]
        lines += [_line(["row", *labels]), _line(["---"] * (len(labels) + 1))]
        for row in others:
            cells = [_cell(difference(results, row, reference, f.name), f, sign="+") for f in table.figures]
            lines.append(_line([row, *cells]))
    return "\n".join(lines) + "\n"


def comma_separated(table: Table, results: Sequence[Result]) -> str:
    """A line per row: NAME_mean and NAME_std of every figure (empty: not known), and the number of seeds."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    names = [figure.name for figure in table.figures]
    writer.writerow(["row", *(f"{name}_{kind}" for name in names for kind in ("mean", "std")), "seeds"])
    for row in _rows(table, results):
        spreads = [spread(results, row, name) for name in names]
        cells = [cell for s in spreads for cell in ((s.mean, s.std) if s else (None, None))]
        writer.writerow([row, *cells, sum(result.planned.row == row for result in results)])
    return text.getvalue()


def everything(table: Table, results: Sequence[Result]) -> dict[str, Any]:
    """Rows with their changes, figures and differences from the first row, and every run with all of its figures."""
    reference = next(iter(table.rows))
    rows = {}
    for row in _rows(table, results):
        figures = {f.name: _plain(spread(results, row, f.name)) for f in table.figures}
        differences = {f.name: _plain(difference(results, row, reference, f.name)) for f in table.figures}
        rows[row] = {"changes": dict(table.rows[row]), "figures": figures, f"minus {reference}": differences}
    runs = [
        {
            "row": result.planned.row,
            "seed": result.planned.seed,
            "nimg": result.planned.total_nimg,
            "train_s": _number(result.train_s),
            "wall_s": _number(result.wall_s),
            "figures": {name: _number(value) for name, value in result.figures.items()},
        }
        for result in results
    ]
    head = {"sweep": table.name, "config": table.config, "seeds": list(table.seeds), "made_with": _made_with(results)}
    return {**head, "rows": rows, "runs": runs}


def _rows(table: Table, results: Sequence[Result]) -> list[str]:
    """The rows that have a finished run, in the table's order."""
    return [row for row in table.rows if any(result.planned.row == row for result in results)]


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(s: Spread | None, figure: Figure, sign: str = "") -> str:
    if s is None:
        return "-"
    mean = f"{s.mean:{sign}.{figure.digits}f}"
    return mean if s.std is None else f"{mean} ± {s.std:.{figure.digits}f}"


def _seconds(values: Sequence[float | None]) -> str:
    s = Spread.of([math.nan if value is None else value for value in values])
    return "-" if s is None else f"{s.mean:.0f}"


def _plain(s: Spread | None) -> dict[str, Any] | None:
    return None if s is None else {"mean": s.mean, "std": s.std, "values": list(s.values)}


def _number(value: float | None) -> float | None:
    """JSON knows no NaN."""
    return None if value is None or not math.isfinite(value) else value


def _made_with(results: Sequence[Result]) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "fec_jax": fec_jax.__version__,
        "jax": jax.__version__,
        "python": platform.python_version(),
    }
    facts["commits"] = sorted({commit for result in results for commit in result.commits})
    return {**facts, "machine": f"{platform.system()} {platform.machine()}, {jax.devices()[0].device_kind}"}
