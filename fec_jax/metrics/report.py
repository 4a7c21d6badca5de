"""`report.json`, `report.md` and grids of an evaluation, and the comparison of two reports."""

import datetime
import hashlib
import importlib.metadata
import json
import math
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float64, UInt8

from fec_jax.data.source import Source
from fec_jax.masks.sets import MaskSet
from fec_jax.metrics import judging, protocol
from fec_jax.metrics.backbones import BACKBONES
from fec_jax.metrics.evaluation import Subject, completions, flipped
from fec_jax.types import UserError, one_line

DIGITS = 6
"""Significant digits of a figure: more than two runs on different machines agree in."""
PACKAGES = ("fec-jax", "jax", "jaxlib", "numpy", "scikit-learn", "scikit-image", "opencv-python-headless")
MAIN = ("psnr_hole", "l1_hole", "ssim_hole", "lpips", "lpips_alex", "seam", "symmetry", "texture")
_DISTANCES = tuple(f"{name}_{suffix}" for suffix in BACKBONES for name in ("fd", "kid", "p_ids", "u_ids"))
DISTRIBUTION = ("fid", "kid", "p_ids", "u_ids", *_DISTANCES)
SPLITS = (
    "not the test split. Choose weights and settings by such figures; report others, of photos that chose nothing.",
    "figures to report, once. Weights and settings that were chosen by them make them too good.",
)
PICKED = ("best", "median", "worst")
READING = (
    "psnr_hole, ssim_hole: higher is better; l1_hole, lpips (by VGG16), lpips_alex (by AlexNet) and the distances fd, "
    "fid, kid: lower is better; seam, symmetry, texture: 0 is as the photo"
)


def rounded(value: Any) -> Any:
    """The same tree with its floats cut to `DIGITS` significant digits; NaN and infinities become None."""
    if isinstance(value, Mapping):
        return {key: rounded(below) for key, below in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(below) for below in value]
    if isinstance(value, float | np.floating):
        return float(f"{value:.{DIGITS}g}") if math.isfinite(value) else None
    return value


def assemble(
    facts: Mapping[str, Any],
    data: Mapping[str, Any],
    weights: Mapping[str, Any],
    judges: Mapping[str, Any],
    results: Mapping[str, Any],
    by_hole_area: Mapping[str, Any],
    controls: Mapping[str, Any],
    skipped: Mapping[str, str],
    latency: Mapping[str, Any],
) -> dict[str, Any]:
    """The content of `report.json`. All but `latency` and `date` is the same, byte for byte, when it is done again."""
    return {
        "protocol": dict(facts),
        "data": dict(data),
        "weights": dict(weights),
        "judges": rounded(judges),
        "results": rounded(results),
        "by_hole_area": rounded(by_hole_area),
        "controls": rounded(controls),
        "skipped": dict(skipped),
        "software": {name: _version(name) for name in PACKAGES},
        "latency": dict(latency),
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }


def to_json(report: Mapping[str, Any]) -> bytes:
    return (json.dumps(report, indent=1, sort_keys=True) + "\n").encode()


def read(path: Path) -> dict[str, Any]:
    """A report from its file or from the folder that holds it. UserError if it is none, or was changed by hand."""
    path = path / "report.json" if os.path.isdir(path) else path
    try:
        report = json.loads(path.read_text())
        stated, digest = report["protocol"]["hash"], protocol.digest(report["protocol"])
        _ = report["weights"]["name"], report["weights"]["sha256"]
        for figures in report["results"].values():
            if not all(isinstance(figure["mean"], float | int | None) for figure in figures.values()):
                raise ValueError("figures that are no numbers")
    except OSError as error:
        raise UserError(f"cannot read {path} ({error.strerror}): give the --out folder of `fec evaluate`") from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UserError(f"{path} is not a report of `fec evaluate` ({one_line(error)[:80]})") from error
    if digest != stated:
        raise UserError(
            f"{path} was changed by hand: its protocol does not have the hash that it states; evaluate again"
        )
    return report


