"""One device or many, `shard_map` or `pmap`: the same training."""

import json
import os
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest
import tiny
from PIL import Image

from fec_jax.train import parallel
from fec_jax.train.checkpoints import Checkpoints
from fec_jax.train.viewer import Viewer


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """What `stepping` wrote."""
    out = tmp_path_factory.mktemp("parallel")
    flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count=4"
    here = Path(__file__).parent
    done = subprocess.run(
        [sys.executable, str(here / "stepping.py"), str(out)],
        env=os.environ | {"XLA_FLAGS": flags, "PYTHONPATH": os.pathsep.join([str(tiny.REPO), str(here.parent)])},
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return out


@pytest.fixture(scope="module")
def results(folder):
    """Figures and final states, by way and by name: {way: {name: array}}."""
    ways: dict[str, dict[str, np.ndarray]] = {}
    with np.load(folder / "results.npz") as arrays:
        for key in arrays.files:
            way, name = key.split(":", 1)
            ways.setdefault(way, {})[name] = arrays[key]
    return ways


@pytest.mark.parametrize("way", ["pmap", "one", "moved"])
def test_all_ways_give_the_same(results, way):
    """A run's result depends on how many devices it has, how it is spread over them, or whether it moved meanwhile."""
    expected, got = results["shard_map"], results[way]
    assert expected.keys() == got.keys()
    for name, value in expected.items():
        if "history.images" in name:  # rounded to uint8
            np.testing.assert_allclose(got[name].astype(int), value.astype(int), atol=1, err_msg=name)
        else:
            np.testing.assert_allclose(got[name], value, rtol=2e-3, atol=2e-5, err_msg=name)


def test_the_comparison_sees_something(results):
    """The test above compares steps that do nothing: no completion is remembered and shown again, nothing learned."""
    got = results["shard_map"]
    find = {
        key: [v for name, v in got.items() if key in name] for key in ("from_history", "history.filled", "].finite")
    }
    assert [float(v) for v in find["from_history"]][:2] == [0, 0]
    assert float(find["from_history"][2]) > 0
    assert (find["history.filled"][0] == 2).all()
    assert all(find["].finite"])
    losses = [float(v) for name, v in got.items() if name.endswith(".g_loss")]
    assert len({round(x, 3) for x in losses}) == 3


def test_a_checkpoint_of_four_devices_is_read_on_one(folder, results):
    """A run cannot go on after its machine was changed for one with fewer devices."""
    run, mesh = tiny.run(last_px=8), parallel.mesh(jax.devices()[:1])
    checkpoints = Checkpoints(folder / "checkpoints", read_only=True)
    state, _ = checkpoints.restore(lambda facts: run.state_shape(facts["nimg"], mesh))
    checkpoints.close()
    for path, leaf in jax.tree_util.tree_flatten_with_path(state)[0]:
        assert leaf.sharding.device_set == set(mesh.devices.flat)
        name = f"[0]{jax.tree_util.keystr(path)}"
        np.testing.assert_array_equal(leaf, results["shard_map"][name], err_msg=name)


def test_figures_and_grids_are_of_all_devices(folder, tmp_path):
    """Broken: held-out photos are completed on one device of many, or figures and grids depend on their number."""
    run, got = tiny.run(last_px=8), json.loads((folder / "figures.json").read_text())
    assert got.pop("devices") == 4
    viewer = Viewer(run)
    assert [viewer.batch(8, count) for count in (1, 3, 9)] == [1, 3, 8]  # no more than the 8 of a training step
    state = run.new_state(run.phases[1])
    assert got == pytest.approx(viewer.figures(state, 0.5, 8), abs=1e-4)
    viewer.grid(tmp_path / "grid.png", state, 0.5, 8)  # 2 photos: less than devices
    one, many = (np.asarray(Image.open(path / "grid.png"), np.int32) for path in (tmp_path, folder))
    np.testing.assert_allclose(one, many, atol=1)
