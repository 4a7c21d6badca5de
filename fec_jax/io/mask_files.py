"""Reading masks from picture files, one way for a photo to complete and for the mask sets of the evaluation.

White marks the hole, black the context: grey of 128 and above is white. Transparent parts are context, so that brush
strokes on an empty layer work. Any mode that `io.pictures` opens will do; of 16-bit grey the upper 8 bits count.
"""

from pathlib import Path

import numpy as np
from jaxtyping import Bool

from fec_jax.io import pictures


def read_mask(path: Path, invert: bool = False) -> Bool[np.ndarray, "h w"]:
    """The mask in a file, upright: true in the hole. `invert`: black marks it; transparent parts stay context.

    Raises UserError: no such file, another format, damaged, too large, animated.
    """
    image = pictures.named(path, "mask")
    if image.mode == "I;16":
        grey, opaque = np.asarray(image) >> 8, True
    else:
        rgba = image.convert("RGBA")
        grey, opaque = np.asarray(rgba.convert("RGB").convert("L")), np.asarray(rgba)[..., 3] >= 128
    return ((grey < 128) if invert else (grey >= 128)) & opaque
