"""`fec evaluate`: reproducible figures of a network."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fec_jax.cli import progress

if TYPE_CHECKING:
    from fec_jax.data.source import Source
    from fec_jax.masks.sets import MaskSet
    from fec_jax.metrics.evaluation import Bench, Judges, Subject
    from fec_jax.weights.format import Meta, Weights


def evaluate(
    weights: Annotated[
        Path | None, typer.Option(help="A .safetensors file, the workdir of a run, or a name like portraits128.")
    ] = None,
    data: Annotated[Path | None, typer.Option(help="What `fec prepare` wrote.")] = None,
    out: Annotated[
        Path | None, typer.Option(readable=False, help="Folder for report.json, report.md and grids.")
    ] = None,
    split: Annotated[str, typer.Option(help="Split to measure on.")] = "test",
    train_split: Annotated[str, typer.Option(help="Split that the classifier and the baselines learn from.")] = "train",
    masks: Annotated[
        str, typer.Option(help="Mask sets, by comma; folder:PATH for mask pictures of your own.")
    ] = "center,paper,lama-thick",
    resolution: Annotated[int | None, typer.Option(help="In px; must be the network's, which is the default.")] = None,
    measure_at: Annotated[
        int | None, typer.Option(metavar="PX", help="Average completions to this size first: sizes then compare.")
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Use only so many photos, the first ones.")] = None,
    inception: Annotated[
        Path | None, typer.Option(help="What experiments/port_inception.py wrote: adds FID, KID, P-IDS, U-IDS.")
    ] = None,
    controls: Annotated[bool, typer.Option("--controls/--no-controls", help="Measure the baselines too.")] = True,
    seed: Annotated[int, typer.Option(min=0, help="Of the mask sets.")] = 0,
    force: Annotated[bool, typer.Option("--force", help="Overwrite the report in OUT.")] = False,
    compare: Annotated[
        tuple[Path, Path] | None, typer.Option(metavar="A B", help="Compare two reports instead.")
    ] = None,
) -> None:
    """Measure completions of held-out photos: pixels, perception, distribution, attributes, the paper's limits.

    Writes report.json, report.md and grids of the best, median and worst photos. The report holds a protocol with a
    hash: two reports compare only if the hashes agree (--compare says so).
    """
    from fec_jax.types import UserError

    if compare is not None:
        from fec_jax.metrics import report

        typer.echo(report.compare(*compare), nl=False)
        return
    if weights is None or data is None or out is None:
        raise UserError(
            "evaluate needs --weights, --data (what `fec prepare` wrote) and --out, a folder for the report"
        )
    from fec_jax.metrics import judging
    from fec_jax.metrics.evaluation import Judges

    # Errors of the input are reported before anything is measured or written.
    _check_out(out, force)
    loaded, name, sha256 = _open(weights, resolution)
    test, train, larger = _photos(data, split, train_split, loaded.meta, measure_at)
    sets = _mask_sets(masks, min(limit or len(test), len(test)), test.resolution_px, seed)
    features, networks = judging.features(inception)
    skipped: dict[str, str] = {}
    judges = Judges(judging.classifiers(train, lambda text: typer.echo(text, err=True), skipped), features)
    _make_folder(out)
    _run(Setup(loaded, name, sha256, test, train, larger, split, sets, judges, networks, skipped), controls, out)


@dataclass(frozen=True)
class Setup:
    """All that an evaluation is made of.

    larger: the photos of `test` at the network's resolution, if that is not the one measured at. networks: what the
    protocol says of the networks that give features. skipped: what is not measured, and why; more is added.
    """

    weights: "Weights"
    name: str
    sha256: str
    test: "Source"
    train: "Source"
    larger: "Source | None"
    split: str
    sets: "Sequence[MaskSet]"
    judges: "Judges"
    networks: Mapping[str, Any]
    skipped: dict[str, str]


def _run(setup: Setup, with_controls: bool, out: Path) -> None:
    from fec_jax.metrics import controls, evaluation, judging, protocol, report, subjects
    from fec_jax.metrics.latency import latency
    from fec_jax.metrics.pooling import Pooled
    from fec_jax.weights.load import predictor

    meta, test, sets = setup.weights.meta, setup.test, setup.sets
    count, names = sets[0].count, meta.attribute_names
    predict = predictor(setup.weights)
    network = subjects.network(predict)
    subject = Pooled(network, setup.larger) if setup.larger is not None else network
    loss_networks = list(meta.loss_networks)
    skipped = setup.skipped
    with progress.shown("measuring", controls.steps(sets, len(setup.judges.names), with_controls)) as tick:
        bench = evaluation.Bench(test, count, setup.judges, tick)
        results, areas, grids = _network_rows(bench, subject, sets, skipped)
        control_rows = controls.control_rows(bench, setup.train, sets, skipped) if with_controls else {}
    for what, why in skipped.items():
        typer.echo(f"not measured: {what}: {why}", err=True)
    whole = report.assemble(
        facts=protocol.describe(setup.train, test, setup.split, count, sets, setup.networks),
        data={"name": test.name, "license": test.license},
        weights={
            "name": setup.name,
            "sha256": setup.sha256,
            "resolution_px": meta.resolution_px,
            "attribute_names": list(names),
            "data": dict(meta.data),
            "kimg": meta.training.get("kimg"),
            "loss_networks": loss_networks,
        },
        judges=judging.describe(bench, loss_networks),
        results=results,
        by_hole_area=areas,
        controls=control_rows,
        skipped=skipped,
        latency=latency(predict, meta.resolution_px, len(names)),
    )
    _write(out, whole, grids, report.grid_titles(names))
    for masks, found in results.items():
        typer.echo(f"{masks}: hole PSNR {found['psnr_hole']['mean']:.2f} dB, LPIPS {found['lpips']['mean']:.4f}")
    typer.echo(f"wrote {out / 'report.json'}, report.md and {len(grids)} grids", err=True)


def _network_rows(
    bench: "Bench", subject: "Subject", sets: "Sequence[MaskSet]", skipped: dict[str, str]
) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """By mask set: figures, and figures by hole area; by file name: rows of grids."""
    from fec_jax.metrics import evaluation, report

    results, areas, grids = {}, {}, {}
    for masks in sets:
        measured = evaluation.measure(bench, subject, masks)
        results[masks.name] = evaluation.figures(bench, measured, skipped)
        areas[masks.name] = evaluation.by_hole_area(measured, masks)
        for kind, chosen in report.pick(measured.per_image["lpips"]).items():
            grids[report.grid_name(masks.name, kind)] = report.grid_rows(subject, bench.source, masks, chosen)
    return results, areas, grids


def _open(path: Path, resolution: int | None) -> tuple["Weights", str, str]:
    """Weights, what to call them, and their SHA-256."""
    from fec_jax.nets.vgg16 import SMALLEST_PX
    from fec_jax.types import UserError
    from fec_jax.weights.load import known_as, weights_from

    weights = weights_from(path)
    px = weights.meta.resolution_px
    name, sha256 = known_as(path, weights)
    if resolution not in (None, px):
        raise UserError(f"--resolution {resolution}: the weights {name} are of {px} px; evaluate them at {px}")
    if px < SMALLEST_PX:
        raise UserError(f"the weights {name} are of {px} px: SSIM and LPIPS need {SMALLEST_PX} px; train further")
    return weights, name, sha256


def _photos(
    data: Path, split: str, train_split: str, meta: "Meta", measure_at: int | None
) -> tuple["Source", "Source", "Source | None"]:
    """The photos to measure on and those to learn from; and the former at the network's size, if that is another."""
    from fec_jax.data.held import Fitted, Hashed
    from fec_jax.data.source import open_source
    from fec_jax.metrics import pooling
    from fec_jax.nets.vgg16 import SMALLEST_PX
    from fec_jax.types import UserError

    if split == train_split:
        raise UserError(f"--split and --train-split are both {split!r}: figures would be of known photos")
    own = meta.resolution_px
    px = own if measure_at is None else measure_at
    pooling.check(px, own, SMALLEST_PX)
    larger = open_source(data, own, split, meta.attribute_names) if px != own else None
    test = Hashed(open_source(data, px, split, meta.attribute_names))
    train = Fitted(open_source(data, px, train_split, meta.attribute_names))
    if larger is not None:
        pooling.check_same(test, larger)
    return test, train, larger


