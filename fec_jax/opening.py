"""Weights from whatever a user names: a file of them, or the workdir of a training."""

from pathlib import Path

from fec_jax.complete.weights import Weights, load_weights


def weights_from(path: Path) -> Weights:
    """Weights of a `.safetensors` file or of a workdir (its newest checkpoint). UserError if it is neither."""
    if path.is_dir():
        from fec_jax import export  # all of training, which a file does not need

        return export.from_workdir(path)
    return load_weights(path)
