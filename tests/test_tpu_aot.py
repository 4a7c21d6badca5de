"""What the TPU compiler made of every phase: the reading of its programs, and the published results."""

import functools
import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

from configs import hq256, hq512, hq1024, hq1024_paper
from experiments.tpu_aot import aot, compile_phase, hlo
from fec_jax.train import parallel, steps

RESULTS = Path(aot.__file__).with_name("results.json")
# Of `hq512_paper` and `hq256_paper`, which ended earlier, batches and rematerialisation are those of today's configs.
CONFIGS = {"hq1024": hq1024, "hq1024_paper": hq1024_paper, "hq512_paper": hq512, "hq256_paper": hq256}
CHIPS = {"2x2": 4, "2x4": 8}
ROWS = json.loads(RESULTS.read_text()) if RESULTS.exists() else []
HBM_GB = 15.75 * 2**30 / 1e9  # what the compiler lets a program have of the chip's 16 GiB

# As the TPU compiler prints them, with other sizes.
PROGRAM = """\
HloModule jit_train_step, is_scheduled=true

%region_1.2 (a: f32[], b: f32[]) -> f32[] {
  %a = f32[]{:T(128)} parameter(0)
  ROOT %add.1 = f32[]{:T(128)} add(%a, %b)
}

%fused (p0: bf16[2,8,8,4]) -> bf16[2,8,8,16] {
  %x = bf16[2,8,8,4]{3,0,2,1:T(8,128)(2,1)} parameter(0)
  %w = bf16[3,3,4,16]{3,2,1,0:T(8,128)(2,1)S(1)} fusion(%p1), kind=kLoop, calls=%inner
  ROOT %c.1 = bf16[2,8,8,16]{3,0,2,1:T(8,128)(2,1)} convolution(%x, %w), window={size=3x3 pad=1_1x1_1}, \
dim_labels=b01f_01io->b01f, metadata={op_name="jit(train_step)/Conv_0/conv_general_dilated" stack_frame_id=1}
}

ENTRY %main (p0: f32[2,8,8,4]) -> f32[2,8,8,16] {
  %y = f32[2,8,8,4]{3,0,2,1:T(8,128)} parameter(0)
  %v = f32[1,1,4,16]{3,2,1,0:T(8,128)} parameter(1)
  %c.2 = f32[2,8,8,16]{3,0,2,1:T(8,128)} convolution(%y, %v), window={size=1x1}, dim_labels=b01f_01io->b01f, \
metadata={op_name="jit(train_step)/from_rgb_8/conv_general_dilated" stack_frame_id=2}
  %m = bf16[2,64]{1,0:T(8,128)(2,1)} fusion(%y), kind=kLoop, calls=%other
  %k = bf16[64,16]{1,0:T(8,128)(2,1)} parameter(2)
  %c.3 = bf16[2,16]{1,0:T(8,128)(2,1)} convolution(%m, %k), dim_labels=bf_io->bf, \
metadata={op_name="jit(train_step)/to_latent/dot_general" stack_frame_id=3}
  %all-reduce.1 = (f32[3,3,4,16]{3,2,1,0:T(8,128)S(1)}, f32[16]{0:T(128)}, /*index=2*/f32[]{:T(128)}) \
all-reduce(%g, %h, %i), channel_id=1, replica_groups={{0,1,2,3}}, to_apply=%region_1.2
  %all-reduce-start.2 = (f32[4,4]{1,0:T(8,128)}, f32[]{:T(128)}) all-reduce-start(%j, %l), channel_id=2, \
to_apply=%region_1.2
  %all-reduce-done.2 = (f32[4,4]{1,0:T(8,128)}, f32[]{:T(128)}) all-reduce-done(%all-reduce-start.2)
  %all-reduce.3 = f32[]{:T(128)} all-reduce(%n), channel_id=3, to_apply=%region_1.2
  %all-gather-start.4 = (bf16[2]{0}, bf16[8]{0}) all-gather-start(%o), channel_id=4, dimensions={0}
  %all-gather-done.4 = bf16[8]{0} all-gather-done(%all-gather-start.4)
  ROOT %gte = f32[3,3,4,16]{3,2,1,0:T(8,128)} get-tuple-element(%all-reduce.1), index=0
}
"""


