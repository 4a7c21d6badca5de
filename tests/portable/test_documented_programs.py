"""The programs of `docs/export.md`, run as they stand there where this package cannot be imported."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fec_jax.complete.completer import Completer
from fec_jax.weights.shipped import load_shipped

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "export.md").read_text()
PROGRAMS = re.findall(r"^```python\n(.*?)^```", PAGE, re.M | re.S)
WITHOUT = "import sys\nsys.modules['fec_jax'] = sys.modules['flax'] = None\n"
# `fec`, which says on stderr if anything imports TensorFlow. (JAX's cache only asks whether it is there.)
FEC = """
import importlib.abc, sys
class Watch(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "tensorflow" and sys._getframe(2).f_code.co_name != "find_spec":
            print("imported", name, file=sys.stderr)
sys.meta_path.insert(0, Watch())
from fec_jax.cli import main
main.main()
"""


@pytest.fixture(scope="module")
def here():
    """The photo, the hole and what the package makes of them."""
    weights = load_shipped()
    photo = np.asarray(Image.open(ROOT / "docs" / "photos" / "person_0002.jpg"))
    hole = np.zeros(photo.shape[:2], bool)
    hole[128:384, 128:384] = True
    attrs = {name: int(name in ("Smiling", "Young", "No_Beard")) for name in weights.meta.attribute_names}
    return photo, hole, Completer(weights).complete(photo, hole, attrs, align="off").completed


def run(code, *args, cwd):
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", code, *args], cwd=cwd, env=env, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    return done


@pytest.mark.parametrize(("kind", "name"), [("onnx", "portraits128.onnx"), ("stablehlo", "portraits128.zip")])
def test_documented_programs(here, tmp_path, kind, name):
    """Broken: who copies command and program from the page gets an error, chatter of libraries, or another face."""
    (code,) = [code for code in PROGRAMS if f'"{name}"' in code]
    assert f"fec export {kind} --out {name}" in PAGE
    assert run(FEC, "export", kind, "--out", name, cwd=tmp_path).stderr == ""
    (tmp_path / "docs").symlink_to(ROOT / "docs")
    run(WITHOUT + code, cwd=tmp_path)
    photo, hole, ours = here
    with Image.open(tmp_path / "completed.png") as image:
        completed, mark = np.asarray(image), image.getexif()[305]
    assert "synthetic" in mark
    np.testing.assert_array_equal(completed[~hole], photo[~hole])
    # The page's program rounds and clips before it enlarges, and enlarges context with the hole: not quite equal.
    difference = np.abs(completed[hole].astype(int) - ours[hole])
    assert difference.mean() < 1
    assert np.percentile(difference, 99) <= 8
    assert np.abs(completed[hole].astype(int) - photo[hole]).mean() > 4
