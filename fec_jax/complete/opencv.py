"""OpenCV, imported when first used: half of the package's commands do without it."""

import functools
from types import ModuleType


@functools.cache
def cv2() -> ModuleType:
    """The module, with its own messages (which no user can act on) off."""
    import cv2 as module

    module.utils.logging.setLogLevel(module.utils.logging.LOG_LEVEL_ERROR)
    return module
