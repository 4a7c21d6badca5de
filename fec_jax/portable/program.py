"""A trained generator as one function of plain arrays: what the files hold that run without this package.

| argument     | type and shape        |                                                                            |
|--------------|-----------------------|----------------------------------------------------------------------------|
| `photo`      | uint8 [b, r, r, 3]    | aligned crops, sRGB; what lies in the hole does not matter                 |
| `mask`       | bool [b, r, r, 1]     | true in the hole                                                           |
| `attributes` | float32 [b, n]        | 0 (absent) to 1 (present), in the order of `attribute_names`; none: left out |
| result       | uint8 [b, r, r, 3]    | `photo`, with the hole completed                                           |

r is the weights' `resolution_px`, b any number. Scaling, masking and pasting are within.
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.export
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, UInt8

import fec_jax
from fec_jax import images
from fec_jax.complete import metadata
from fec_jax.types import Attrs
from fec_jax.weights.format import Weights, tensors_sha256

ARGUMENTS = {
    "photo": "uint8 [batch, side, side, 3]: aligned crops, sRGB; what lies in the hole does not matter",
    "mask": "bool [batch, side, side, 1]: true in the hole",
    "attributes": "float32 [batch, attributes]: 0 absent, 1 present, in the order of attribute_names",
}
RESULT = "completed"


def function(weights: Weights) -> Callable[..., UInt8[Array, "b r r 3"]]:
    """The function above. The weights are constants of it."""
    generator, r = weights.meta.build_generator(), weights.meta.resolution_px
    params = jax.tree.map(jnp.asarray, weights.g_params)

    def completed(
        photo: UInt8[Array, "b r r 3"], mask: Bool[Array, "b r r 1"], attributes: Attrs | None = None
    ) -> UInt8[Array, "b r r 3"]:
        wanted = jnp.zeros((photo.shape[0], 0)) if attributes is None else attributes
        masked = jnp.where(mask, 0, images.to_float(photo))
        hole = mask.astype(jnp.float32)
        fake: Any = generator.apply({"params": params}, masked, hole, wanted, 1.0, resolution_px=r)
        return jnp.where(mask, images.to_uint8(fake), photo)

    return completed


def arguments(weights: Weights) -> dict[str, jax.ShapeDtypeStruct]:
    """Its arguments, by name, of any batch size."""
    (b,) = jax.export.symbolic_shape("batch")
    r, n = weights.meta.resolution_px, len(weights.meta.attribute_names)
    found = {
        "photo": jax.ShapeDtypeStruct((b, r, r, 3), np.uint8),
        "mask": jax.ShapeDtypeStruct((b, r, r, 1), np.bool_),
        "attributes": jax.ShapeDtypeStruct((b, n), np.float32),
    }
    return found if n else {name: x for name, x in found.items() if name != "attributes"}


def about(weights: Weights) -> dict[str, Any]:
    """What a file says of itself: `Meta` without the discriminator, which is not in it; JSON.

    `weights_sha256` is that of the tensors, as `weights.format.tensors_sha256` has it; `mark` the words to write into
    completed pictures.
    """
    meta = {f.name: getattr(weights.meta, f.name) for f in dataclasses.fields(weights.meta)}
    del meta["discriminator"]
    return {
        "fec_jax": fec_jax.__version__,
        "mark": metadata.made(),
        **{name: dict(x) if isinstance(x, Mapping) else x for name, x in meta.items()},
        "weights_sha256": tensors_sha256(weights),
    }
