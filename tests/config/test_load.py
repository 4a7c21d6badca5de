"""Reading a config by name or file, with changes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from fec_jax.config import load
from fec_jax.types import UserError

REPO = Path(__file__).resolve().parents[2]


def test_a_name_is_the_shipped_file():
    """Broken: `quickstart` is another run than configs/quickstart.py."""
    assert load.load("quickstart") == load.load(REPO / "configs/quickstart.py")
    assert {"quickstart", "portraits64", "hq1024"} <= load.shipped().keys()
    assert "common" not in load.shipped()


@pytest.mark.parametrize("prefix", ["", "config."])
@pytest.mark.parametrize(
    ("change", "value"),
    [
        ("seed=3", 3),
        ("loss.rec=2", 2.0),
        ("loss.rec=1e-3", 1e-3),
        ("loss.rec=-inf", float("-inf")),
        ("augment.mirror=false", False),
        ("augment.mirror=True", True),
        ("data.path=a=b", "a=b"),
        ("data.path=12", "12"),
        ("data.path='12'", "12"),
        ("attributes=Smiling", ("Smiling",)),
        ("attributes=Smiling,Male", ("Smiling", "Male")),
        ("attributes=('Smiling', 'Male')", ("Smiling", "Male")),
        ("attributes=['Smiling']", ("Smiling",)),
        ("attributes=()", ()),
        ("loss.flip_shift_of=(('Smiling', 2.0),)", (("Smiling", 2.0),)),
    ],
)
def test_a_change(change, value, prefix):
    """Broken: a change is not made, or with a value of another kind."""
    config = load.load("quickstart", [prefix + change])
    found = config
    for name in change.partition("=")[0].split("."):
        found = found[name]
    assert found == value
    assert type(found) is type(value)


def test_the_last_change_counts():
    """Broken: a change at the end of a long command is lost."""
    assert load.load("quickstart", ["seed=1", "config.seed=2"]).seed == 2


@pytest.mark.parametrize(
    ("name", "changes", "told"),
    [
        ("quikstart", [], "there is no config 'quikstart': give one of .*quickstart"),
        ("configs/quikstart.py", [], "config configs/quikstart.py does not exist"),
        ("quickstart", ["loss.recc=1"], "config.loss.recc is unknown; did you mean config.loss.rec"),
        ("quickstart", ["loss=1"], "config.loss is unknown"),
        ("quickstart", ["seed"], "'seed' is no change of a config: write KEY=VALUE"),
        ("quickstart", ["seed=x"], "config.seed=x: it must be of type int, as 0 is"),
        ("quickstart", ["seed=1.5"], "config.seed=1.5"),
        ("quickstart", ["loss.rec="], "config.loss.rec=: it must"),
        ("quickstart", ["augment.mirror=maybe"], "config.augment.mirror=maybe"),
    ],
)
def test_mistakes(name, changes, told):
    """Broken: a mistyped name or change gives a traceback, or another run than was meant."""
    with pytest.raises(UserError, match=told):
        load.load(name, changes)


def test_an_argument(tmp_path):
    """Broken: a table whose rows are variants of one file trains the same thing in every row."""
    (tmp_path / "mine.py").write_text(
        "from ml_collections import ConfigDict\ndef get_config(size='small'):\n    return ConfigDict({'size': size})\n"
    )
    assert load.load(tmp_path / "mine.py").size == "small"
    assert load.load(f"{tmp_path}/mine.py:large").size == "large"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("import nothing_here", "cannot be read .ModuleNotFoundError: No module named 'nothing_here'"),
        ("def get_config(:", "cannot be read .SyntaxError"),
        ("x = 1", "has no get_config"),
        ("def get_config():\n    return 1 / 0", "cannot be read .ZeroDivisionError"),
        ("def get_config():\n    return 1", r"get_config\(\) returns a int"),
    ],
)
def test_broken_files(tmp_path, text, told):
    """Broken: a mistake in one's own config gives a traceback, or does not name the file."""
    (tmp_path / "mine.py").write_text(text)
    with pytest.raises(UserError, match=told) as caught:
        load.load(tmp_path / "mine.py")
    assert "mine.py" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_of_ones_own_elsewhere(tmp_path):
    """Broken: a config that changes a shipped one is only found from the checkout's folder."""
    (tmp_path / "mine.py").write_text(
        "from configs.quickstart import get_config as quickstart\n"
        "def get_config():\n    config = quickstart()\n    config.seed = 5\n    return config\n"
    )
    (tmp_path / "site").mkdir()  # the package alone: what is beside it must be found by the reader
    (tmp_path / "site/fec_jax").symlink_to(REPO / "fec_jax")
    code = "from fec_jax.config.load import load; print(load('mine.py').seed, load('quickstart').resolution_px)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(tmp_path / "site")},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.stdout.split() == ["5", "32"], done.stderr
