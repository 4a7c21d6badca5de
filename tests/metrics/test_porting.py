"""Reading torch's files without torch: both formats, and nothing but tensors."""

import pickle
import zipfile

import numpy as np
import pytest
from torch_files import MAGIC, PROTOCOL, Storage, View, name_of, write_old, write_zip

from experiments import porting
from fec_jax.types import UserError

WRITERS = pytest.mark.parametrize("write", [write_zip, write_old])
STATE = {"kernel": np.arange(24, dtype=np.float32).reshape(2, 3, 4), "count": np.asarray(7)}


class Trap:
    """Unpickled by pickle itself, it leaves a mark."""

    sprung = False

    def __reduce__(self):
        return setattr, (Trap, "sprung", True)


def same(found, expected):
    assert found.keys() == expected.keys()
    for name, x in expected.items():
        assert found[name].dtype == x.dtype
        np.testing.assert_array_equal(found[name], x)


@WRITERS
def test_tensors(write, tmp_path):
    """Broken: weights are read wrongly, or a batch norm's counter makes the file unreadable."""
    write(tmp_path / "a.pth", STATE)
    same(porting.read_torch(tmp_path / "a.pth"), STATE)


@WRITERS
def test_views(write, tmp_path):
    """Broken: tensors that share numbers, begin in the middle or lie transposed are mixed up."""
    storage = Storage(np.arange(10, dtype=np.float32))
    write(tmp_path / "a.pth", {"middle": View(storage, 4, (2, 3), (3, 1)), "turned": View(storage, 0, (3, 2), (1, 3))})
    numbers = np.arange(10, dtype=np.float32)
    expected = {"middle": numbers[4:].reshape(2, 3), "turned": numbers[:6].reshape(2, 3).T}
    same(porting.read_torch(tmp_path / "a.pth"), expected)


@WRITERS
@pytest.mark.parametrize(
    ("offset", "shape", "strides"),
    [(0, (11,), (1,)), (8, (3,), (1,)), (0, (4,), (4,)), (-1, (2,), (1,)), (9, (3,), (-1,)), (0, (10**12,), (0,))],
)
def test_tensors_stay_in_their_storage(write, offset, shape, strides, tmp_path):
    """Broken: a file reads memory that is not its own, or asks for all there is."""
    write(tmp_path / "a.pth", {"x": View(Storage(np.zeros(10, np.float32)), offset, shape, strides)})
    with pytest.raises(UserError, match="reaches out of its storage"):
        porting.read_torch(tmp_path / "a.pth")


@WRITERS
@pytest.mark.parametrize("thing", [Trap(), print, np.load, name_of("torch", "load"), {"a": Trap()}])
def test_nothing_else_is_unpickled(write, thing, tmp_path):
    """Broken: a file can run code."""
    write(tmp_path / "a.pth", thing)
    with pytest.raises(UserError, match="is not a part of a plain tensor"):
        porting.read_torch(tmp_path / "a.pth")
    assert not Trap.sprung


@WRITERS
def test_other_numbers(write, tmp_path):
    """Broken: float64 is read as float32."""
    write(tmp_path / "a.pth", {"a": np.zeros(3)})
    with pytest.raises(UserError, match=r"torch\.DoubleStorage"):
        porting.read_torch(tmp_path / "a.pth")


@WRITERS
@pytest.mark.parametrize("thing", [3, [], {"a": 3}])
def test_no_state_dict(write, thing, tmp_path):
    """Broken: a whole checkpoint fails somewhere later."""
    write(tmp_path / "a.pth", thing)
    with pytest.raises(UserError, match="does not hold a state dict"):
        porting.read_torch(tmp_path / "a.pth")


@WRITERS
def test_damaged(write, tmp_path):
    """Broken: half a download shows as a traceback, or is used."""
    path = tmp_path / "a.pth"
    write(path, STATE)
    data = path.read_bytes()
    for length in range(0, len(data), 7):
        path.write_bytes(data[:length])
        with pytest.raises(UserError, match="not a torch file of plain tensors") as caught:
            porting.read_torch(path)
        assert "\n" not in str(caught.value)


def test_other_files(tmp_path):
    """Broken: some other zip or pickle shows as a traceback; or a few bytes claim a storage of terabytes."""
    path = tmp_path / "a.pth"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "")
    with pytest.raises(UserError, match=r"a zip without data\.pkl"):
        porting.read_torch(path)
    path.write_bytes(pickle.dumps({"a": 1}))
    with pytest.raises(UserError, match="no torch file of either format"):
        porting.read_torch(path)
    with pytest.raises(UserError, match="FileNotFoundError"):
        porting.read_torch(tmp_path / "absent.pth")
    write_old(path, {"x": np.zeros(3, np.float32)})
    data = path.read_bytes()
    assert data.count(b"K\x03N") == 1
    path.write_bytes(data.replace(b"K\x03N", b"\x8a\x06\x00\x00\x00\x00\x00\x01N"))
    with pytest.raises(UserError, match="in a file of"):
        porting.read_torch(path)


def test_a_storage_of_another_size(tmp_path):
    """Broken: weights are shifted against each other."""
    path = tmp_path / "a.pth"
    write_old(path, {"x": np.zeros(3, np.float32)})
    data = path.read_bytes()
    path.write_bytes(data[:-20] + (2).to_bytes(8, "little") + data[-12:])
    with pytest.raises(UserError, match="does not have 3 numbers"):
        porting.read_torch(path)
    assert data.startswith(pickle.dumps(MAGIC, 2) + pickle.dumps(PROTOCOL, 2))


@pytest.mark.parametrize("zipped", [True, False])
def test_files_of_torch(zipped, tmp_path):
    """Broken: the files above are not torch's."""
    torch = pytest.importorskip("torch", reason="torch is not installed (extra parity); files like its own are read")
    module = torch.nn.Sequential(torch.nn.Conv2d(3, 4, (1, 5)), torch.nn.BatchNorm2d(4))
    state = module.state_dict()
    torch.save(state, tmp_path / "a.pth", _use_new_zipfile_serialization=zipped)
    same(porting.read_torch(tmp_path / "a.pth"), {name: x.numpy() for name, x in state.items()})
    torch.save(dict(module.named_parameters()), tmp_path / "b.pth", _use_new_zipfile_serialization=zipped)
    same(porting.read_torch(tmp_path / "b.pth"), {name: x.detach().numpy() for name, x in module.named_parameters()})
