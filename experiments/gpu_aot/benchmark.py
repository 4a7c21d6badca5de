"""The config that versions of this project are compared by: never tuned, so that its figures stay comparable.

`portraits64`'s recipe up to 256 px, wider (base 8192, cap 128), 32 photos a step, bfloat16. Compiled, not trained.
"""

from typing import Any

from ml_collections import ConfigDict

from configs.common import row
from configs.portraits64 import get_config as portraits64

RESOLUTIONS = (4, 8, 16, 32, 64, 128, 256)


def get_config() -> ConfigDict:
    config: Any = portraits64()
    config.resolution_px = 256
    for px in RESOLUTIONS:
        if f"px{px}" not in config.schedule:
            config.schedule[f"px{px}"] = row(1, 24, 1e-3, d_terms=0.2)
        config.batch[f"px{px}"] = 32
    config.generator.update({"base": 8192, "cap": 128})
    config.discriminator.update({"base": 8192, "cap": 128})
    config.dtype = "bfloat16"
    return config
