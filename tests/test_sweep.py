"""Sweeps: the report is of the runs, nothing is run twice, failures are told, mistakes in a table get one line."""

import contextlib
import csv
import fcntl
import io
import json
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import numpy as np
import pytest
import tiny

from experiments import sweep
from experiments.sweeping import running
from experiments.sweeping import table as tables

pytestmark = pytest.mark.timeout(1800)  # six trainings: a minute on idle cores, more beside other work

TABLE = "tests/sweeps/small_table.py"
ROWS = ("plain", "grown without history")
RUNS = [f"{row}/seed{seed}" for row in ("plain", "grown-without-history") for seed in (0, 1)]


def last_nimg(workdir):
    return max((int(path.name) for path in (workdir / "checkpoints").glob("*") if path.name.isdigit()), default=0)


def snapshot(out):
    """What runs have written, and when."""
    paths = [path for run in RUNS for path in (out / run).rglob("*")]
    return {path: path.stat().st_mtime_ns for path in sorted(paths)}


@pytest.fixture(scope="module")
def story(tmp_path_factory):
    """A sweep whose first run cannot start and that is stopped early; then the same command, and once more."""
    out = tmp_path_factory.mktemp("sweep")
    taken, growing = out / RUNS[0], out / RUNS[2]
    taken.mkdir(parents=True)
    command = [sys.executable, "experiments/sweep.py", TABLE, f"--out={out}"]
    with (taken / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with subprocess.Popen(command, cwd=tiny.REPO, stdout=subprocess.PIPE, text=True) as process:
            while not last_nimg(growing) and process.poll() is None:
                time.sleep(0.02)
            process.send_signal(signal.SIGTERM)
            told, _ = process.communicate(timeout=600)
    stopped = SimpleNamespace(code=process.returncode, told=told, nimg=last_nimg(growing))

    def again():
        told = io.StringIO()
        with contextlib.redirect_stdout(told):
            code = sweep.main([TABLE, f"--out={out}", "--jobs=2"])
        return SimpleNamespace(code=code, told=told.getvalue())

    finished, before = again(), snapshot(out)
    repeated = again()
    return SimpleNamespace(out=out, stopped=stopped, finished=finished, repeated=repeated, before=before)


def test_a_failing_run_is_told_and_the_others_go_on(story):
    """A run that failed looks like one that worked, or takes the others with it."""
    assert story.stopped.code == 1
    assert "plain, seed 0: FAILED with exit code 2" in story.stopped.told
    assert "another training is running" in story.stopped.told, "the end of its log"
    assert "1 runs failed: plain, seed 0. The same command tries them again." in story.stopped.told


def test_an_interrupted_sweep_goes_on(story):
    """Stopping a sweep loses work, or the next command begins the stopped run anew."""
    assert 0 < story.stopped.nimg < 192
    assert f"grown without history, seed 0: stopped at {story.stopped.nimg / 1000:g} kimg" in story.stopped.told
    assert "stopped: the same command resumes" in story.stopped.told
    assert story.finished.code == 0, story.finished.told
    log = (story.out / RUNS[2] / "log.txt").read_text()
    assert f"resumed at {story.stopped.nimg / 1000:.3f} kimg" in log
    assert log.count("done: ") == 1


def test_finished_runs_are_not_repeated(story):
    """The same command trains or measures again what is there."""
    assert story.repeated.code == 0, story.repeated.told
    assert "small_table: 4 runs, 4 of them finished before" in story.repeated.told
    assert "measuring" not in story.repeated.told
    assert snapshot(story.out) == story.before


def test_the_report_is_of_the_runs(story):
    """A table's numbers are not mean and sample standard deviation of what its runs ended with."""
    folder = story.out / "report"
    assert {p.name for p in folder.iterdir()} == {"table.md", "table.csv", "results.json", "curves.png", "bars.png"}
    assert all(path.read_bytes()[:4] == b"\x89PNG" for path in folder.glob("*.png"))
    psnr = {}
    for run in RUNS:
        psnr[run] = next(
            line["eval/psnr_hole_center"]
            for line in reversed(tiny.lines(story.out / run))
            if "eval/psnr_hole_center" in line
        )
    by_row = {row: [psnr[run] for run in RUNS[2 * i : 2 * i + 2]] for i, row in enumerate(ROWS)}
    report = json.loads((folder / "results.json").read_text())
    markdown = (folder / "table.md").read_text()
    with (folder / "table.csv").open() as file:
        lines = {line["row"]: line for line in csv.DictReader(file)}
    assert list(report["rows"]) == list(lines) == list(ROWS)
    for row, (a, b) in by_row.items():
        mean, std = (a + b) / 2, abs(a - b) / np.sqrt(2)
        figure = report["rows"][row]["figures"]["psnr_hole_center"]
        assert [figure["mean"], figure["std"], *figure["values"]] == pytest.approx([mean, std, a, b])
        assert float(lines[row]["psnr_hole_center_mean"]) == pytest.approx(mean)
        assert float(lines[row]["psnr_hole_center_std"]) == pytest.approx(std)
        config = json.loads((story.out / row.replace(" ", "-") / "seed0/config.json").read_text())
        assert f"| {row} | {mean:.2f} ± {std:.2f} | {len(json.dumps(config))} ± 0 |" in markdown
    (a, b), (c, d) = by_row.values()
    difference = report["rows"][ROWS[1]]["minus plain"]["psnr_hole_center"]
    assert difference["values"] == pytest.approx([c - a, d - b])
    assert f"| {ROWS[1]} | {(c - a + d - b) / 2:+.2f} ± {abs(c - a - d + b) / np.sqrt(2):.2f} | " in markdown
    assert all(run["train_s"] > 0 and run["wall_s"] > 0 for run in report["runs"])
    started = [json.loads((story.out / run / "sweep.json").read_text())["commits"] for run in RUNS]
    assert [len(commits) for commits in started] == ([2, 1, 2, 1] if running.commit() else [0] * 4)
    assert report["made_with"]["commits"] == sorted(set(running.commit()))


def test_a_dry_run_says_what_would_be_run(story, tmp_path, capsys):
    """`--dry-run` starts or writes something, or what it shows is not what `--only` chose."""
    assert sweep.main([TABLE, f"--out={tmp_path / 'new'}", "--only", "plain", "--dry-run"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(": ")[0] for line in lines] == [f"plain, seed {seed}, 0 of 0.16 kimg" for seed in (0, 1)]
    assert lines[1].endswith(f"--config.seed=1 --workdir={tmp_path / 'new/plain/seed1'}")
    assert not (tmp_path / "new").exists()
    assert sweep.main([TABLE, f"--out={story.out}", "--dry-run"]) == 0
    assert (
        capsys.readouterr().out.count(", finished: python -m fec_jax.main --config=tests/sweeps/small_config.py") == 4
    )


def test_only_some_rows(story, capsys):
    """`--only` runs another row, or leaves the finished runs of the others out of the report."""
    assert sweep.main([TABLE, f"--out={story.out}", "--only", "plain"]) == 0
    told = capsys.readouterr().out
    assert "small_table: 2 runs, 2 of them finished before" in told
    assert f"4 of 4 runs are in {story.out / 'report'}" in told


def test_a_figure_that_the_table_has_got_since(story, capsys):
    """Broken: after a new figure in a table every finished run is an error that says nothing of what to do."""
    path = story.out / RUNS[0] / "figures.json"
    whole = path.read_text()
    path.write_text("{}")
    assert sweep.main([TABLE, f"--out={story.out}"]) == 0
    told = capsys.readouterr().out
    assert told.count("measuring") == 1
    assert "measuring plain, seed 0" in told
    assert path.read_text() == whole


def one_line(capsys, *argv):
    """The one line with which a mistaken command ends."""
    assert sweep.main([str(word) for word in argv]) == 2
    printed = capsys.readouterr()
    assert not printed.out
    assert printed.err.startswith("sweep: ")
    assert printed.err.count("\n") == 1, printed.err
    return printed.err


def test_one_sweep_at_a_time(tmp_path, capsys):
    """Two sweeps share a folder and start the same runs."""
    with (tmp_path / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert f"another sweep is running in {tmp_path}" in one_line(capsys, TABLE, f"--out={tmp_path}")


def test_another_config_in_a_used_folder(story, tmp_path, capsys):
    """Runs of different configs end up in one row."""
    table = tmp_path / "small_table.py"
    table.write_text((tiny.REPO / TABLE).read_text().replace('"plain": {}', '"plain": {"eval_images": 3}'))
    told = one_line(capsys, table, f"--out={story.out}")
    assert "holds a run with config.eval_images = 4, not 3" in told


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("SEEDS = (0, 1)", "SEEDS = [0, 1]", "SEEDS must be a tuple of different whole numbers"),
        ("SEEDS = (0, 1)", "SEEDS = (1, 1)", "SEEDS must be a tuple of different whole numbers"),
        ("SEEDS = (0, 1)", "", "has no SEEDS"),
        ("SEEDS = (0, 1)", "SEEDS = (0, 1", "cannot be read (SyntaxError"),
        ("SEEDS = (0, 1)", "SEEDS = 1 / 0", "cannot be read (ZeroDivisionError"),
        ('CONFIG = "tests/sweeps/small_config.py"', "CONFIG = 3", "CONFIG must be a string"),
        ("small_config.py", "no_config.py", "no_config.py"),
        ('"plain": {}', '"plain": 3', "ROWS must be a dict"),
        ('"plain": {}', '"a/b": {}', "row 'a/b' cannot name a folder"),
        ('"plain": {}', '"report": {}', "one would be named report"),
        ('"plain": {}', '"grown-without history": {}', "two rows would share a folder"),
        ('"plain": {}', '"plain": {"seed": 3}', "row 'plain' changes the seed"),
        ('"plain": {}', '"plain": {"loss.reck": 3}', "row 'plain': "),
        ('"plain": {}', '"plain": {"batch.px4": 0}', "row 'plain': config.batch.px4 is 0"),
        ('("hole PSNR, dB", 2)', '"hole PSNR, dB"', "FIGURES must be a dict"),
        ("def measure", "measure = 3\ndef other", "measure must be a function"),
    ],
)
def test_mistakes_in_a_table(tmp_path, capsys, old, new, told):
    """A mistyped table gives a traceback, or is found out after an hour."""
    text = (tiny.REPO / TABLE).read_text()
    assert text.count(old) == 1
    table = tmp_path / "table.py"
    table.write_text(text.replace(old, new))
    assert told in one_line(capsys, table, f"--out={tmp_path / 'out'}")
    assert not (tmp_path / "out").exists()


def test_mistakes_in_a_command(tmp_path, capsys):
    """A mistyped command gives a traceback."""
    assert "nothing.py is no Python file" in one_line(capsys, "nothing.py", f"--out={tmp_path}")
    assert "has no such row; it has: plain, grown" in one_line(capsys, TABLE, f"--out={tmp_path}", "--only=plane")
    assert "--jobs is 0" in one_line(capsys, TABLE, f"--out={tmp_path}", "--jobs=0")


@pytest.mark.parametrize("name", ["ablation", "recipes32", "recipes64"])
def test_the_tables_of_this_project(name, tmp_path, capsys):
    """A published table cannot be started, or has fewer than three seeds."""
    path = tiny.REPO / f"experiments/sweeps/{name}.py"
    assert sweep.main([str(path), f"--out={tmp_path / 'out'}", "--dry-run"]) == 0, capsys.readouterr().err
    told = [line.split(", 0 of ")[0] for line in capsys.readouterr().out.splitlines()]
    table = tables.read(path)
    assert len(table.seeds) >= 3
    assert told == [f"{row}, seed {seed}" for seed in table.seeds for row in table.rows]
