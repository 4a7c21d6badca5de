"""Weights from whatever a user names: a file of them, the workdir of a training, or nothing."""

from pathlib import Path

from fec_jax.complete.weights import Weights, load_shipped, load_weights


def weights_from(path: Path | None) -> Weights:
    """Weights of a `.safetensors` file or of a workdir (its newest checkpoint); None: those that come with the package.

    UserError if it is neither.
    """
    if path is None:
        return load_shipped()
    if path.is_dir():
        from fec_jax import export  # all of training, which a file does not need

        return export.from_workdir(path)
    return load_weights(path)
