"""What is measured: a network, a baseline or the photo itself, as functions of the same kind."""

from collections.abc import Callable

import jax.numpy as jnp
import numpy as np

from fec_jax import images
from fec_jax.masks import holes
from fec_jax.metrics.heldout import Predict
from fec_jax.types import HostAttrs, HostImages, HostMasks

Complete = Callable[[HostImages, HostMasks, HostAttrs], HostImages]
"""(real, mask, wanted_attrs) -> completed. Nothing under the mask may reach the result but for `real` itself."""


def network(predict: Predict, batch: int = 16) -> Complete:
    """A generator as a subject. It sees the masked photo only; batches have one size, so it compiles once."""

    def complete(real: HostImages, mask: HostMasks, wanted: HostAttrs) -> HostImages:
        done = []
        for index, new in images.batches(len(real), batch):
            x, m = images.to_float(real[index]), jnp.asarray(mask[index])
            fake = predict(holes.cut(x, m), m, jnp.asarray(wanted[index], jnp.float32))
            done.append(np.asarray(images.to_uint8(holes.paste(fake, x, m)))[:new])
        return np.concatenate(done)

    return complete


def ignoring_attributes(complete: Callable[[HostImages, HostMasks], HostImages]) -> Complete:
    """A baseline, which ignores attributes, as a subject."""
    return lambda real, mask, wanted: complete(real, mask)


def itself(real: HostImages, mask: HostMasks, wanted: HostAttrs) -> HostImages:
    """The photo as its own completion: the best that any figure can be, and the classifier's ceiling."""
    return real
