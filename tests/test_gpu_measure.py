"""Measuring on a GPU, as far as it can be tried without one: what comes when, what is kept, what goes wrong."""

import json
import sys
import time

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.gpu import asking, given, measure, rows, table, timing, traffic
from experiments.gpu.rows import Row

ABOUT = {"platform": "gpu", "card": "NVIDIA A", "commit": None}
RATES = {"bfloat16_tflops": 100.0, "float32_tflops": 50.0, "float32_highest_tflops": 5.0, "copy_gb_s": 1000.0}
CHECK, STEP = rows.FULL[0], Row("step", "ours", "benchmark", 64, 32, "bfloat16")
OURS, TORCHS = (Row("completion", side, "full", 256, 1, "bfloat16") for side in ("ours", "compile"))


def written(folder):
    return json.loads((folder / "results.json").read_text())


def test_the_most_important_rows_come_first():
    """Broken: time runs out before what was wanted most, or a wanted case is not measured at all."""
    planned = rows.plan(tiny=False)
    assert [row.what for row in planned[:3]] == ["check_completion", "check_step", "rates"]
    assert [row.side for row in planned[3:7]] == ["ours", "compile", "eager", "graphs"]
    assert {str(row) for row in planned[3:7]} == {
        f"completion full 1024 px, batch 1, bfloat16, {side}" for side in ("ours", "compile", "eager", "graphs")
    }
    cases = {(row.name, row.resolution, row.batch, row.dtype) for row in planned if row.what == "completion"}
    assert len(cases) == 24
    steps = {(row.name, row.resolution) for row in planned if row.what == "step" and row.side == "ours"}
    assert steps >= {("benchmark", 64), ("benchmark", 256), ("hq1024", 256), ("hq1024", 1024)}
    for row in planned:
        if row.side != "ours":
            ours = Row(row.what, "ours", *list(row.key.values())[2:])
            assert ours in planned[: planned.index(row)], "its results have nothing to be compared with"


def test_every_step_is_a_config_s():
    """Broken: a config has another batch or precision than its row, which fails on the GPU, minutes later."""
    for row in {row for tiny in (True, False) for row in rows.plan(tiny) if row.what == "step"}:
        run, phase = given.step(row.name, row.resolution, row.batch, row.dtype)
        assert (phase.resolution_px, phase.batch) == (row.resolution, row.batch), row
        assert run.recipe.discriminator.dtype == row.dtype, row


def test_what_is_missing():
    """Broken: a card's rows are measured twice, another card's are taken for its own, or what failed is in the way."""
    done = OURS.key | ABOUT
    failed = CHECK.key | ABOUT | {"error": "not done"}
    planned = [CHECK, OURS, STEP]
    assert rows.left(planned, [done, failed], "NVIDIA A") == [STEP, CHECK]
    assert rows.left(planned, [done, failed], "NVIDIA B") == planned


def test_no_row_is_begun_that_cannot_end():
    """Broken: the last seconds are wasted, or one row that hangs takes the time of all."""
    assert rows.limit(STEP, rows.LEAST_S["step"] - 1, last=True) is None
    assert rows.limit(STEP, 400, last=False) == 200
    assert rows.limit(STEP, 400, last=True) == 400
    assert rows.limit(OURS, 20, last=False) == 20


def answers(monkeypatch, found):
    """Instead of processes: `found` by what is asked for, an exception is raised."""
    asked = []

    def ask(what, seconds, platform=None):
        if what["side"] == "operations":
            yield {"gflop": 50.0}
            return
        asked.append((what["what"], what["side"], platform))
        for answer in found[what["what"], what["side"]]:
            if isinstance(answer, Exception):
                raise answer
            yield answer

    monkeypatch.setattr(measure, "ask", ask)
    monkeypatch.setattr(measure, "torch_is_there", lambda: True)
    return asked


