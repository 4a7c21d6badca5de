"""What a command owes its user, whatever the files are; and whether it kept to it.

| exit code | what must hold |
|---|---|
| any | every input is there, byte for byte; no file of a half-finished write is left |
| 0 | the outputs are there and whole |
| 1 | (a folder of photos) some failed: `report.csv` says which, and those that it calls done are there |
| 2 | one line, `fec: ...`; nothing is in the output folder that was not there before, and that is unchanged |

`fec prepare` may leave `report.json`, which its message then names, and `.partial` and `.lock`, with which the same
command resumes. Anything else, an exception or a warning of some library, is a fault.
"""

import contextlib
import csv
import io
import json
import traceback
import warnings
from pathlib import Path

import numpy as np
from PIL import Image

from experiments.robustness.cases import IN, OUT, Case
from fec_jax.cli import main
from fec_jax.complete import photos
from fec_jax.data.source import open_source, splits_of

INTERRUPTED = 130  # Ctrl-C is that of this script
RESUMED = (".lock", "report.json", ".partial")


def judged(case: Case, folder: Path) -> tuple[str, str]:
    """Runs a case in `folder`, the current one: its outcome, and what was wrong or ""."""
    for name, data in case.inputs.items():
        path = folder / IN / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    if case.words[0] == "complete" or case.before:
        (folder / OUT).mkdir()
    for name, data in case.before.items():
        (folder / OUT / name).write_bytes(data)
    code, errors, fault = _run(case.words)
    if not fault:
        try:
            _check(case, folder, code, errors)
        except AssertionError as error:
            fault = f"exit code {code}, {error}"
        except Exception:  # an output that is not what its name says
            fault = f"exit code {code}, outputs cannot be read\n{traceback.format_exc()}"
    return "fault" if fault else {0: "done", 1: "some failed", 2: "refused"}[code], fault


def _run(words: list[str]) -> tuple[int, str, str]:
    """Exit code, what came on stderr, and a traceback or a warning if there was one."""
    out, errors = io.StringIO(), io.StringIO()
    code: int | str | None = 0
    with warnings.catch_warnings(record=True) as seen, contextlib.ExitStack() as stack:
        warnings.simplefilter("default")
        stack.enter_context(contextlib.redirect_stdout(out))
        stack.enter_context(contextlib.redirect_stderr(errors))
        try:
            main.main(words)
        except SystemExit as end:
            code = end.code
            if code == INTERRUPTED:
                raise KeyboardInterrupt from end
        except Exception:
            return -1, errors.getvalue(), f"fec {' '.join(words)}\n{traceback.format_exc()}"
    shown = [f"{w.category.__name__}: {w.message}" for w in seen]
    fault = f"a library's warning is shown: {'; '.join(shown)[:300]}" if shown else ""
    return (code if isinstance(code, int) else -1), errors.getvalue(), fault


def _check(case: Case, folder: Path, code: int, errors: str) -> None:
    """AssertionError: what is wrong."""
    after = _files(folder / IN)
    assert after.keys() == case.inputs.keys(), (
        f"input files are other ones: {sorted(after.keys() ^ case.inputs.keys())}"
    )
    changed = [name for name, data in case.inputs.items() if after[name] != data]
    assert not changed, f"inputs were changed: {changed}"
    found = _files(folder / OUT)
    left = [name for name in found if name.endswith(".part") or ".writing-" in name]
    assert not left, f"left behind: {left}"
    assert "Traceback" not in errors, errors
    if code == 2:
        _check_refused(case, found, errors)
    elif case.words[0] == "prepare":
        _check_prepared(case, folder, code)
    elif "report.csv" in case.outputs:
        _check_folder(case, folder, code, found)
    else:
        _check_photo(case, folder, code, found)


def _check_refused(case: Case, found: dict[str, bytes], errors: str) -> None:
    lines = errors.splitlines()
    assert "".join(lines[-1:]).startswith("fec: "), f"no line says why: {errors!r}"
    assert sum(line.startswith("fec: ") for line in lines) == 1, errors
    if case.words[0] == "complete":
        assert len(lines) == 1, f"more than a line: {errors!r}"
        assert found == case.before, f"outputs of a refused command: {sorted(found.keys() ^ case.before.keys())}"
    else:
        others = [name for name in found if not name.startswith(RESUMED)]
        assert not others, f"outputs of a refused command: {others}"
        assert "report.json" not in found or "report.json" in errors, "report.json is not mentioned"


def _check_prepared(case: Case, folder: Path, code: int) -> None:
    assert code == 0, "of a preparation"
    names = {path.name for path in (folder / OUT).iterdir()} - {".lock"}
    assert names == set(case.outputs), f"outputs: {sorted(names)}"
    for px in (4, 8):
        for split in splits_of(folder / OUT, px):
            source = open_source(folder / OUT, px, split)
            images, _ = source.load(range(len(source)))
            assert images.shape[1:] == (px, px, 3)


def _check_folder(case: Case, folder: Path, code: int, found: dict[str, bytes]) -> None:
    with (folder / OUT / "report.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    done = {f"{Path(row['file']).stem}.png" for row in rows if row["status"] == "done"}
    failed = {f"{Path(row['file']).stem}.png" for row in rows if row["status"] == "failed"}
    assert all(row["message"] for row in rows if row["status"] == "failed"), "a photo failed without a reason"
    assert code == int(bool(failed)), f"{len(failed)} photos failed"
    crashed = [row["message"] for row in rows if row["message"].split(":")[0].endswith("Error")]
    assert not crashed, f"an exception instead of a reason: {crashed}"
    missing = done - found.keys()
    assert not missing - case.before.keys(), f"called done, but not there: {missing}"
    new = found.keys() - case.before.keys() - {"report.csv", ".lock"}
    assert new <= done, f"outputs of photos that are not done: {new - done}"
    assert case.before.keys() <= found.keys(), "an earlier output is gone"
    for name in new:
        _opened(found[name])


def _check_photo(case: Case, folder: Path, code: int, found: dict[str, bytes]) -> None:
    assert code == 0, "of one photo"
    assert found.keys() == set(case.outputs), f"outputs: {sorted(found)}"
    for name, data in found.items():
        if name.endswith(".json"):
            json.loads(data)
        else:
            _opened(data)
    if "hole.png" in found and "o.png" in found and not {"--vary", "--raw"} & set(case.words):
        before, after = (photos.read_photo(Path(path)) for path in (case.words[1], f"{OUT}/o.png"))
        hole = np.asarray(_opened(found["hole.png"])) > 0
        assert after.size_px == before.size_px, "the size changed"
        assert np.array_equal(after.pixels[~hole], before.pixels[~hole]), "pixels outside the hole changed"


def _opened(data: bytes) -> Image.Image:
    try:
        image = Image.open(io.BytesIO(data))
        image.load()
    except Exception as error:
        raise AssertionError(f"an output cannot be opened: {error}") from error
    return image


def _files(folder: Path) -> dict[str, bytes]:
    """Contents of all files below `folder`, by their path in it."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