def _mask_sets(names: str, count: int, px: int, seed: int) -> "list[MaskSet]":
    from fec_jax.masks import sets as mask_sets
    from fec_jax.types import UserError

    wanted = [part.strip() for part in names.split(",") if part.strip()]
    if not wanted:
        raise UserError(f"--masks is empty: give some of {', '.join(mask_sets.NAMES)} or folder:PATH, by comma")
    called = [mask_sets.called(one) for one in wanted]
    for name in called:
        if called.count(name) > 1:
            raise UserError(f"--masks names {name} twice: give each set once, and folders of different names")
    return [mask_sets.make(one, count, px, seed) for one in wanted]


def _check_out(out: Path, force: bool) -> None:
    from fec_jax.io import output
    from fec_jax.types import UserError

    output.check_folder(out)
    if os.path.lexists(out / "report.json") and not force:
        raise UserError(f"{out} holds a report: choose another --out, or overwrite it with --force")


def _make_folder(out: Path) -> None:
    from fec_jax.types import UserError

    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as e:
        raise UserError(f"cannot make {out} ({e.strerror}): choose another --out") from e


def _write(out: Path, whole: dict[str, Any], grids: dict[str, Any], titles: list[str]) -> None:
    from fec_jax.io import output
    from fec_jax.metrics import report
    from fec_jax.train.writers import write_grid
    from fec_jax.types import UserError

    replaced = report.grids_of(out / "report.json") - grids.keys()
    # The figures first: they took hours, and a full disk may not take the pictures.
    output.write_aside(out / "report.json", report.to_json(whole))
    output.write_aside(out / "report.md", report.to_markdown(whole).encode())
    try:
        for name, rows in grids.items():
            write_grid(out / name, rows, titles, tile_px=128)
    except OSError as e:
        raise UserError(f"{out} holds the report, but not all of its grids: {e.strerror or e}") from e
    for name in replaced:
        (out / name).unlink(missing_ok=True)
