"""The program: killed and stopped at any moment it goes on as if nothing had been; mistakes get one line."""

import json
import random
import re
import shutil
import subprocess
import sys
import time

import numpy as np
import pytest
import tiny
from PIL import Image

# Of `tiny_config`: phases end at 40, 112 (fade 8 px), 152, 224 (fade 16 px) and 264; a checkpoint every 24 images.
MID_FADE_8, GROWS, MID_FADE_16 = range(48, 112, 8), 152, 208


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    """The workdir of a run that nothing happened to."""
    workdir = tmp_path_factory.mktemp("reference")
    code, errors = tiny.train(workdir)
    assert code == 0, errors
    (workdir / "stderr.txt").write_text(errors)
    return workdir


@pytest.fixture
def halfway(reference, tmp_path):
    """A copy of the reference as it was at the end of 8 px."""
    workdir = tmp_path / "run"
    shutil.copytree(reference, workdir)
    for path in (workdir / "checkpoints").iterdir():
        if int(path.name) > GROWS:
            shutil.rmtree(path)
    return workdir


def test_the_workdir_tells_the_whole_run(reference):
    """A run cannot be assessed from its folder: something is missing, repeated, or cannot be read."""
    assert json.loads((reference / "config.json").read_text()) == json.loads(tiny.config().to_json())
    assert list((reference / "events").glob("events.*"))
    errors = (reference / "stderr.txt").read_text()
    said = re.findall(r"the step of (\d+) px, batch 8 has ([\d.]+) MiB per device, as compiled", errors)
    assert [int(px) for px, _ in said] == [4, 8, 16]
    assert 0 < float(said[0][1]) < float(said[-1][1]) < 50
    checkpoints = {int(path.name) for path in (reference / "checkpoints").iterdir()}
    assert checkpoints == {0, 40, 112, 152, 224, 240, 264}, "borders, and the newest two"
    grids = sorted((reference / "grids").iterdir())
    assert [int(path.stem) for path in grids] == [40, 80, 112, 152, 160, 224, 240, 264]
    for path in grids:
        assert np.asarray(Image.open(path)).std() > 10
    lines = tiny.lines(reference)
    training = [line for line in lines if "g_loss" in line]
    borders = {40, 112, 152, 224, 264}
    assert [line["nimg"] for line in training] == sorted({*range(16, 264, 16)} | borders)
    assert all(np.isfinite(v) for line in lines for v in line.values() if not isinstance(v, str))
    assert all(line["raw/feat"] > 0 for line in training if line["phase"].endswith("16 px"))
    figures = [line for line in lines if "eval/psnr_hole_center" in line]
    assert [line["nimg"] for line in figures] == [40, 80, 112, 152, 160, 224, 240, 264]


def test_killed_and_resumed_equals_never_killed(reference, tmp_path):
    """kill -9 changes the numbers of a run, or loses or repeats lines: mid-fade, at a border, or at a random moment."""
    seed = random.SystemRandom().randrange(10**6)
    print(f"random moments: seed {seed}")
    moments, workdir = random.Random(seed), tmp_path / "run"
    for fault in (
        f"step:{moments.choice(MID_FADE_8)}:KILL",
        f"unsaved:{GROWS}:KILL",
        f"saved:{GROWS}:KILL",
    ):
        code, errors = tiny.train(workdir, fault=fault)
        assert code == -9, (fault, code, errors)
    with tiny.program(workdir) as process:
        while not (tiny.lines(workdir) and tiny.lines(workdir)[-1]["nimg"] > GROWS) and process.poll() is None:
            time.sleep(0.02)
        time.sleep(moments.uniform(0, 2))
        process.kill()
        process.communicate()
    code, errors = tiny.train(workdir)
    assert code == 0, errors
    assert tiny.lines(workdir) == tiny.lines(reference), f"seed {seed}"


def test_sigterm_saves_and_the_same_command_goes_on(reference, halfway):
    """Stopping a run (as schedulers and Ctrl-C do) loses work, looks like a failure, or changes numbers."""
    code, errors = tiny.train(halfway, fault=f"step:{MID_FADE_16 + 8}:TERM")
    assert code == 0, errors
    assert "SIGTERM" in errors
    assert "stopped at 0.224 kimg, saved: the same command resumes" in errors
    code, errors = tiny.train(halfway)
    assert code == 0, errors
    assert tiny.lines(halfway) == tiny.lines(reference)


def test_a_second_signal_ends_at_once(halfway):
    """A run that is slow to stop cannot be ended but by kill -9."""
    code, errors = tiny.train(halfway, fault=f"step:{GROWS + 8}:TERM+TERM")
    assert code == -15, errors
    assert "stopped at" not in errors


def snapshot(folder):
    return {path: path.stat().st_mtime_ns for path in sorted(folder.rglob("*"))}


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--config=configs/nothing.py", "--workdir={new}"], "configs/nothing.py"),
        (["--config=tests/tiny_config.py", "--workdir={new}", "--config.loss.reck=3"], "reck"),
        (["--config=tests/tiny_config.py", "--workdir={new}", "--config.seed=x"], "seed"),
        (["--config=tests/tiny_config.py", "--workdir={new}", "more"], "more"),
        (["--config=tests/tiny_config.py"], "--workdir"),
        (["--workdir={new}"], "--config"),
        (["--config=tests/tiny_config.py", "--workdir={new}", "--wrokdir=x"], "wrokdir"),
        (["--config=tests/tiny_config.py", "--workdir={new}", "--config.batch.px8=0"], "config.batch.px8"),
        (["--config=tests/tiny_config.py", "--workdir={used}", "--config.seed=1"], "config.seed"),
        (["--config=tests/tiny_config.py", "--workdir={used}/config.json"], "cannot write to"),
    ],
)
def test_mistakes_get_one_line(reference, tmp_path, options, told):
    """A mistyped command gives a traceback, the wrong exit code, or spoils a run."""
    before = snapshot(reference)
    words = [word.format(new=tmp_path / "new", used=reference) for word in options]
    command = [sys.executable, "-m", "fec_jax.main", *words]
    done = subprocess.run(command, cwd=tiny.REPO, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 2, done.stderr
    assert not done.stdout
    own = [line for line in done.stderr.splitlines() if not re.match(r"\d\d:\d\d:\d\d ", line)]
    assert len(own) == 1, done.stderr
    assert told in own[0]
    assert snapshot(reference) == before
    assert not (tmp_path / "new").exists()
