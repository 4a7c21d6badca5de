"""The stream of training batches: shuffled, sharded by process, read ahead in threads, and checkpointable.

The clock is images seen. Global example number g, counted from the start of training, is record `order(n, seed, g)` of
the source, whatever the batch size, the number of devices or of processes: epochs of n examples, each in an order of
its own. A run that changes its batch at a phase border, or resumes elsewhere, continues with the same photos.
"""

from collections.abc import Sequence
from functools import lru_cache

import grain
import numpy as np
from jaxtyping import Int64

from fec_jax.data.source import Source
from fec_jax.types import UserError

_ENDLESS = 2**40  # batches: more than any run, and still an index that grain can hold


@lru_cache(maxsize=4)
def _epoch_order(n: int, seed: int, epoch: int) -> Int64[np.ndarray, " n"]:
    """The permutation of one epoch. Philox's raw stream is the same in every NumPy, unlike `Generator.permutation`."""
    return np.argsort(np.random.Philox(key=[seed, epoch]).random_raw(n), kind="stable")


def order(n: int, seed: int, examples: Sequence[int] | np.ndarray | range) -> Int64[np.ndarray, " m"]:
    """Which of `n` records the global examples `examples` (numbers from 0) are: every record once in n examples.

    n      records in the source; the order of an epoch takes 8 n bytes
    seed   0 or greater; another seed gives another order
    """
    numbers = np.asarray(examples, np.int64)
    epochs, positions = np.divmod(numbers, n)
    result = np.empty_like(numbers)
    for epoch in np.unique(epochs):
        here = epochs == epoch
        result[here] = _epoch_order(n, seed, int(epoch))[positions[here]]
    return result


def batches(
    source: Source,
    *,
    seed: int,
    first_image: int,
    batch: int,
    num_batches: int | None = None,
    process_index: int = 0,
    process_count: int = 1,
    threads: int = 2,
) -> grain.DatasetIterator[dict[str, np.ndarray]]:
    """This process's share of the global batches: {"real": uint8 [lb, r, r, 3], "attrs": uint8 [lb, a]}.

    seed            fixes the order, see `order`
    first_image     images seen before the first batch, where training resumes
    batch           global batch size; this process gets positions [p lb, (p + 1) lb) of each, lb = batch / processes
    num_batches     where to stop; default: never
    threads         how many batches are read at the same time; 0 reads in the caller's thread

    The iterator has `get_state()` and `set_state(state)` (a dict with one number: batches given out since the first,
    not those read ahead) and `close()`, which ends its threads; dropping the last reference does so too.

    Raises `UserError` when the batch does not divide among the processes or the source is empty.
    """
    if batch < 1 or batch % process_count:
        raise UserError(f"batch {batch} cannot be divided among {process_count} processes: choose a multiple")
    if len(source) == 0:
        raise UserError(f"the data set {source.name} is empty")
    if not 0 <= process_index < process_count:
        raise ValueError(f"process {process_index} of {process_count}")
    local = batch // process_count

    def load(number: int) -> dict[str, np.ndarray]:
        start = first_image + number * batch + process_index * local
        real, attrs = source.load(order(len(source), seed, range(start, start + local)))
        return {"real": real, "attrs": attrs}

    numbers = grain.MapDataset.range(_ENDLESS if num_batches is None else num_batches)
    ahead = grain.ReadOptions(num_threads=threads, prefetch_buffer_size=2 * threads)
    return iter(numbers.map(load).to_iter_dataset(ahead))
