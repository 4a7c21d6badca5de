"""An independent attribute classifier for synthetic faces: a network like D that takes no part in any run.

D itself is no measure: G is trained against it, and without the attribute loss its attribute head is untrained. One
classifier serves all runs of a sweep. It is trained once, on faces that no run is trained on.
"""

import functools
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import safetensors.numpy
from flax import traverse_util

from fec_jax import images
from fec_jax.data.synthetic.source import ATTRIBUTES, SyntheticFaces
from fec_jax.io.atomic import write_whole
from fec_jax.losses import attribute
from fec_jax.metrics.heldout import Classify
from fec_jax.nets.discriminator import Discriminator

_FACES, _EPOCHS, _BATCH = 4096, 10, 32
_LR = 2e-3
_SEED = 1001
"""Of the network, and of its faces: the runs use another series of people."""


def classify(px: int, cache: Path) -> Classify:
    """Attribute logits of images [b, px, px, 3] in [-1, 1], in the order of `ATTRIBUTES`.

    The classifier is trained at the first call and kept in the file `cache`.
    """
    network = Discriminator(max_px=px, num_attrs=len(ATTRIBUTES), base=256, cap=64)
    if not cache.exists():
        flat = {name: np.asarray(x) for name, x in traverse_util.flatten_dict(_train(network), sep="/").items()}
        write_whole(cache, safetensors.numpy.save(flat))
    params = traverse_util.unflatten_dict(safetensors.numpy.load_file(cache), sep="/")
    return functools.partial(_logits, network, jax.tree.map(jnp.asarray, params))


def _train(network: Discriminator) -> Any:
    photos, labels = SyntheticFaces(_FACES, network.max_px, _SEED).load(range(_FACES))
    tx = optax.adam(optax.cosine_decay_schedule(_LR, _EPOCHS * (_FACES // _BATCH)))
    params: Any = network.init(jax.random.key(_SEED), images.to_float(photos[:1]), 1.0, resolution_px=network.max_px)[
        "params"
    ]
    opt = tx.init(params)

    @jax.jit
    def step(params: Any, opt: Any, x: Any, wanted: Any) -> tuple[Any, Any]:
        def loss(params: Any) -> Any:
            return attribute.attribute(_logits(network, params, images.to_float(x)), wanted).mean()

        updates, opt = tx.update(jax.grad(loss)(params), opt)
        return optax.apply_updates(params, updates), opt

    rng = np.random.Generator(np.random.Philox(_SEED))
    for _ in range(_EPOCHS):
        for index in rng.permutation(_FACES).reshape(-1, _BATCH):
            x = np.where(rng.random((_BATCH, 1, 1, 1)) < 0.5, photos[index], photos[index, :, ::-1])
            params, opt = step(params, opt, x, labels[index].astype(np.float32))
    return params


@functools.partial(jax.jit, static_argnums=0)
def _logits(network: Discriminator, params: Any, x: Any) -> Any:
    logits: Any = network.apply({"params": params}, x, 1.0, resolution_px=network.max_px)
    return logits[1]
