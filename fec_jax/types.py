"""The glossary: what every array in this project is called, how it is laid out and which values it holds.

Images lie NHWC. On the host and on disk they are `uint8` in 0..255; on the device `float32` in [-1, 1].
`images.to_float` and `images.to_uint8` are the only places where one becomes the other.

real           the photo                                                          [b, h, w, 3]  [-1, 1]
mask           1 in the hole, 0 in the context; grey at the rim once pooled       [b, h, w, 1]  [0, 1]
masked         `real` with the hole set to 0 (mid grey)                           [b, h, w, 3]  [-1, 1]
attrs          the labels of the photo                                            [b, n]        {0, 1}
wanted_attrs   the attributes to complete                                         [b, n]        {0, 1}
fake           the generator's whole-image output G(masked, mask, wanted_attrs)   [b, h, w, 3]  about [-1, 1]
completed      context pixels of `real`, hole pixels of `fake`                    [b, h, w, 3]  about [-1, 1]
nimg           images seen since the start of training, the clock of everything; `_kimg` is thousands of them
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Array, Float, Float32, UInt8

Images = Float[Array, "b h w 3"]
Masks = Float[Array, "b h w 1"]
Attrs = Float[Array, "b n"]

HostImages = UInt8[np.ndarray, "b h w 3"]
HostAttrs = UInt8[np.ndarray, "b n"]
HostMasks = Float32[np.ndarray, "b h w 1"]

Params = Mapping[str, Any]


class UserError(Exception):
    """An error that the user caused and can fix: one line saying what was wrong, where, and what to do.

    The command line prints it without a traceback and exits with 2.
    """


def one_line(error: BaseException) -> str:
    """An exception's message on one line; its type if it has none."""
    return " ".join(str(error).split()) or type(error).__name__


def brief(value: Any) -> str:
    """What a caller gave, for an error's one line; its type if it cannot be written there."""
    try:
        text = " ".join(str(value).split())
    except ValueError:  # an integer of thousands of digits
        text = ""
    return text[:60] or type(value).__name__