def test_collectives_are_counted_once():
    """Broken: a joined or an asynchronous all-reduce is missed or counted twice, and the table is wrong."""
    assert hlo.collectives(PROGRAM) == [
        hlo.Collective("all-reduce", 2, 1, 4 * (3 * 3 * 4 * 16 + 16 + 1)),
        hlo.Collective("all-reduce", 1, 1, 4 * (16 + 1)),
        hlo.Collective("all-reduce", 0, 1, 4),
        hlo.Collective("all-gather", 1, 0, 4),
    ]
    assert hlo.counted(hlo.collectives(PROGRAM)) == {"all-gather": 1, "all-reduce": 3}


def test_convolutions_are_read():
    """Broken: a float32 convolution is taken for a bfloat16 one, or a matrix product for a convolution."""
    found = hlo.convolutions(PROGRAM)
    assert [(c.operands, c.is_product) for c in found] == [
        (("bf16", "bf16"), False),
        (("f32", "f32"), False),
        (("bf16", "bf16"), True),
    ]
    # Of the 3 x 8 places of a row of 8 under a kernel of 3, two see padding; so do two of the column.
    operations = [2 * 2 * 22 * 22 * 4 * 16, 2 * 2 * 8 * 8 * 4 * 16, 2 * 2 * 64 * 16]
    assert [c.flops for c in found] == operations
    assert hlo.in_bfloat16(found) == pytest.approx((2 / 3, 1 - operations[1] / sum(operations)))


def test_dilated_convolutions():
    """Broken: holes of a dilated operand count as work, and the share of a type by operations is wrong."""
    text = (
        "%a = bf16[1,4,8]{2,1,0} parameter(0)\n%b = bf16[3,8,8]{2,1,0} parameter(1)\n"
        "%c = bf16[1,8,8]{2,1,0} convolution(%a, %b), window={size=3 pad=1_2 lhs_dilate=2}, dim_labels=b0f_0io->b0f\n"
    )
    # Rows of 8 see 7 dilated numbers, 4 of them real, each under all 3 places of the kernel but the first.
    pairs = sum((o + k - 1) in (0, 2, 4, 6) for o in range(8) for k in range(3))
    assert [c.flops for c in hlo.convolutions(text)] == [2 * pairs * 8 * 8]


def test_memory():
    """Broken: a donated state counts twice, or not at all."""
    assert hlo.peak_bytes(arguments=100, outputs=90, temporaries=50, aliased=80) == 160


