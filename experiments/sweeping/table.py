"""A sweep's table: what it says, and the runs that follow from it. Whatever is wrong with it is said before any run.

A table is a Python file with these names:

CONFIG    the config of every run, as `--config` of `fec_jax.main` has it, relative to this repository
SEEDS     tuple of ints: `config.seed`
ROWS      name -> {dotted key of the config: value}. The first row is what the others are compared with. The key
          "config" stands for another CONFIG.
FIGURES   name -> (label, digits after the point): the columns of the report. The names are those of `metrics.jsonl`
          (`eval/` left out) and of `measure`. The first one is drawn over the images seen.
measure   optional: (workdir of a finished run, folder of the sweep) -> {name: figure}, further figures; called once for
          every run. Where a name is in `metrics.jsonl` too, this one counts.
"""

import json
import re
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, cast

from flax.traverse_util import flatten_dict

from fec_jax import schedule
from fec_jax.config import build, load
from fec_jax.types import UserError

REPO = Path(__file__).resolve().parents[2]
Measure = Callable[[Path, Path], Mapping[str, float]]


@dataclass(frozen=True)
class Figure:
    """A column of the report: name of the figure, what people call it, and its digits after the point."""

    name: str
    label: str
    digits: int


@dataclass(frozen=True)
class Table:
    """What a table's file says; see the head of this module."""

    name: str
    config: str
    seeds: tuple[int, ...]
    rows: Mapping[str, Mapping[str, Any]]
    figures: tuple[Figure, ...]
    measure: Measure | None


@dataclass(frozen=True)
class Planned:
    """One run: a row with a seed. options: of `fec_jax.main`. config: as `config.json` will hold it."""

    row: str
    seed: int
    workdir: Path
    options: tuple[str, ...]
    config: Mapping[str, Any]
    phases: tuple[schedule.Phase, ...]

    @property
    def name(self) -> str:
        return f"{self.row}, seed {self.seed}"

    @property
    def total_nimg(self) -> int:
        return schedule.total_nimg(self.phases)

    @property
    def command(self) -> str:
        """What one would type."""
        return shlex.join(["python", "-m", "fec_jax.main", *self.options])

    def finished(self) -> bool:
        """Whether the last checkpoint is there: it is written after all else that belongs to the run."""
        return (self.workdir / "checkpoints" / str(self.total_nimg)).is_dir()

    def reached(self) -> int:
        """Images seen at the newest checkpoint; 0 if there is none."""
        names = [path.name for path in (self.workdir / "checkpoints").glob("*")]
        return max((int(name) for name in names if name.isdigit()), default=0)


def read(path: Path) -> Table:
    """The table in a file. Raises UserError."""
    module = load.run_file(path)
    seeds, rows, figures = (_name(path, module, name) for name in ("SEEDS", "ROWS", "FIGURES"))
    config, measure = _name(path, module, "CONFIG"), getattr(module, "measure", None)
    if not isinstance(config, str):
        raise UserError(f"{path}: CONFIG must be a string, the path of a config")
    if not _all(tuple, int, seeds) or len(set(seeds)) != len(seeds):
        raise UserError(f"{path}: SEEDS must be a tuple of different whole numbers")
    if not _all(dict, str, rows) or not all(_all(dict, str, changes, empty=True) for changes in rows.values()):
        raise UserError(f"{path}: ROWS must be a dict: name of the row -> {{dotted key of the config: value}}")
    for row, changes in rows.items():
        if not re.fullmatch(r"[\w+.=-]([\w+.= -]*[\w+.=-])?", row) or set(row) <= {"."}:
            raise UserError(f"{path}: row {row!r} cannot name a folder: letters, digits, spaces and + - . = _ will do")
        if "seed" in changes:
            raise UserError(f"{path}: row {row!r} changes the seed: that is what SEEDS is for")
    if len({_folder(row).lower() for row in rows} | {"report"}) <= len(rows):
        raise UserError(f"{path}: two rows would share a folder, or one would be named report: rename them")
    good = _all(dict, str, figures) and all(_is_figure(value) for value in figures.values())
    if not good:
        raise UserError(f"{path}: FIGURES must be a dict: name -> (label, digits after the point)")
    if measure is not None and not callable(measure):
        raise UserError(f"{path}: measure must be a function: (workdir, folder of the sweep) -> {{name: figure}}")
    columns = tuple(Figure(name, *value) for name, value in figures.items())
    return Table(path.stem, config, seeds, rows, columns, cast(Measure | None, measure))


def plan(table: Table, out: Path) -> list[Planned]:
    """Every run of the table, all rows with the first seed first, each in its own folder below `out`.

    Every config is read and built as `fec_jax.main` would do it, though nothing is compiled. Raises UserError, with the
    row's name, for what main would refuse, and for a folder that holds a run of another config.
    """
    return [_planned(table, out, row, seed) for seed in table.seeds for row in table.rows]


def _planned(table: Table, out: Path, row: str, seed: int) -> Planned:
    values = dict(table.rows[row])
    config = values.pop("config", table.config)
    changes = [f"config.{key}={value}" for key, value in (*values.items(), ("seed", seed))]
    workdir = out / _folder(row) / f"seed{seed}"
    try:
        run = build.build(load.load(REPO / config, changes))
    except UserError as error:
        raise UserError(f"row {row!r}: {error}") from error
    options = f"--config={config}", *(f"--{change}" for change in changes), f"--workdir={workdir}"
    planned = Planned(row, seed, workdir, options, run.config, run.phases)
    _check_folder(planned)
    return planned


def _check_folder(planned: Planned) -> None:
    """Every key counts here, also those that a run alone may resume with: the rows of a table must be comparable."""
    path = planned.workdir / "config.json"
    if not path.exists():
        return
    try:
        before = flatten_dict(json.loads(path.read_text()), sep=".")
    except (OSError, ValueError, AttributeError) as error:
        raise UserError(f"{path} cannot be read ({error}): remove that folder, or use another --out") from error
    now = flatten_dict(planned.config, sep=".")
    for key in sorted(before.keys() | now.keys()):
        old, new = before.get(key, "absent"), now.get(key, "absent")
        if old != new:
            raise UserError(
                f"{planned.workdir} holds a run with config.{key} = {old!r}, not {new!r}: use another --out, or remove "
                "that folder"
            )


def _name(path: Path, module: ModuleType, name: str) -> Any:
    if not hasattr(module, name):
        raise UserError(f"{path} has no {name}: a table needs CONFIG, SEEDS, ROWS and FIGURES")
    return getattr(module, name)


def _all(kind: type, of: type, value: Any, empty: bool = False) -> bool:
    """Whether `value` is a collection of that kind with members (or keys) of that type."""
    return isinstance(value, kind) and (empty or bool(value)) and all(type(x) is of for x in value)


def _is_figure(value: Any) -> bool:
    return isinstance(value, tuple) and [type(x) for x in value] == [str, int]


def _folder(row: str) -> str:
    return row.replace(" ", "-")
