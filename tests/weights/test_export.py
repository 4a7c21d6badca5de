"""From the workdir of a real, tiny run to weights, whatever state the run was left in."""

import json
import shutil
import subprocess
import sys

import jax
import numpy as np
import pytest
import tiny
from PIL import Image

from fec_jax.config.workdir import bind
from fec_jax.train import loop, parallel
from fec_jax.train.checkpoints import Checkpoints
from fec_jax.train.viewer import Viewer
from fec_jax.types import UserError
from fec_jax.weights import export
from fec_jax.weights import format as weights_file

# Phases of this run end at 40 (4 px), 112 (the fade to 8 px) and 152; there is a checkpoint every 24 images too.
NO_FIGURES = {"every.eval_kimg": 0.0, "every.grid_kimg": 0.0, "keep_checkpoints": 20}
SAVED = [0, 24, 40, 48, 72, 96, 112, 120, 144, 152]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The workdir of a run, with all of its checkpoints."""
    workdir = tmp_path_factory.mktemp("run") / "finished"
    run = tiny.run(NO_FIGURES, last_px=8)
    bind(run, workdir)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Viewer, "grid", lambda *_: None)
        patch.setattr(Viewer, "figures", lambda *_: {})
        patch.setattr(loop, "print_figures", lambda *_, **__: None)
        loop.train(run, workdir)
    return workdir


@pytest.fixture
def left_at(finished, tmp_path):
    """A workdir as it was after so many images: `left_at(nimg)`."""

    def copy(nimg):
        workdir = tmp_path / "run"
        shutil.copytree(finished, workdir)
        for later in (n for n in SAVED if n > nimg):
            shutil.rmtree(workdir / "checkpoints" / str(later))
        return workdir

    return copy


def break_state(workdir, *nimgs):
    for nimg in nimgs:
        for path in (workdir / "checkpoints" / str(nimg) / "state").rglob("*"):
            if path.is_file():
                path.write_bytes(path.read_bytes()[:20])


def averaged(workdir, nimg):
    """The averaged generator in a checkpoint."""
    run = tiny.run(NO_FIGURES, last_px=8)
    checkpoints = Checkpoints(workdir / "checkpoints", read_only=True)
    state, _ = checkpoints.read(nimg, run.state_shape(nimg, parallel.mesh(jax.devices()[:1])))
    checkpoints.close()
    return state.g_ema


def equal(part, whole):
    """Every array of `part` is in `whole`, with the same numbers."""
    if not isinstance(part, dict):
        return np.array_equal(part, whole)
    return all(name in whole and equal(below, whole[name]) for name, below in part.items())


def test_a_finished_run(finished, tmp_path):
    """Broken: the export holds other numbers than the newest checkpoint, or forgets where they come from."""
    weights = export.from_workdir(finished)
    assert (weights.meta.resolution_px, weights.meta.training["kimg"]) == (8, 0.152)
    assert weights.meta.data["name"]
    assert "figures_kimg" not in weights.meta.training
    assert equal(weights.g_params, averaged(finished, 152))
    weights_file.save_weights(tmp_path / "w.safetensors", weights)
    again = weights_file.load_weights(tmp_path / "w.safetensors")
    assert equal(again.g_params, averaged(finished, 152))
    assert again.meta.training["config"]["resolution_px"] == 8


def test_no_folder_of_this_machine_is_handed_out(finished):
    """Broken: whoever publishes weights publishes where their photos lie and what their user is called."""
    config = {"seed": 1, "data": {"kind": "prepared", "path": "/home/mary/photos/faces"}, "init_from": "../runs/first"}
    given = {"seed": 1, "data": {"kind": "prepared", "path": "faces"}, "init_from": "first"}
    assert export.handed_out(config) == given
    assert export.handed_out({"data": {"path": ""}}) == {"data": {"path": ""}, "init_from": ""}
    written = export.from_workdir(finished).meta.training["config"]
    assert written == export.handed_out(written)


def test_a_fade_is_passed_over(left_at, tmp_path):
    """Broken: weights taken in the middle of a fade, where the network is neither of the two that it blends."""
    workdir = left_at(96)
    weights = export.from_workdir(workdir)
    assert (weights.meta.resolution_px, weights.meta.training["kimg"]) == (4, 0.04)
    weights_file.save_weights(tmp_path / "w.safetensors", weights)
    assert weights_file.load_weights(tmp_path / "w.safetensors").meta.resolution_px == 4
    assert equal(weights_file.load_weights(tmp_path / "w.safetensors").g_params, averaged(workdir, 40))


def test_the_end_of_a_fade_counts(left_at):
    """Broken: the checkpoint at the end of a fade, where alpha is 1, is not used."""
    meta = export.from_workdir(left_at(112)).meta
    assert (meta.resolution_px, meta.training["kimg"]) == (8, 0.112)


def test_a_broken_checkpoint_falls_back(left_at):
    """Broken: one checkpoint cut off by a full disk makes a whole run useless."""
    workdir = left_at(152)
    break_state(workdir, 152)
    shutil.rmtree(workdir / "checkpoints" / "144" / "facts")
    (workdir / "checkpoints" / "120" / "facts" / "metadata").write_text("[]")
    assert export.from_workdir(workdir).meta.training["kimg"] == 0.112


def test_nothing_but_broken_checkpoints(left_at):
    """Broken: a traceback of the checkpoint library, or a reason that is not the checkpoints'."""
    workdir = left_at(40)
    break_state(workdir, 40)
    shutil.rmtree(workdir / "checkpoints" / "24")
    with pytest.raises(UserError, match=r"no checkpoint of a finished phase that can be read \(40: ") as caught:
        export.from_workdir(workdir)
    assert "\n" not in str(caught.value)


