"""Weights' files with other metadata, other tensors or other numbers: safetensors that were edited or badly written.

A safetensors file is the length of its header (8 bytes), the header in JSON, and the tensors' bytes.
"""

import json
from collections.abc import Callable
from typing import Any

import numpy as np

Header = dict[str, Any]
# fmt: off
VALUES: tuple[str, ...] = (
    "null", "0", "-1", "1", "3", "4", "8", "16", "1e400", "NaN", "Infinity", "0.5", "true", '""', '"x"', "[]", "{}",
    '["a"]', '["Smiling", "Smiling"]', '["Smiling", 3]', '["a=b", "\\n"]', '["\\ud800", "Male"]', '["\\u0000", "b"]',
    '{"base": 64}', "9" * 5000, "[" * 500, "[" * 100000, "not JSON", '{"a": {"b": [1, 2, 3]}}', "1152921504606846976",
)
NUMBERS: tuple[Any, ...] = (
    0, -1, 1, 3, 7, 1e9, 10**30, 0.5, 1e-9, 1e308, float("nan"), True, None, "8", "blend", [], {},
)
# fmt: on


def _pick(rng: np.random.Generator, among: Any) -> Any:
    among = list(among)
    return among[int(rng.integers(len(among)))]


def _fields(header: Header) -> dict[str, str]:
    return header["__metadata__"]


def field(header: Header, body: bytes, rng: np.random.Generator) -> bytes:
    """A field of the metadata has another value."""
    _fields(header)[_pick(rng, _fields(header))] = _pick(rng, VALUES)
    return body


def within(header: Header, body: bytes, rng: np.random.Generator) -> bytes:
    """A setting of a network, or of where the eyes are, has another value, is missing, or is new."""
    name = _pick(rng, ("generator", "discriminator", "alignment"))
    settings = json.loads(_fields(header)[name])
    key = _pick(rng, (*settings, "new"))
    settings[key] = _pick(rng, NUMBERS)
    if key == "eyes_middle" and rng.random() < 0.7:
        settings[key] = [_pick(rng, NUMBERS), _pick(rng, NUMBERS)]
    if rng.random() < 0.2:
        del settings[key]
    _fields(header)[name] = json.dumps(settings)
    return body


def lost_field(header: Header, body: bytes, rng: np.random.Generator) -> bytes:
    """A field of the metadata is missing, or all are."""
    del _fields(header)[_pick(rng, _fields(header))]
    if rng.random() < 0.1:
        del header["__metadata__"]
    return body


def tensor(header: Header, body: bytes, rng: np.random.Generator) -> bytes:
    """A tensor has another type, shape, name or place."""
    name = _pick(rng, [name for name in header if name != "__metadata__"])
    entry = header[name]
    kind = int(rng.integers(6))
    if kind == 0:
        entry["dtype"] = _pick(rng, ("F16", "F64", "BF16", "I32", "BOOL", "F8_E4M3", "X"))
    elif kind == 1:
        entry["shape"] = [*entry["shape"], 1] if rng.random() < 0.5 else entry["shape"][::-1]
    elif kind == 2:
        entry["data_offsets"] = [int(x) for x in rng.integers(0, len(body) + 10, 2)]
    elif kind == 3:
        header[_pick(rng, ("generator/x", "generator", "/", "", "discriminator/é", "generator/" * 99))] = header.pop(
            name
        )
    elif kind == 4:
        del header[name]
    else:
        header[f"{name}/more"] = dict(entry)
    return body


def halves(header: Header, body: bytes, rng: np.random.Generator) -> bytes:
    """The generator or the discriminator is missing; its bytes too."""
    part = _pick(rng, ("generator/", "discriminator/"))
    kept, data = {}, b""
    for name, entry in header.items():
        if name == "__metadata__" or name.startswith(part):
            continue
        first, last = entry["data_offsets"]
        kept[name] = entry | {"data_offsets": [len(data), len(data) + last - first]}
        data += body[first:last]
    metadata = header["__metadata__"]
    header.clear()
    header.update({"__metadata__": metadata, **kept})
    return data


def numbers(header: Header, body: bytes, rng: np.random.Generator) -> bytes:
    """Some numbers are not finite, or huge."""
    values = np.frombuffer(body, "<f4").copy()
    where = rng.integers(0, len(values), int(rng.integers(1, 20)))
    values[where] = _pick(rng, (np.nan, np.inf, -np.inf, 3e38, -3e38, 1e20, 0))
    return values.tobytes()


METADATA: dict[str, Callable[[Header, bytes, np.random.Generator], bytes]] = {
    f.__name__.replace("_", " "): f for f in (field, within, lost_field, tensor, halves, numbers)
}


def changed(data: bytes, name: str, rng: np.random.Generator) -> bytes:
    """The file `data` with one of `METADATA` done to it."""
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    body = METADATA[name](header, data[8 + length :], rng)
    text = json.dumps(header).encode("utf-8", "surrogatepass")
    return len(text).to_bytes(8, "little") + text + body