def test_resuming(monkeypatch, tmp_path):
    """Broken: hours of compiling are lost, an error ends all, or one is kept for ever."""
    asked = []

    def row(*key):
        asked.append(key)
        return dict(zip(aot.KEY, key, strict=True)) | {"error": "RESOURCE_EXHAUSTED"}

    monkeypatch.setattr(aot, "compile_row", row)
    monkeypatch.setattr(aot.importlib.util, "find_spec", lambda name: name)
    argv = ["aot.py", "--configs", "hq256", "--topologies", "2x2", "--px", "4", "8", "--out", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", argv)
    aot.main()
    assert asked == [("hq256", "2x2", 4, 0.0), ("hq256", "2x2", 8, 0.0)]
    rows = json.loads((tmp_path / "results.json").read_text())
    assert [r["error"] for r in rows] == ["RESOURCE_EXHAUSTED"] * 2
    del rows[0]["error"]
    rows[0] |= dict.fromkeys([*aot.COLUMNS[3:], "estimate_with_penalty_gflop", "estimate_gb", "convolutions"], 1)
    rows[0] |= {"collectives": {"all-reduce": 1}, "all_reduces": [{"arrays": 3, "scalars": 1, "mb": 2.5}]}
    rows[0] |= {"convolutions_in_bfloat16": 1.0}
    (tmp_path / "results.json").write_text(json.dumps(rows))
    aot.main()
    assert asked[2:] == [("hq256", "2x2", 8, 0.0)]
    monkeypatch.setattr(sys, "argv", [*argv, "--force"])
    aot.main()
    assert len(asked) == 5


def test_without_libtpu(monkeypatch):
    """Broken: who lacks the compiler gets a traceback for every phase, in place of what to install."""
    monkeypatch.setattr(aot.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(sys, "argv", ["aot.py"])
    with pytest.raises(SystemExit, match=r"libtpu.*pip install -e '\.\[tpu\]'"):
        aot.main()


def test_the_step_that_is_compiled():
    """Broken: the tool has fallen behind the training step, which shows only where libtpu is installed."""
    run, phase = compile_phase.phase_of("tests.tiny_config", 4)
    mesh = parallel.mesh()
    args = compile_phase.arguments(run, phase, mesh)
    step = functools.partial(steps.train_step, run.recipe, 4, parallel.AXIS)
    compiled = parallel.sharded(step, mesh, args[0]).lower(*args).compile()
    assert compile_phase.costs(compiled)["gflop"] > 0
    says = compile_phase.estimates(run, phase, mesh.size)
    assert 0 < says["estimate_gflop"] <= says["estimate_with_penalty_gflop"]


@pytest.mark.skipif(importlib.util.find_spec("libtpu") is None, reason="libtpu is not installed (extra `tpu`)")
def test_a_phase_through_the_compiler():
    """Broken: the step does not compile for a TPU any more, or a gradient crosses the devices in pieces."""
    row = aot.compile_row("tests.tiny_config", "2x2", 4, -1.0)
    assert "error" not in row, row["error"]
    assert row["batch_per_device"] == 2
    assert row["collectives"] == {"all-reduce": 2}
    assert all(a["arrays"] for a in row["all_reduces"])
    assert 0 < row["peak_gb"] < 0.1
    assert row["convolutions"] > 20
    assert 0 < row["gflop"] == pytest.approx(row["estimate_with_penalty_gflop"], rel=0.5)


def test_errors_are_rows():
    """Broken: a phase that does not compile ends the whole table."""
    row = aot.compile_row("tests.tiny_config", "9x9", 5, 0.0)
    assert row["error"]
    assert (row["topology"], row["resolution"]) == ("9x9", 5)


def test_the_package_leaves_libtpu_alone():
    """Broken: a training or a command loads the TPU compiler, which takes the process over."""
    code = "import sys, fec_jax.main, fec_jax.cli.main, fec_jax.train.loop; sys.exit('libtpu' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=aot.ROOT, check=True, timeout=300)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: "-".join(str(row[name]) for name in aot.KEY[:3]))
def test_published(row):
    """Broken: a published phase does not compile, does not fit, sends gradients in pieces or is of another config."""
    name, topology, px = (row[key] for key in aot.KEY[:3])
    assert "error" not in row, row["error"]
    assert row["remat_min_px"] == CONFIGS[name].get_config().remat_min_px
    assert row["batch_per_device"] == CONFIGS[name].get_config().batch[f"px{px}"] // CHIPS[topology]
    assert row["peak_gb"] + row["code_gb"] < HBM_GB
    # D has moved before G's gradients are known, so two with arrays are one for each network.
    assert [a["arrays"] > 0 for a in row["all_reduces"]] == [True, True]
    assert row["collectives"] == {"all-reduce": 2}
    if name == "hq1024":  # `to_rgb` is in float32 today
        assert row["convolution_flops_in_bfloat16"] > 0.999
        assert row["peak_gb"] == pytest.approx(row["estimate_gb"], rel=0.35)
    else:
        assert row["convolutions_in_bfloat16"] == 1
