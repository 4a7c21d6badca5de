"""A tiny network with random weights, and photos to open with it."""

import gc
import warnings

import jax
import numpy as np
import pytest
import tiny
from PIL import Image

from fec_jax.complete.completer import Completer
from fec_jax.weights.format import Meta, Weights

NAMES = ("Smiling", "Gray_Hair", "Male")
ASTRONAUT = tiny.REPO / "docs" / "astronaut.png"


@pytest.fixture(scope="module", autouse=True)
def _no_litter():
    """What Gradio leaves unclosed is collected here, with its warnings: elsewhere they are errors of other tests."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        gc.collect()


@pytest.fixture(scope="session")
def app_weights():
    """Weights of 16 px with three attributes, reading ones too."""
    random = np.random.default_rng(0)
    meta = Meta(NAMES, 16, {"base": 64, "cap": 8, "latent": 8, "skip": "residual"}, {"base": 64, "cap": 8})
    g_params, d_params = (
        jax.tree.map(lambda x: 0.3 * random.normal(size=x.shape).astype(np.float32), shapes)
        for shapes in (meta.g_shapes(), meta.d_shapes())
    )
    return Weights(g_params, d_params, meta)


@pytest.fixture(scope="session")
def completer(app_weights):
    """The network, ready."""
    return Completer(app_weights)


@pytest.fixture(scope="session")
def astronaut():
    """A photo with one face."""
    return ASTRONAUT


@pytest.fixture(scope="session")
def crowd(tmp_path_factory):
    """A wide photo with two faces, the right one larger."""
    with Image.open(ASTRONAUT) as image:
        face = image.convert("RGB").resize((256, 256))
    photo = Image.new("RGB", (900, 400), (90, 120, 150))
    photo.paste(face.resize((180, 180)), (40, 100))
    photo.paste(face, (560, 80))
    path = tmp_path_factory.mktemp("crowd") / "crowd.png"
    photo.save(path)
    return path
