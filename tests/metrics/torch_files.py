"""Writes state dicts as torch does, in both of its formats, without torch."""

import io
import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

MAGIC, PROTOCOL = 0x1950A86A20F9469CFC6C, 1001


def name_of(module: str, name: str) -> type:
    """Pickles as a reference to `module.name`, which need not exist."""
    return type(name, (), {"__module__": module, "name_only": True})


REBUILD = name_of("torch._utils", "_rebuild_tensor_v2")
KINDS = {
    np.dtype(kind): name_of("torch", name)
    for kind, name in (("<f4", "FloatStorage"), ("<i8", "LongStorage"), ("<f8", "DoubleStorage"))
}


class Storage:
    def __init__(self, numbers: np.ndarray):
        self.numbers = numbers


class View:
    """A tensor: some numbers of a storage."""

    def __init__(self, storage: Storage, offset: int, shape: tuple[int, ...], strides: tuple[int, ...]):
        self.args = storage, offset, shape, strides, False, None

    def __reduce__(self):
        return REBUILD, self.args


def tensor(array: np.ndarray) -> View:
    array = np.array(array, order="C")
    return View(Storage(array.ravel()), 0, array.shape, tuple(s // array.itemsize for s in array.strides))


class _Pickler(pickle._Pickler):
    def __init__(self, file: Any, old: bool):
        super().__init__(file, protocol=2)
        self.storages: list[Storage] = []
        self._more = (None,) if old else ()

    def persistent_id(self, obj: Any) -> Any:
        if not isinstance(obj, Storage):
            return None
        if obj not in self.storages:
            self.storages.append(obj)
        key = str(self.storages.index(obj))
        return ("storage", KINDS[obj.numbers.dtype], key, "cpu", len(obj.numbers), *self._more)

    def save_global(self, obj: Any, name: str | None = None) -> None:
        if getattr(obj, "name_only", False):
            self.write(pickle.GLOBAL + f"{obj.__module__}\n{obj.__name__}\n".encode())
            self.memoize(obj)
        else:
            super().save_global(obj, name)


def _tensors(state: Any) -> Any:
    if not isinstance(state, dict):
        return state
    return {name: tensor(x) if isinstance(x, np.ndarray) else x for name, x in state.items()}


def write_zip(path: Path, state: Any) -> None:
    pickled = io.BytesIO()
    pickler = _Pickler(pickled, old=False)
    pickler.dump(_tensors(state))
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(zipfile.ZipInfo("archive/data.pkl"), pickled.getvalue())
        for key, storage in enumerate(pickler.storages):
            archive.writestr(zipfile.ZipInfo(f"archive/data/{key}"), storage.numbers.tobytes())


def write_old(path: Path, state: Any) -> None:
    with path.open("wb") as file:
        for thing in (MAGIC, PROTOCOL, {"little_endian": True}):
            pickle.dump(thing, file, protocol=2)
        pickler = _Pickler(file, old=True)
        pickler.dump(_tensors(state))
        pickle.dump([str(key) for key in range(len(pickler.storages))], file, protocol=2)
        for storage in pickler.storages:
            file.write(len(storage.numbers).to_bytes(8, "little") + storage.numbers.tobytes())
