"""What `fec doctor` says of this machine."""

import importlib.metadata

import pytest

from fec_jax.doctor import machine
from fec_jax.types import UserError
from fec_jax.weights import shipped


def test_missing_and_unfit_packages_are_named_by_extra():
    """Broken: nobody learns which package is missing, or that one is too old."""
    found = machine.missing(
        [
            "numpy>=1",
            "numpy<0.1",
            "no-such-package-at-all>=2",
            "no-such-package-either; extra == 'photos'",
            "numpy>=1; extra == 'photos'",
            "no-such-package; extra == 'tpu'",
            "no-such-package; python_version < '3'",
            "not a requirement !",
        ]
    )
    version = importlib.metadata.version("numpy")
    assert found == {
        "": [f"numpy<0.1 (there is {version})", "no-such-package-at-all>=2 (there is none)"],
        "photos": ["no-such-package-either (there is none)"],
    }


def test_a_gpu_that_is_not_used_is_a_problem(monkeypatch):
    """Broken: a training runs on the CPU beside an idle GPU, and nothing says so."""
    assert not [f for f in machine._devices() if f.advice]
    monkeypatch.setattr(machine, "_has_gpu", lambda: True)
    assert any("'.[cuda]'" in f.advice for f in machine._devices())


def test_damaged_shipped_weights_and_a_full_disk(monkeypatch):
    """Broken: a broken installation or a full disk is found hours later."""

    def damaged(name):
        raise UserError("the shipped weights are damaged")

    assert not [f for f in machine.examine_machine() if f.advice and "weights" in f.what]
    monkeypatch.setattr(shipped, "load_shipped", damaged)
    monkeypatch.setattr(machine, "FREE_GB", 1e9)
    problems = [str(f) for f in machine.examine_machine() if f.advice]
    assert any("the shipped weights cannot be used" in p for p in problems)
    assert any("GB are free here" in p for p in problems)


def test_not_installed(monkeypatch):
    """Broken: a copy of the source without its packages' versions looks whole."""

    def none(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "requires", none)
    with pytest.raises(StopIteration):
        next(f for f in machine._packages() if "missing" in f.what)
    assert any(f.advice == "pip install -e ." for f in machine._packages())
