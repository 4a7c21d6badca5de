"""What the XLA:GPU compiler made of training steps: the reading of its programs, and the published results."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from experiments.gpu_aot import aot, benchmark, compile_phase

RESULTS = Path(aot.__file__).with_name("results.json")
ROWS = json.loads(RESULTS.read_text())

# As the GPU compiler prints them, with other sizes.
PROGRAM = """\
HloModule jit_train_step, is_scheduled=true

%fused_transpose (p: bf16[3,3,4,8]) -> bf16[8,3,3,4] {
  %p = bf16[3,3,4,8]{3,2,1,0} parameter(0)
  ROOT %transpose.1 = bf16[8,3,3,4]{3,2,1,0} transpose(%p), dimensions={3,0,1,2}
}

ENTRY %main (x: bf16[2,8,8,4], w: bf16[3,3,4,8]) -> bf16[2,8,8,8] {
  %x = bf16[2,8,8,4]{3,2,1,0} parameter(0)
  %w = bf16[3,3,4,8]{3,2,1,0} parameter(1)
  %wrapped_transpose.1 = bf16[8,3,3,4]{3,2,1,0} fusion(%w), kind=kInput, calls=%fused_transpose
  %loop_convert_fusion = (f32[8]{0}, f32[8]{0}) fusion(%v), kind=kLoop, calls=%fused_convert
  %cudnn-conv.1 = (bf16[2,8,8,8]{3,2,1,0}, u8[0]{0}) custom-call(%x, %wrapped_transpose.1), window={size=3x3}, \
custom_call_target="__cudnn$convForward"
  ROOT %loop_add_fusion.2 = bf16[2,8,8,8]{3,2,1,0} fusion(%g), kind=kLoop, calls=%fused_add
}
"""


def test_kernels_are_counted():
    """Broken: a fusion or a convolution is missed, or what is inside a fusion is taken for a kernel."""
    assert compile_phase.kernels(PROGRAM) == {"fusions": 3, "convolutions": 1, "transposes": 1, "conversions": 1}


def test_resuming(monkeypatch, tmp_path):
    """Broken: an hour of compiling is lost, an error ends all or stays, or versions take each other's rows."""
    asked = []

    def rows(python, *key):
        asked.append(key)
        row = dict.fromkeys(aot.COLUMNS, 1) | dict(zip(aot.KEY, key, strict=True))
        return [{**row, "error": "RESOURCE_EXHAUSTED"}] if key[2] == 8 and len(asked) < 3 else [row, row]

    monkeypatch.setattr(aot, "compile_rows", rows)
    monkeypatch.setattr(aot, "environment", lambda folder: folder)
    argv = ["aot.py", "--configs", "benchmark", "--px", "4", "8", "--out", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", argv)
    aot.main()
    aot.main()
    assert asked == [("now", "benchmark", 4), ("now", "benchmark", 8), ("now", "benchmark", 8)]
    monkeypatch.setattr(sys, "argv", [*argv, "--version", "before"])
    aot.main()
    assert len(asked) == 5
    found = json.loads((tmp_path / "results.json").read_text())
    assert [(row["version"], row["resolution"]) for row in found] == [
        (version, px) for px in (4, 8) for version in ("before", "before", "now", "now")
    ]
    assert (tmp_path / "table.md").read_text().count("\n") == 2 + len(found)


def test_errors_are_rows(monkeypatch):
    """Broken: a phase that does not compile ends the whole table."""
    failed = subprocess.CompletedProcess([], 1, "", "Traceback\nXlaRuntimeError: INTERNAL: no\nlast words\n")
    monkeypatch.setattr(aot.subprocess, "run", lambda *_, **__: failed)
    (row,) = aot.compile_rows(Path("python"), "now", "benchmark", 4)
    assert row["error"] == "XlaRuntimeError: INTERNAL: no"
    assert row["resolution"] == 4


def test_an_environment_that_is_whole_is_kept(monkeypatch, tmp_path):
    """Broken: gigabytes are downloaded anew for every run."""
    monkeypatch.setattr(aot.shutil, "which", lambda name: None)
    with pytest.raises(SystemExit, match=r"python3\.12 is not on the PATH"):
        aot.environment(tmp_path)
    (tmp_path / ".installed").write_text(repr(aot.PACKAGES))
    assert aot.environment(tmp_path) == tmp_path / "bin/python"


def test_the_benchmark_stays_as_it_is():
    """Broken: somebody tunes the config, and no figure can be compared with an earlier one."""
    config = benchmark.get_config()
    assert (config.generator.base, config.generator.cap, config.generator.latent) == (8192, 128, 128)
    assert (config.discriminator.base, config.discriminator.cap, config.dtype) == (8192, 128, "bfloat16")
    assert config.resolution_px == 256
    assert set(config.batch.values()) == {32}
    assert aot.resolutions("benchmark") == list(benchmark.RESOLUTIONS)


def rows(version):
    return {
        (row["config"], row["resolution"]): row for row in ROWS if (row["version"], row["program"]) == (version, "step")
    }


def test_published_rows():
    """Broken: a published step sends gradients in pieces, or has come to need more kernels than a GPU can launch."""
    assert all("error" not in row for row in ROWS)
    now, before = rows("now"), rows("before")
    for key, row in now.items():
        assert row["all_reduces"] == 2, key
        old = before.get(key)
        if old:
            assert row["temporaries_gib"] <= old["temporaries_gib"], key
            assert row["compile_cpu_s"] <= 0.6 * old["compile_cpu_s"], key
    small = now["benchmark", 32]
    assert small["fusions"] + small["convolutions"] <= 700
    assert small["stablehlo_ops"] <= 15_000
