"""The stream of batches: its order is a function of seed and clock alone, it shards, and it resumes exactly."""

import json
import threading
import time

import numpy as np
import pytest

from fec_jax.data.pipeline import batches, order
from fec_jax.types import UserError


class Numbers:
    """A source whose image i is filled with i and whose label is i; it remembers what was read."""

    name, resolution_px, attribute_names, license = "numbers", 4, ("parity", "number"), "none"
    fingerprint = ""

    def __init__(self, size: int = 23):
        self.size = size
        self.read: list[int] = []

    def __len__(self) -> int:
        return self.size

    def load(self, indices):
        indices = np.asarray(indices)
        self.read += indices.tolist()
        images = np.broadcast_to(indices[:, None, None, None], (len(indices), 4, 4, 3)).astype(np.uint8)
        return images, np.stack([indices % 2, indices], 1).astype(np.uint8)


def numbers(stream) -> np.ndarray:
    return np.concatenate([b["attrs"][:, 1] for b in stream])


def test_every_epoch_has_every_record_once_in_another_order():
    """Breaks if photos are repeated or left out within an epoch, or every epoch has the same order."""
    first, second = order(23, 5, range(23)), order(23, 5, range(23, 46))
    assert sorted(first) == sorted(second) == list(range(23))
    assert first.tolist() != second.tolist()
    assert first.tolist() != list(range(23))
    assert order(23, 6, range(23)).tolist() != first.tolist()
    np.testing.assert_array_equal(order(23, 5, [40, 3, 45, 3]), order(23, 5, range(46))[[40, 3, 45, 3]])


def test_order_is_the_same_everywhere():
    """Breaks if another NumPy or machine orders the photos otherwise: a run could not be repeated there."""
    assert order(10, 0, range(10)).tolist() == [0, 2, 9, 1, 8, 5, 4, 3, 6, 7]
    assert order(10, 7, [10**9, 10**12]).tolist() == [5, 9]


def test_order_depends_on_the_clock_not_on_the_batch():
    """Breaks if a change of batch size, or starting later, moves other photos to the same place in training."""
    whole = numbers(batches(Numbers(), seed=3, first_image=0, batch=12, num_batches=10))
    np.testing.assert_array_equal(whole, order(23, 3, range(120)))
    for batch, first in ((8, 0), (5, 40), (1, 100), (6, 60)):
        part = numbers(batches(Numbers(), seed=3, first_image=first, batch=batch, num_batches=20 // batch))
        np.testing.assert_array_equal(part, whole[first : first + len(part)])


@pytest.mark.parametrize("processes", [1, 2, 4])
def test_processes_share_each_global_batch(processes):
    """Breaks if processes see the same photos, miss some, or read more than their share."""
    whole = numbers(batches(Numbers(), seed=1, first_image=16, batch=8, num_batches=6)).reshape(6, 8)
    shares = []
    for p in range(processes):
        source = Numbers()
        stream = batches(
            source, seed=1, first_image=16, batch=8, num_batches=6, process_index=p, process_count=processes
        )
        shares.append(numbers(stream).reshape(6, 8 // processes))
        assert len(source.read) == 48 // processes
    np.testing.assert_array_equal(np.concatenate(shares, axis=1), whole)


def test_batch_contents():
    """Breaks if images and labels part, or come in another type than the device code expects."""
    one = next(batches(Numbers(), seed=0, first_image=0, batch=4))
    assert (one["real"].shape, one["real"].dtype) == ((4, 4, 4, 3), np.uint8)
    assert (one["attrs"].shape, one["attrs"].dtype) == ((4, 2), np.uint8)
    np.testing.assert_array_equal(one["real"][:, 0, 0, 0], one["attrs"][:, 1])


@pytest.mark.parametrize("threads", [0, 1, 3])
def test_resuming_in_mid_stream_is_exact(threads):
    """Breaks if a checkpoint taken while batches are read ahead skips or repeats photos after a restart."""
    stream = batches(Numbers(), seed=2, first_image=7, batch=4, threads=threads)
    for _ in range(5):
        next(stream)
    time.sleep(0.05)  # lets the threads read ahead
    state = json.loads(json.dumps(stream.get_state()))  # it must survive a checkpoint
    expected = [next(stream)["attrs"] for _ in range(4)]
    stream.set_state(state)
    np.testing.assert_array_equal([next(stream)["attrs"] for _ in range(4)], expected)
    other = batches(Numbers(), seed=2, first_image=7, batch=4, threads=threads)
    other.set_state(state)
    np.testing.assert_array_equal([next(other)["attrs"] for _ in range(4)], expected)
    by_clock = batches(Numbers(), seed=2, first_image=7 + 5 * 4, batch=4, threads=threads)
    np.testing.assert_array_equal([next(by_clock)["attrs"] for _ in range(4)], expected)


def test_threads_end():
    """Breaks if reading threads outlive their stream: growth makes a new one for every phase."""
    before = set(threading.enumerate())
    for _ in range(3):
        stream = batches(Numbers(), seed=0, first_image=0, batch=4, threads=4)
        next(stream)
        assert set(threading.enumerate()) - before
        stream.close()
    dropped = batches(Numbers(), seed=0, first_image=0, batch=4, threads=4)
    next(dropped)
    del dropped
    deadline = time.monotonic() + 5
    while set(threading.enumerate()) - before and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not set(threading.enumerate()) - before


def test_errors_of_the_source_reach_the_caller():
    """Breaks if a file that cannot be read ends a reading thread silently and training waits for ever."""

    class Broken(Numbers):
        def load(self, indices):
            raise OSError("disk gone")

    with pytest.raises(OSError, match="disk gone"):
        next(batches(Broken(), seed=0, first_image=0, batch=4))


def test_impossible_requests():
    """Breaks if a batch that does not divide, or an empty source, gives wrong batches instead of a message."""
    with pytest.raises(UserError, match="batch 6 cannot be divided among 4 processes"):
        batches(Numbers(), seed=0, first_image=0, batch=6, process_count=4)
    with pytest.raises(UserError, match="numbers is empty"):
        batches(Numbers(0), seed=0, first_image=0, batch=4)
    with pytest.raises(ValueError, match="process 2 of 2"):
        batches(Numbers(), seed=0, first_image=0, batch=4, process_index=2, process_count=2)
