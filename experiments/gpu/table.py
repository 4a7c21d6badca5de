"""What is derived from measured rows: rooflines, and the tables to read."""

import math
from collections.abc import Callable, Iterable
from typing import Any

Rows = list[dict[str, Any]]
Columns = dict[str, Callable[[dict[str, Any]], Any]]
CASE = ("name", "resolution", "batch", "dtype")


def completed(rows: Rows) -> Rows:
    """The rows; those with time and operations get their TFLOP/s, and their roofline if the card's rates are there.

    The roofline is the time that a perfect program would take: the larger of operations / rate of matrix products of
    this dtype and bytes / rate of a copy. `binds` says which.
    """
    rates = {row["card"]: row for row in rows if row["what"] == "rates" and "error" not in row}
    return [row | derived(row, rates.get(row["card"])) if row.keys() >= {"ms", "gflop", "gb"} else row for row in rows]


def derived(row: dict[str, Any], rates: dict[str, Any] | None) -> dict[str, Any]:
    """TFLOP/s, roofline_ms, which of the two binds, and the fraction of the roofline's speed that was reached."""
    found: dict[str, Any] = {"tflops": row["gflop"] / row["ms"]}
    if rates:
        by = {
            "operations": row["gflop"] / rates[f"{row['dtype']}_tflops"],
            "bytes": row["gb"] / rates["copy_gb_s"] * 1e3,
        }
        binds = max(by, key=lambda name: by[name])
        found |= {"roofline_ms": by[binds], "binds": binds, "fraction": by[binds] / row["ms"]}
    return found


def apart(a: dict[str, list[float]], b: dict[str, list[float]]) -> float:
    """The largest difference of two sides' values, each part's as a share of its largest value; NaN if there is one."""
    shares = [
        abs(x - y) / (max(map(abs, values)) or 1.0)
        for name, values in a.items()
        for x, y in zip(values, b[name], strict=True)
    ]
    return max(shares, key=lambda share: (math.isnan(share), share))


def document(rows: Rows) -> str:
    """All tables, card by card, as Markdown."""
    cards = dict.fromkeys(row["card"] for row in rows)
    return "\n".join(of_card(card, [row for row in rows if row["card"] == card]) for card in cards)


def of_card(card: str, rows: Rows) -> str:
    versions = {f"{name} {row[name]}": None for name in ("jax", "torch", "commit") for row in rows if row.get(name)}
    parts = [f"# {card}\n\n{', '.join(versions)}\n"]
    sides = {tuple(row[name] for name in ("what", "side", *CASE)): row for row in rows if "ms" in row}

    def other(row: dict[str, Any], side: str) -> dict[str, Any]:
        return sides.get((row["what"], side, *(row[name] for name in CASE)), {})

    def times(row: dict[str, Any], side: str) -> float | None:
        ms = other(row, side).get("ms")
        return None if ms is None or "ms" not in row else ms / row["ms"]

    case: Columns = {"network": lambda r: r["name"], "px": lambda r: r["resolution"]}
    case |= {name: lambda r, name=name: r[name] for name in ("batch", "dtype")}
    end: Columns = {"TFLOP/s": lambda r: r.get("tflops"), "roofline, ms": lambda r: r.get("roofline_ms")}
    end |= {"binds": lambda r: r.get("binds"), "of the roofline": lambda r: r.get("fraction")}
    end |= {"peak, GiB": lambda r: r.get("peak_gib"), "program, GiB": lambda r: r.get("program_gib")}
    torchs: Columns = {
        f"torch {side}, ms": lambda r, side=side: other(r, side).get("ms") for side in ("eager", "compile", "graphs")
    }
    times_compiled: Columns = {"times as fast as compile": lambda r: times(r, "compile")}
    ours: Columns = {"ours, ms": lambda r: r.get("ms")}
    compiling: Columns = {"compiling, s": lambda r: r.get("compile_s"), "kept": lambda r: r.get("kept")}
    steps: Columns = {"images/s": lambda r: r.get("images_per_s")}

    def chosen(*whats: str) -> Rows:
        return [row for row in rows if row["what"] in whats and row["side"] == "ours" and len(row.keys() & FIGURES)]

    checks: Columns = {"check": lambda r: r["what"].removeprefix("check_"), **case}
    checks["largest difference from the CPU"] = lambda r: r.get("difference")
    rates: Columns = {"matrices": lambda r: r["resolution"]}
    rates |= {name: lambda r, name=name: r.get(name) for name in sorted(FIGURES) if name.endswith(("tflops", "_s"))}
    for title, some, columns in (
        ("Results beside the CPU's", chosen("check_completion", "check_step"), checks),
        ("Rates", chosen("rates"), rates),
        ("Completion", chosen("completion"), {**case, **ours, **torchs, **times_compiled, **compiling, **end}),
        ("Training step", chosen("step"), {**case, **compiling, **ours, **steps, **torchs, **times_compiled, **end}),
        ("Not measured", [r for r in rows if "error" in r], {"what": lambda r: r["what"], "side": lambda r: r["side"],
         **case, "why": lambda r: str(r["error"]).replace("|", "/")[:200]}),
    ):  # fmt: skip
        if some:
            parts.append(f"## {title}\n\n{markdown(some, columns)}")
    return "\n".join(parts)


FIGURES = {"difference", "ms", "bfloat16_tflops", "float32_tflops", "float32_highest_tflops", "copy_gb_s"}
"""A row with one of these was measured."""


def markdown(rows: Iterable[dict[str, Any]], columns: Columns) -> str:
    lines = [list(columns), ["---"] * len(columns)]
    lines += [[shown(value(row)) for value in columns.values()] for row in rows]
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)


def shown(value: Any) -> str:
    """Three significant digits of a number, four where they are before the point; nothing for what is not there."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return (f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}") if isinstance(value, float) else str(value)
