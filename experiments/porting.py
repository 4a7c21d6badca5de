"""What the port_*.py scripts share: reading torch's files without torch, and writing the same bytes every time.

Nothing here runs code from the files: pickles are read by an unpickler that admits the few names that tensors need.
"""

import collections
import json
import math
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from fec_jax.types import UserError

STORAGES = {"FloatStorage": "<f4", "LongStorage": "<i8"}
"""The kinds of numbers that are admitted: weights, and batch norm's counters."""
OLD_MAGIC, OLD_PROTOCOL = 0x1950A86A20F9469CFC6C, 1001
"""How files of torch before 1.6 begin: a pickle of each, a pickle about the machine, then the tensors."""


def read_torch(path: Path) -> dict[str, np.ndarray]:
    """The state dict in a `.pth` file, in the zip format or in that of torch before 1.6: float32 and int64 tensors.

    Raises UserError: anything else in the file, or the file is damaged.
    """
    try:
        with path.open("rb") as file:
            zipped = file.read(4) == b"PK\x03\x04"
            file.seek(0)
            state = _read_zip(file) if zipped else _read_old(file, path.stat().st_size)
    except Exception as e:  # A damaged pickle can raise anything.
        reason = " ".join(f"{type(e).__name__}: {e}".split())[:200]
        raise UserError(f"{path}: not a torch file of plain tensors ({reason}); give a state dict's .pth") from e
    if not isinstance(state, dict) or not all(isinstance(x, np.ndarray) for x in state.values()):
        raise UserError(f"{path}: does not hold a state dict, tensors by name; give a state dict's .pth")
    return {str(name): np.array(x, order="C") for name, x in state.items()}


def sorted_header(data: bytes) -> bytes:
    """The same safetensors file with its header's keys in order: the library shuffles them, and a checksum needs the
    same bytes every time."""
    length = int.from_bytes(data[:8], "little")
    header = json.dumps(json.loads(data[8 : 8 + length]), sort_keys=True, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)
    return len(header).to_bytes(8, "little") + header + data[8 + length :]


def _read_zip(file: BinaryIO) -> Any:
    with zipfile.ZipFile(file) as archive:
        data_pkl = next((name for name in archive.namelist() if name.endswith("data.pkl")), None)
        if data_pkl is None:
            raise ValueError("a zip without data.pkl")
        folder = data_pkl.removesuffix("data.pkl")

        def storage(key: str, dtype: str, _count: int) -> np.ndarray:
            return np.frombuffer(archive.read(f"{folder}data/{key}"), dtype)

        with archive.open(data_pkl) as pickled:
            return _TensorUnpickler(pickled, storage).load()


def _read_old(file: BinaryIO, size: int) -> Any:
    """The tensors' numbers follow the pickles, storage by storage: the count, eight bytes, and then they."""
    storages: dict[str, np.ndarray] = {}

    def storage(key: str, dtype: str, count: int) -> np.ndarray:
        if not 0 <= count * np.dtype(dtype).itemsize <= size:
            raise ValueError(f"a storage of {count} numbers in a file of {size} bytes")
        # Filled below: the tensors are views of it.
        return storages.setdefault(key, np.zeros(count, dtype))

    def load() -> Any:
        return _TensorUnpickler(file, storage).load()

    if load() != OLD_MAGIC or load() != OLD_PROTOCOL:
        raise ValueError("no torch file of either format")
    load()
    state, keys = load(), load()
    if sorted(keys) != sorted(storages):
        raise ValueError("storages are missing or unknown")
    for key in keys:
        numbers = storages[key]
        if int.from_bytes(file.read(8), "little") != len(numbers):
            raise ValueError(f"storage {key} does not have {len(numbers)} numbers")
        numbers[:] = np.frombuffer(file.read(numbers.nbytes), numbers.dtype)
    return state


class _TensorUnpickler(pickle.Unpickler):
    """Makes numpy arrays of tensors; `storage(key, dtype, count)` gives the numbers. Admits nothing else."""

    def __init__(self, file: Any, storage: Callable[[str, str, int], np.ndarray]):
        super().__init__(file)
        self._storage = storage

    def find_class(self, module_name: str, global_name: str) -> Any:
        match module_name, global_name:
            case "collections", "OrderedDict":
                return collections.OrderedDict
            case "torch._utils", "_rebuild_tensor_v2":
                return lambda storage, offset, shape, strides, *_: _view(storage, offset, shape, strides)
            case "torch._utils", "_rebuild_parameter":
                return lambda tensor, _requires_grad, _hooks: tensor
            case "torch", name if name in STORAGES:
                return STORAGES[name]
        raise pickle.UnpicklingError(f"{module_name}.{global_name} is not a part of a plain tensor")

    def persistent_load(self, pid: Any) -> np.ndarray:
        kind, dtype, key, _location, count, *view = pid
        if kind != "storage" or dtype not in STORAGES.values() or view not in ([], [None]):
            raise pickle.UnpicklingError(f"{kind!r} is not a storage of plain numbers")
        return self._storage(key, dtype, count)


def _view(storage: np.ndarray, offset: int, shape: tuple[int, ...], strides: tuple[int, ...]) -> np.ndarray:
    """The tensor; `strides` count numbers. ValueError if it would reach out of the storage."""
    last = offset + sum((size - 1) * step for size, step in zip(shape, strides, strict=True))
    count = math.prod(shape)
    if min((offset, *shape, *strides)) < 0 or count > len(storage) or (count and last >= len(storage)):
        raise ValueError(f"tensor of shape {shape} reaches out of its storage")
    return np.lib.stride_tricks.as_strided(storage[offset:], shape, [step * storage.itemsize for step in strides])
