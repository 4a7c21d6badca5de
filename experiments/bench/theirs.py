"""PyTorch's side of the benchmark, with the weights and inputs of ours."""

import os
from collections.abc import Callable
from typing import Any

import numpy as np
import torch  # pyright: ignore[reportMissingImports]
from torch.utils.flop_counter import FlopCounterMode  # pyright: ignore[reportMissingImports]

from experiments.bench import twin

Side = Callable[[], np.ndarray]

torch.set_num_threads(len(os.sched_getaffinity(0)))


def completion(given: dict[str, Any], channels_last: bool) -> Side:
    weights = twin.from_flax(given["params"], channels_last)
    x, mask = (twin.to_torch(np.array(given[name]), channels_last) for name in ("masked", "mask"))
    attrs = torch.from_numpy(np.array(given["attrs"]))

    def run() -> np.ndarray:
        with torch.inference_mode():
            return twin.to_numpy(twin.generator(weights, x, mask, attrs, given["px"]))

    return run


def train_step(given: dict[str, Any], channels_last: bool) -> Side:
    g, d, vgg = (given[name] for name in ("g", "d", "vgg"))
    training = twin.Training(g, d, vgg, given["lambdas"], given["px"], channels_last)
    real, mask = (twin.to_torch(np.array(given[name]), channels_last) for name in ("real", "mask"))
    attrs, wanted = (torch.from_numpy(np.array(given[name])) for name in ("attrs", "wanted_attrs"))
    return lambda: np.array([loss.item() for loss in training.step(real, mask, attrs, wanted)])


def operations(side: Side) -> int:
    """Floating-point operations of torch's convolutions and matrix products in one call, forward and backward."""
    with FlopCounterMode(display=False) as counter:
        side()
    return counter.get_total_flops()
