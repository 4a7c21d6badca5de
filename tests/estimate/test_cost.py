"""What a run will need, before it starts: counted by XLA, checked by hand, and timed here."""

import dataclasses

import pytest
import tiny_config

from fec_jax.cli import main
from fec_jax.config import build
from fec_jax.data.synthetic.source import ATTRIBUTES
from fec_jax.estimate import cost
from fec_jax.losses.total import Lambdas
from fec_jax.types import UserError

CONFIG = "tests/tiny_config.py"


@pytest.fixture(scope="module")
def run():
    return build.networks_only(tiny_config.get_config().to_dict(), ATTRIBUTES)


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


def test_hours_are_operations_over_speed(run):
    """Broken: hours are off by a unit, by the number of devices or by the utilisation."""
    (*_, one), (*_, two) = (list(cost.stages(run, device, 0.5)) for device in ("titan-xp", "titan-xp-2"))
    peak = cost.DEVICES["titan-xp"].flops
    assert one.hours == pytest.approx(one.images / one.batch * one.flops / (0.5 * peak) / 3600)
    assert two.hours == pytest.approx(one.hours / 2, rel=0.05)
    (*_, slow) = cost.stages(run, "titan-xp", 0.25)
    assert slow.hours == pytest.approx(2 * one.hours)


def test_here_is_timed(run):
    """Broken: the step of this machine is not run: its time does not grow with its work."""
    small, large = (cost.measured_step(run, phase, repeats=7) for phase in (run.phases[0], run.phases[-1]))
    assert 0 < small < large < 60


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
    assert "at 5 an hour" in out


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