def test_a_run(monkeypatch, tmp_path, capsys):
    """Broken: a row that fails ends the run or stays, a figure is lost, or rows that are there are measured again."""
    figures = {"ms": 2.0, "gb": 1.0, "values": {"image": [1.0, -2.0]}}
    found = {
        ("rates", "ours"): [RATES],
        ("completion", "ours"): [{"ms": 2.0}, figures],
        ("completion", "compile"): [{"ms": 3.0, "values": {"image": [1.0, -1.9]}}],
        ("step", "ours"): [{"ms": 7.0}, asking.FailedError("RESOURCE_EXHAUSTED: Out of memory")],
    }
    asked = answers(monkeypatch, found)
    planned = [rows.FULL[2], OURS, TORCHS, STEP]
    results = measure.Results(tmp_path)
    measure.run(planned, ABOUT, results, time.monotonic() + 1000, 0.01)
    rates, ours, torchs, step = written(tmp_path)
    assert rates["bfloat16_tflops"] == 100
    assert (ours["tflops"], ours["roofline_ms"], ours["binds"], ours["fraction"]) == (25, 1.0, "bytes", 0.5)
    assert torchs["difference"] == pytest.approx(0.05)
    assert "error" not in torchs
    assert step["ms"] == 7
    assert "RESOURCE_EXHAUSTED" in step["error"]
    page = (tmp_path / "table.md").read_text()
    assert "| full | 256 | 1 | bfloat16 | 2 |  | 3 |  | 1.5 |" in page
    assert "| step | ours | benchmark | 64 | 32 | bfloat16 | RESOURCE_EXHAUSTED: Out of memory |" in page

    del asked[:]
    found["step", "ours"] = [{"ms": 7.0}]
    measure.run(planned, ABOUT, measure.Results(tmp_path), time.monotonic() + 1000, 0.01)
    assert asked == [("step", "ours", None)]
    assert "error" not in written(tmp_path)[3]
    measure.run([CHECK], ABOUT, results, time.monotonic() + 5, 0.01)
    assert "no time left for: check_completion narrow" in capsys.readouterr().out


def test_results_are_compared(monkeypatch, tmp_path):
    """Broken: a card that computes something else, or a twin that does, is timed as if nothing were wrong."""
    found = {
        ("check_completion", "reference"): [{"values": {"a": [100.0], "b": [1.0, -2.0]}}],
        ("check_completion", "ours"): [{"values": {"a": [100.01], "b": [1.0, -2.01]}}],
        ("completion", "ours"): [{"ms": 1.0, "values": {"image": [1.0]}}],
        ("completion", "compile"): [{"ms": 1.0, "values": {"image": [1.2]}}],
    }
    asked = answers(monkeypatch, found)
    measure.run([CHECK, OURS, TORCHS], ABOUT, measure.Results(tmp_path), time.monotonic() + 1000, 0.01)
    check, _, torchs = written(tmp_path)
    assert asked[:2] == [("check_completion", "reference", "cpu"), ("check_completion", "ours", None)]
    assert check["difference"] == pytest.approx(5e-3)
    assert "differs from the CPU's" in check["error"]
    assert "not comparable" in torchs["error"]


def test_without_torch(monkeypatch, tmp_path, capsys):
    """Broken: without PyTorch nothing is measured, or its rows do not say why they are empty."""
    asked = answers(monkeypatch, {("completion", "ours"): [{"ms": 1.0}]})
    monkeypatch.setattr(measure, "torch_is_there", lambda: False)
    measure.run([TORCHS, OURS], ABOUT, measure.Results(tmp_path), time.monotonic() + 1000, 0.01)
    assert asked == [("completion", "ours", None)]
    assert [row.get("error", "")[:22] for row in written(tmp_path)] == ["torch is not installed", ""]
    assert "torch is not installed" in capsys.readouterr().out


def test_a_kill_loses_nothing(monkeypatch, tmp_path):
    """Broken: rows that were done, or what was known of the one under way, are gone when the program is killed."""
    found = {
        ("completion", "ours"): [{"ms": 1.0}],
        ("step", "ours"): [{"ms": 7.0}, KeyboardInterrupt()],
    }
    monkeypatch.setattr(measure, "torch_is_there", lambda: False)

    def ask(what, seconds, platform=None):
        if what["side"] == "operations":
            raise asking.FailedError("not now")
        for answer in found[what["what"], what["side"]]:
            if isinstance(answer, BaseException):
                raise answer
            yield answer

    monkeypatch.setattr(measure, "ask", ask)
    with pytest.raises(KeyboardInterrupt):
        measure.run([OURS, STEP], ABOUT, measure.Results(tmp_path), time.monotonic() + 1000, 0.01)
    first, second = written(tmp_path)
    assert "error" not in first
    assert (second["ms"], second["error"]) == (7, "stopped before it was done")
    assert rows.left([OURS, STEP], written(tmp_path), "NVIDIA A") == [STEP]