def compare(a: Path, b: Path) -> str:
    """A table of the figures of two reports. UserError, naming what differs, if their protocols are not the same."""
    left, right = read(a), read(b)
    differing = protocol.differences(left["protocol"], right["protocol"])
    if differing:
        raise UserError(
            f"{a} and {b} cannot be compared: their protocols differ in {', '.join(differing)}; "
            "evaluate both with the same data, split, masks and version"
        )
    lines = [f"Protocol {left['protocol']['hash'][:16]}: the same."]
    for letter, path, weights in (("A", a, left["weights"]), ("B", b, right["weights"])):
        lines.append(f"{letter}: {path}, weights {weights['name']}, SHA-256 {weights['sha256'][:16]}")
    lines += ["", "| masks | figure | A | B | B - A |", "|---|---|---|---|---|"]
    for masks in sorted(left["results"].keys() & right["results"].keys()):
        ours, theirs = left["results"][masks], right["results"][masks]
        for name in _ordered(ours.keys() & theirs.keys()):
            x, y = ours[name]["mean"], theirs[name]["mean"]
            if x is not None and y is not None:
                lines.append(f"| {masks} | {name} | {_text(x)} | {_text(y)} | {y - x:+.4g} |")
    return "\n".join(lines) + "\n"


def to_markdown(report: Mapping[str, Any]) -> str:
    """The same for people."""
    facts, data, weights, controls = (report[name] for name in ("protocol", "data", "weights", "controls"))
    count, split = facts["data"]["photos"], facts["data"]["split"]
    own, px = weights["resolution_px"], facts["measured_at_px"]
    lines = [
        "# Evaluation",
        "",
        f"{weights['name']}, SHA-256 `{weights['sha256']}`, on {count} photos of split `{split}` of {data['name']}, "
        f"{px} px{f' (completed at {own} px, averaged)' if own != px else ''}. "
        f"Protocol `{facts['hash']}`: reports compare only if it is the same.",
        "",
        f"Split `{split}`: {SPLITS[split == 'test']}",
        "",
    ]
    for masks, results in report["results"].items():
        lines += [f"## Masks: {masks}", "", *_main_table(masks, results, controls), ""]
        lines += judging.tables(masks, facts["attributes"], report)
        areas = report["by_hole_area"].get(masks, {})
        if len(areas) > 1:
            lines += ["By share of the image that is hole:", "", *_area_table(areas), ""]
        pictures = [f"[{kind}]({grid_name(masks, kind)})" for kind in PICKED]
        lines += [f"Photos by LPIPS: {', '.join(pictures)}.", ""]
    lines += ["## Notes", "", *_notes(report)]
    return "\n".join(lines) + "\n"


def _main_table(masks: str, results: Mapping[str, Any], controls: Mapping[str, Any]) -> list[str]:
    columns = [name for name in (*MAIN, *DISTRIBUTION) if name in results]
    rows = {"**this network**": results}
    rows |= {name: row[masks] for name, row in controls.items() if not row.get(masks, {}).keys().isdisjoint(columns)}
    if "real_halves" in controls:
        rows["real_halves"] = controls["real_halves"]["none"]
    lines = ["| | " + " | ".join(columns) + " |", "|---" * (len(columns) + 1) + "|"]
    for name, row in rows.items():
        cells = [_text(row[column]["mean"]) if column in row else "" for column in columns]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return lines


def _area_table(areas: Mapping[str, Any]) -> list[str]:
    columns = [name for name in MAIN if any(name in figures for figures in areas.values())]
    lines = ["| hole | photos | " + " | ".join(columns) + " |", "|---" * (len(columns) + 2) + "|"]
    for label, figures in areas.items():
        cells = [_text(figures[name]["mean"]) for name in columns]
        lines.append(f"| {label} | {figures['l1_hole']['n']} | " + " | ".join(cells) + " |")
    return lines


