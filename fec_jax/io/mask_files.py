"""Reading masks from picture files, one way for a photo to complete and for the mask sets of the evaluation.

White marks the hole, black the context: grey of 128 and above is white. Transparent parts are context, so that brush
strokes on an empty layer work. Any mode that `io.pictures` opens will do; of 16-bit grey the upper 8 bits count, or the
lower ones if no value is above 255. If the file has no value above 1, then 1 is white. Or the hole is what has been
erased, see `Mask.erased`.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, UInt8
from PIL import Image

from fec_jax.io import pictures

_OPAQUE = 250
"""Alpha from here on counts as opaque: the soft rim of an eraser goes with the hole, a lossy WEBP's noise does not."""
_COLOUR, _COLOURED = 48, 0.01  # difference of channels that the eye calls a colour, and the share of it in a picture


@dataclass(frozen=True)
class Mask:
    """A mask's file, upright.

    rgb     its colours, also under transparency
    grey    0 to 255
    alpha   255 is opaque
    """

    rgb: UInt8[np.ndarray, "h w 3"]
    grey: UInt8[np.ndarray, "h w"]
    alpha: UInt8[np.ndarray, "h w"]

    def painted(self, invert: bool = False) -> Bool[np.ndarray, "h w"]:
        """True in the hole, where white is; `invert`: black marks it. Transparent parts are context either way."""
        return ((self.grey < 128) if invert else (self.grey >= 128)) & (self.alpha >= 128)

    def erased(self, invert: bool = False) -> Bool[np.ndarray, "h w"]:
        """True in the hole, where the picture is not opaque; `invert`: where it is."""
        return (self.alpha >= _OPAQUE) if invert else (self.alpha < _OPAQUE)

    def in_colour(self) -> bool:
        """Whether it is a picture rather than black and white: by the share of coloured pixels that can be seen."""
        seen = self.rgb[self.alpha >= 128].astype(np.int16)
        return bool(len(seen)) and float((np.ptp(seen, axis=-1) > _COLOUR).mean()) > _COLOURED


def open_mask(path: Path) -> Mask:
    """Raises UserError: no such file, another format, damaged, too large, animated."""
    return mask_of(pictures.named(path, "mask"))


def mask_of(image: Image.Image) -> Mask:
    """From a picture as `pictures.plain` gives it."""
    if image.mode == "I;16":
        deep = np.asarray(image)
        grey = (deep if deep.max() <= 255 else deep >> 8).astype(np.uint8)
        rgb, alpha = np.repeat(grey[..., None], 3, axis=2), np.full(grey.shape, 255, np.uint8)
    else:
        rgba = image.convert("RGBA")
        grey, rgb, alpha = (
            np.asarray(rgba.convert("RGB").convert("L")),
            np.asarray(rgba)[..., :3],
            np.asarray(rgba)[..., 3],
        )
    return Mask(rgb, grey * np.uint8(255) if grey.max() == 1 else grey, alpha)


def read_mask(path: Path, invert: bool = False) -> Bool[np.ndarray, "h w"]:
    """The mask in a file, upright: true in the hole, see `Mask.painted`. Raises UserError as `open_mask` does."""
    return open_mask(path).painted(invert)