CHILD = """\
import json, sys, time
asked = json.loads(sys.argv[1])
print("noise")
print(json.dumps({"ms": 1.0}), flush=True)
if asked["what"] == "fails":
    raise ValueError("no such network")
time.sleep(asked["sleeps"])
"""


def test_processes(monkeypatch, tmp_path):
    """Broken: a process that fails or hangs is waited for, or takes its figures with it."""
    (tmp_path / "experiments/gpu").mkdir(parents=True)
    (tmp_path / "experiments/gpu/child.py").write_text(CHILD)
    monkeypatch.setattr(asking, "REPO", tmp_path)
    assert list(asking.ask({"what": "works", "sleeps": 0}, 30)) == [{"ms": 1.0}]
    for what, why in (("fails", "ValueError: no such network"), ("hangs", "not done after 3 s")):
        found, begun = asking.ask({"what": what, "sleeps": 60}, 3), time.monotonic()
        assert next(found) == {"ms": 1.0}
        with pytest.raises(asking.FailedError, match=why):
            next(found)
        assert time.monotonic() - begun < 30


def test_nothing_is_measured_without_a_gpu(monkeypatch, capsys):
    """Broken: without a GPU there is a traceback, or a page full of errors."""
    monkeypatch.setattr(sys, "argv", ["measure.py"])
    monkeypatch.setattr(measure, "ask", lambda *_: iter([{"platform": "cpu", "card": "cpu"}]))
    with pytest.raises(SystemExit) as stopped:
        measure.main()
    assert stopped.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith("measure.py: no GPU, JAX has cpu only: ")
    assert said.count("\n") == 1
    monkeypatch.setenv("XLA_FLAGS", "--xla_gpu_autotune_level=0")
    with pytest.raises(SystemExit):
        measure.main()
    assert "autotuning" in capsys.readouterr().err


def test_bytes_are_those_of_the_kernels():
    """Broken: rooflines count what a fusion keeps to itself, or not what it reads."""
    x, w = jnp.ones((64, 256)), jnp.ones((256, 128))
    compiled = jax.jit(lambda x, w: jax.nn.relu(x @ w) * 2).lower(x, w).compile()
    at_least = x.nbytes + w.nbytes + 64 * 128 * 4
    assert at_least <= traffic.moved(compiled.as_text()) <= at_least + 4 * 64 * 128 * 4
    library = (
        "ENTRY %main (x: bf16[8,16]) -> bf16[8,16] {\n"
        "  %x = bf16[8,16]{1,0} parameter(0)\n"
        '  %cudnn-conv.1 = (bf16[8,16]{1,0}, u8[64]{0}) custom-call(%x, %x), custom_call_target="__cudnn$conv"\n'
        "  ROOT %y = bf16[8,16]{1,0} get-tuple-element(%cudnn-conv.1), index=0\n}\n"
    )
    assert traffic.moved(library) == 3 * 256 + 64


def test_calls_are_timed_in_rounds():
    """Broken: a time is that of queueing, or of a single call."""
    calls, waits = [], []
    each = timing.timed(lambda: calls.append(time.sleep(0.001)), waits.append, 0.05)
    assert 0.001 <= each < 0.02
    assert 4 <= len(waits) <= 7 < len(calls)


def test_differences_are_of_the_largest_value():
    """Broken: a small value that is a rounding error off stops the measuring, or a large one does not."""
    assert table.apart({"a": [1e-9, 10.0]}, {"a": [2e-9, 10.0]}) < 1e-9
    assert table.apart({"a": [1.0], "b": [10.0]}, {"a": [1.1], "b": [10.0]}) == pytest.approx(0.1)
    assert not table.apart({"a": [np.nan, 1.0]}, {"a": [1.0, 1.0]}) <= 1.0