def _notes(report: Mapping[str, Any]) -> list[str]:
    facts = report["protocol"]
    lines = [f"- Not measured: {what}: {why}" for what, why in report["skipped"].items()]
    lines += [f"- {READING}", *judging.notes(report)]
    count = facts["data"]["photos"]
    for name, of in facts["features"].items():
        suffix = "" if name == "inception" else f"_{name}"
        lines.append(
            f"- p_ids{suffix}, u_ids{suffix}: higher is better. Photos as their own completions (`real`) have 0, 0.5 "
            "by construction: they tie with themselves"
        )
        if count < 2 * of["size"]:
            lines[-1] += (
                f". **They say little here**: {count} photos and {count} completions are fewer than four times the "
                f"{of['size']} features, so that a plane separates most of any two sets, and both are near 0"
            )
    if "real_halves" in report["controls"]:
        lines.append(
            f"- real_halves: between sets of {count // 2} independent photos. Frechet distances of fewer images are "
            "higher, so compare it only roughly with the other rows"
        )
    if facts["attributes"]:
        lines.append(f"- Edits are measured under every mask set: {', '.join(report['results'])}")
    latency = report["latency"]
    device, moved = latency["on_device_ms"], latency["with_transfer_ms"]
    lines.append(
        f"- One completion on {latency['device']}: p50 {device['p50']} ms, p95 {device['p95']} ms; "
        f"with transfer p50 {moved['p50']} ms, p95 {moved['p95']} ms ({latency['runs']} runs, synchronised, warm)"
    )
    return [*lines, f"- {report['date']}; " + ", ".join(f"{k} {v}" for k, v in report["software"].items() if v)]


def pick(lpips: Float64[np.ndarray, " n"], each: int = 3) -> dict[str, list[int]]:
    """Which photos to show, of each of `PICKED`: the best, those in the middle and the worst, by LPIPS."""
    order = np.argsort(lpips, kind="stable")
    each = min(each, max(1, len(order) // 3))
    middle = max(0, len(order) // 2 - each // 2)
    parts = order[:each], order[middle : middle + each], order[-each:]
    return {kind: [int(i) for i in part] for kind, part in zip(PICKED, parts, strict=True)}


def grid_name(masks: str, kind: str) -> str:
    """The file name of a grid: of a mask folder's name, only what file names may have, and not too long.

    Two folders never share one: a name that is changed, but for the colon after `folder`, is told apart by its hash.
    """
    plain = masks.replace(":", "-", 1)
    safe = re.sub(r"[^A-Za-z0-9_.-]+", "-", plain)[-100:]
    if safe != plain:
        safe += f"-{hashlib.sha256(masks.encode('utf-8', 'surrogateescape')).hexdigest()[:6]}"
    return f"{safe}-{kind}.png"


def grids_of(path: Path) -> set[str]:
    """File names of the grids that belong to the report at `path`; of what is no report, none."""
    try:
        return {grid_name(masks, kind) for masks in json.loads(path.read_bytes())["results"] for kind in PICKED}
    except (OSError, ValueError, KeyError, TypeError):
        return set()


def grid_rows(
    subject: Subject, source: Source, mask_set: MaskSet, chosen: Sequence[int]
) -> UInt8[np.ndarray, "r c h w 3"]:
    """A row per photo: real, masked, completed, and completed with each attribute flipped."""
    real, attrs = source.load(chosen)
    mask = mask_set.of(chosen)
    masked = np.where(mask > 0.5, np.uint8(128), real)
    edits = [attrs, *(flipped(attrs, i) for i in range(attrs.shape[1]))]
    return np.stack([real, masked, *(completions(subject, chosen, real, mask, wanted) for wanted in edits)], axis=1)


def grid_titles(names: Sequence[str]) -> list[str]:
    return ["real", "masked", "completed", *(f"~{name}" for name in names)]


def _ordered(names: set[str]) -> list[str]:
    first = [name for name in (*MAIN, *DISTRIBUTION) if name in names]
    return first + sorted(names - set(first))


def _text(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.2f}" if abs(value) >= 10 else f"{value:.4f}"


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None
