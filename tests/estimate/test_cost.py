"""What a run will need, before it starts: counted by XLA, checked by hand, and timed here."""

import dataclasses
import re

import pytest
import tiny_config

from fec_jax.cli import main
from fec_jax.config import build
from fec_jax.data.synthetic.source import ATTRIBUTES
from fec_jax.estimate import compilers, cost
from fec_jax.losses.total import Lambdas
from fec_jax.types import UserError

CONFIG = "tests/tiny_config.py"


@pytest.fixture(scope="module")
def run():
    return build.networks_only(tiny_config.get_config().to_dict(), ATTRIBUTES)


@pytest.fixture
def last(run):
    """The run's last phase alone: less to lower."""
    return dataclasses.replace(run, phases=run.phases[-1:])


def changed(run, **recipe):
    return dataclasses.replace(run, recipe=dataclasses.replace(run.recipe, **recipe))


def flops(run, local=4):
    return cost.step_cost(run, run.phases[-1], local)[0]


@pytest.mark.parametrize(
    ("text", "meant"),
    [("v5e-8", ("v5e", 8)), ("h100", ("h100", 1)), ("titan-xp", ("titan-xp", 1)), ("t4-2", ("t4", 2))],
)
def test_devices(text, meant):
    """Broken: eight chips are counted as one."""
    assert cost.parse_device(text) == meant


@pytest.mark.parametrize("text", ["", "v7", "v5e-0", "v5e-x", "-3"])
def test_unknown_devices(text):
    """Broken: hours of a device that nobody has heard of."""
    with pytest.raises(UserError, match="--device"):
        cost.parse_device(text)


def test_the_feature_loss_costs_what_vgg16_costs(run):
    """Broken: XLA's count misses operations (rounds of a loop), or counts bytes for operations."""
    px, images = run.phases[-1].resolution_px, 4
    with_it, without = (changed(run, r1_gamma=0.0, lambdas=Lambdas(feat=weight)) for weight in (1.0, 0.0))
    shapes = ((px, 3, 64), (px, 64, 64), (px // 2, 64, 128), (px // 2, 128, 128))
    # Convolutions of photo and completion, and back to the completion: 3 passes. XLA leaves out what meets padding.
    most = 3 * images * sum(2 * 9 * side**2 * a * b for side, a, b in shapes)
    assert 0.8 * most < flops(with_it) - flops(without) < 1.05 * most


def test_a_rare_penalty_counts_by_its_part(run):
    """Broken: D's penalty of every 8th step is paid for in every step, or in none."""
    none, always, rare = (
        flops(changed(run, r1_gamma=gamma, r1_every=every)) for gamma, every in ((0.0, 1), (1.0, 1), (1.0, 8))
    )
    assert always > 1.005 * none
    # A step that may be given a penalty adds it, whether it is 0 or not.
    assert rare == pytest.approx(none + (always - none) / 8, rel=1e-3)


def test_hours_are_the_roofline(last, monkeypatch):
    """Broken: hours are off by a unit, the number of devices or the utilisation, or the wrong side binds."""
    device = cost.DEVICES["titan-xp"]
    (one,), (two,) = (list(cost.stages(last, name, 0.5)) for name in ("titan-xp", "titan-xp-2"))
    steps = one.images / one.batch / 3600
    assert (one.binds, one.hours) == ("compute", pytest.approx(steps * one.flops / (0.5 * device.flops)))
    assert two.hours == pytest.approx(one.hours / 2, rel=0.05)
    monkeypatch.setitem(cost.DEVICES, "titan-xp", dataclasses.replace(device, bandwidth=1e9))
    (slow,) = cost.stages(last, "titan-xp", 0.25)
    assert (slow.binds, slow.hours) == ("memory", pytest.approx(steps * slow.bytes / (0.25 * 1e9)))
    whole = cost.counted(last, last.phases[-1], one.batch)
    assert slow.bytes == pytest.approx((whole.bytes - whole.of_masks) * compilers.fused("gpu", 4))
    assert 0 < whole.of_masks < 0.5 * whole.bytes
    assert slow.compile_s == pytest.approx(whole.convolutions * compilers.SECONDS_PER_CONVOLUTION["gpu"])


def test_here_is_timed(run):
    """Broken: the step of this machine is not run: its time does not grow with its work."""
    small, large = (cost.measured_step(run, phase, repeats=7) for phase in (run.phases[0], run.phases[-1]))
    assert 0 < small < large < 60


def test_here_says_what_compiling_takes(last, monkeypatch):
    """Broken: the compile time of this machine is that of the step, or is left out."""
    monkeypatch.setattr(cost, "timed", lambda run, phase: (7.0, 2.0, 3 * 10**9))
    (stage,) = cost.stages(last, cost.HERE, 0.5)
    assert (stage.compile_s, stage.memory, stage.binds) == (7.0, 3 * 10**9, "timed")
    assert stage.hours == pytest.approx(stage.images / stage.batch * 2 / 3600)


def fec(capsys, *args):
    with pytest.raises(SystemExit) as end:
        main.main(["estimate", *args])
    out, err = capsys.readouterr()
    return end.value.code or 0, out, err


def test_command(capsys):
    """Broken: `fec estimate` does not name every resolution, the sum, or what it costs."""
    code, out, err = fec(capsys, "--config", CONFIG, "--device", "v5e-2", "--price", "5", "--utilization", "0.3")
    assert code == 0, err
    assert all(f" {px} px" in out for px in (4, 8, 16))
    assert "30%" in out
    assert out.count(" memory ") >= 3
    total = re.search(r"all: (\S+) hours, and (\S+) of compiling; (\S+) at 5 an hour", out)
    assert float(total[3]) == pytest.approx(5 * (float(total[1]) + float(total[2])), abs=0.05)


ERRORS = {
    "no config": (["--config", "configs/none.py"], "configs/none.py does not exist"),
    "unknown key": (["--config", CONFIG, "--set", "batch.px9=3"], "batch.px9"),
    "wrong type": (["--config", CONFIG, "--set", "batch.px4=many"], "batch.px4=many"),
    "no value": (["--config", CONFIG, "--set", "seed"], "write KEY=VALUE"),
    "no config file": (["--config", "README.md"], "README.md"),
    "unknown device": (["--config", CONFIG, "--device", "v7"], "--device v7"),
    "batch": (["--config", CONFIG, "--device", "v5e-3"], "3 devices cannot share it"),
    "utilisation": (["--config", CONFIG, "--device", "v5e", "--utilisation", "1.5"], "--utilisation is 1.5"),
    "no data": (["--config", CONFIG, "--set", "data.kind=prepared", "--set", "data.path=none"], "name the attributes"),
}


@pytest.mark.parametrize(("args", "message"), ERRORS.values(), ids=ERRORS)
def test_errors(capsys, args, message):
    """Broken: a mistake ends in a traceback, or after minutes of counting."""
    code, out, err = fec(capsys, *args)
    assert (code, out) == (2, "")
    assert message in err
    assert err.count("\n") == 1
