"""What a run shows of itself: the figures of held-out faces, under the mask sets that its config names."""

import pytest
import tiny

from fec_jax.metrics import heldout
from fec_jax.train.viewer import Viewer


@pytest.fixture(scope="module")
def run():
    return tiny.run({"eval_masks": ("lama-thick", "center")})


def figures(run, resolution_px):
    return Viewer(run).figures(run.new_state(run.phases[0]), 1.0, resolution_px)


def test_mask_sets_are_measured_while_training(run):
    """Broken: `eval_masks` is a dead knob, or shows other figures than `fec evaluate` of the same masks."""
    found = figures(run, 16)
    assert {"lama-thick/lpips", "lama-thick/psnr_hole", "lama-thick/seam", "center/ssim_hole"} <= found.keys()
    assert found["center/psnr_hole"] == pytest.approx(found["psnr_hole_center"], abs=1e-3)
    assert found["lama-thick/psnr_hole"] != pytest.approx(found["center/psnr_hole"], abs=1e-3)


def test_not_where_metrics_are_not_defined(run):
    """Broken: at 8 px, where there is no SSIM and no LPIPS, a training loses all of its figures."""
    found = figures(run, 8)
    assert "psnr_hole_center" in found
    assert not any("/psnr_hole" in name and not name.startswith("mean_face") for name in found)


def test_the_mean_face_stands_beside(run):
    """Broken: a run's figures have nothing to be compared with, or are compared with another split."""
    found = figures(run, 8)
    photos, attrs = run.validation_source(8).load(range(4))
    expected = heldout.reconstruction_figures(heldout.mean_face(run.train_source(8)), photos, attrs)
    assert found["mean_face/psnr_hole_center"] == pytest.approx(expected["psnr_hole_center"])