def test_a_checkpoint_that_vanishes(left_at, finished, monkeypatch):
    """Broken: an export beside a training fails when the training replaces its checkpoints."""
    workdir, facts, asked = left_at(40), Checkpoints.facts, []

    def pruned(self, nimg):
        if not asked:
            shutil.rmtree(workdir / "checkpoints" / "40")
            shutil.rmtree(workdir / "checkpoints" / "24")
            shutil.copytree(finished / "checkpoints" / "120", workdir / "checkpoints" / "120")
        asked.append(nimg)
        return facts(self, nimg)

    monkeypatch.setattr(Checkpoints, "facts", pruned)
    assert export.from_workdir(workdir).meta.training["kimg"] == 0.12
    assert asked[0] == 40


def test_no_finished_phase(left_at):
    """Broken: a network that has seen nothing is handed out."""
    with pytest.raises(UserError, match="no checkpoint of a finished phase yet"):
        export.from_workdir(left_at(0))


@pytest.mark.parametrize("config", [None, b"", b"\xff\xfe\x00", b"[]", b"7", b"{", b"[" * 100_000])
def test_what_is_no_workdir(tmp_path, config):
    """Broken: a wrong folder gives a traceback."""
    if config is not None:
        (tmp_path / "config.json").write_bytes(config)
    with pytest.raises(UserError, match="neither a file of weights nor the workdir of a run"):
        export.from_workdir(tmp_path)


def test_figures_come_along(left_at):
    """Broken: exported weights do not say how good they are, or boast of figures reached later."""
    workdir = left_at(120)
    lines = [
        {"nimg": 40, "eval/psnr_hole_center": 11.0, "eval/l1_hole_center": 0.3},
        {"nimg": 112, "eval/psnr_hole_center": 12.5, "eval/l1_hole_center": 0.2, "eval/attr_accuracy": 0.9},
        {"nimg": 116, "eval/psnr_hole_center": float("nan"), "eval/l1_hole_center": 0.2},
        {"nimg": 120, "g_loss": 1.0},
        {"nimg": 152, "eval/psnr_hole_center": 20.0, "eval/l1_hole_center": 0.1},
    ]
    text = "\n".join(json.dumps(line) for line in lines)
    (workdir / "metrics.jsonl").write_bytes(text.encode() + b'\n7\n\xff\n{"nimg": 119, "eval/psn')
    training = export.from_workdir(workdir).meta.training
    found = {name: value for name, value in training.items() if name not in ("kimg", "seed", "config")}
    assert found == {"psnr_hole_center": 12.5, "l1_hole_center": 0.2, "figures_kimg": 0.112}


def test_complete_from_a_workdir(left_at, tmp_path):
    """Broken: a run cannot be tried without exporting it, its known pixels change, or libraries chatter on stderr."""
    rng = np.random.default_rng(0)
    pixels, hole = rng.integers(0, 256, (21, 30, 3), np.uint8), np.zeros((21, 30), bool)
    hole[6:15, 10:19] = True
    Image.fromarray(pixels).save(tmp_path / "photo.png")
    Image.fromarray(hole * np.uint8(255)).save(tmp_path / "mask.png")
    workdir, out = left_at(144), tmp_path / "out.png"
    args = ["complete", tmp_path / "photo.png", "--mask", tmp_path / "mask.png", "--weights", workdir, "--out", out]
    args += ["--align", "off"]
    # In a process of its own: what libraries print there is what a user sees.
    code = "from fec_jax.cli import main; main.main()"
    done = subprocess.run([sys.executable, "-c", code, *args], capture_output=True, text=True, timeout=300, check=False)
    err = done.stderr
    assert done.returncode == 0, err
    with Image.open(out) as image:
        completed = np.asarray(image)
    np.testing.assert_array_equal(completed[~hole], pixels[~hole])
    assert (completed[hole] != pixels[hole]).any()
    assert all(" read from the photo " in line or line.startswith("wrote ") for line in err.splitlines()), err
