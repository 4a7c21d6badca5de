"""Where the configs that come with the package lie."""

from pathlib import Path

import fec_jax


def home() -> Path:
    """The folder that holds `configs/`: in an installed package its assets, in a checkout the repository."""
    package = Path(fec_jax.__file__).parent
    installed = package / "assets"
    return installed if (installed / "configs").is_dir() else package.parent
