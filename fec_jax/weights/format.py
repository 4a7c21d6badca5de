"""Weights to hand out: one `.safetensors` file with the generator, the discriminator and what is known about them.

Tensors are named `generator/...` and `discriminator/...`. The metadata (strings, as safetensors has it) are `format`,
`format_version`, `fec_jax` (the version that wrote the file) and, as JSON, the fields of `Meta`. No pickle anywhere.
Version 2 added `alignment`, `started_from`, `loss_networks` and `splits`; a file without one of them gets its default.
"""

import dataclasses
import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

import jax
import jax.numpy as jnp
import numpy as np
import safetensors
import safetensors.numpy
from flax.traverse_util import flatten_dict, unflatten_dict

import fec_jax
from fec_jax.io import output
from fec_jax.nets.discriminator import Discriminator
from fec_jax.nets.generator import Generator, Skip
from fec_jax.nets.layers import Growth
from fec_jax.types import Params, UserError, one_line

FORMAT = "fec_jax.weights"
FORMAT_VERSION = "2"
READABLE = ("1", FORMAT_VERSION)
MAX_PX = 4096
LFS_POINTER = b"version https://git-lfs.github.com/spec/"
ALIGNMENT = {"eyes_apart": 0.24, "eyes_middle": [0.5, 0.45]}
"""`Meta.alignment` where nothing else is said: that of the synthetic faces and of the shipped weights' photos."""

_G, _D = "generator", "discriminator"
_NEEDED = ("attribute_names", "resolution_px", "generator", "discriminator", "data", "training")
_LISTS = ("attribute_names", "loss_networks", "splits")


@dataclass(frozen=True)
class Meta:
    """What a file of weights says about itself.

    attribute_names  the attributes, in the order of the networks' inputs and outputs
    resolution_px    side of the networks' images: the resolution that the training had reached
    generator        `Generator`'s base, cap, latent, skip, growth; prior and offset, if it has them
    discriminator    `Discriminator`'s base, cap, growth; on_features, if it has such heads
    data             name and license of the training data
    training         summary: kimg, figures ...; any JSON
    alignment        where the eyes of the training photos lie, in shares of the side from the upper left corner:
                     `eyes_apart`, the distance of their centres, and `eyes_middle`, [x, y] of the point between them
    started_from     `name` and `sha256` of the weights that the training began with; None: with random ones
    loss_networks    published networks that a loss used ("vgg16"): none of them is independent of these weights
    splits           names of the data's splits that the training saw
    """

    attribute_names: tuple[str, ...]
    resolution_px: int
    generator: Mapping[str, Any]
    discriminator: Mapping[str, Any]
    data: Mapping[str, Any] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)
    alignment: Mapping[str, Any] = field(default_factory=lambda: dict(ALIGNMENT))
    started_from: Mapping[str, str] | None = None
    loss_networks: tuple[str, ...] = ("vgg16",)
    splits: tuple[str, ...] = ("train",)

    def build_generator(self) -> Generator:
        """The network of `resolution_px`: larger resolutions' layers, which training had not reached, do not exist."""
        return Generator(max_px=self.resolution_px, num_attrs=len(self.attribute_names), **self.generator)

    def build_discriminator(self) -> Discriminator:
        """See `build_generator`."""
        return Discriminator(max_px=self.resolution_px, num_attrs=len(self.attribute_names), **self.discriminator)

    def g_shapes(self) -> Params:
        """The generator's parameters as `jax.ShapeDtypeStruct`s. Nothing is allocated."""
        r, net = self.resolution_px, self.build_generator()
        inputs = [jax.ShapeDtypeStruct(s, jnp.float32) for s in ((1, r, r, 3), (1, r, r, 1), (1, net.num_attrs))]
        return jax.eval_shape(lambda *x: net.init(jax.random.key(0), *x, 1.0, resolution_px=r), *inputs)["params"]

    def d_shapes(self) -> Params:
        """The discriminator's parameters, likewise."""
        r, net = self.resolution_px, self.build_discriminator()
        x = jax.ShapeDtypeStruct((1, r, r, 3), jnp.float32)
        return jax.eval_shape(lambda x: net.init(jax.random.key(0), x, 1.0, resolution_px=r), x)["params"]


@dataclass(frozen=True)
class Weights:
    """EMA generator, discriminator (None: left out for a smaller file) and `Meta`. Nested dicts of float32 arrays."""

    g_params: Params
    d_params: Params | None
    meta: Meta


def save_weights(path: Path, weights: Weights, dtype: Literal["float32", "float16"] = "float32") -> str:
    """Writes `weights` and returns the file's SHA-256.

    The trees may be those of a larger `max_px`: only the layers up to `meta.resolution_px` are written. float16 halves
    the file; it is read back as float32.

    Raises UserError: numbers that are not finite (or overflow float16), or the file system refuses.
    """
    tensors = _tensors(weights, dtype)
    metadata = {"format": FORMAT, "format_version": FORMAT_VERSION, "fec_jax": fec_jax.__version__}
    metadata |= {f.name: json.dumps(_plain(getattr(weights.meta, f.name))) for f in dataclasses.fields(Meta)}
    data = safetensors.numpy.save(tensors, metadata)
    output.write_aside(path, data)
    return hashlib.sha256(data).hexdigest()


def tensors_sha256(weights: Weights) -> str:
    """SHA-256 of the tensors alone, as safetensors lays them out in float32: the same for the same numbers."""
    return hashlib.sha256(safetensors.numpy.save(_tensors(weights, "float32"))).hexdigest()


def _tensors(weights: Weights, dtype: Literal["float32", "float16"]) -> dict[str, np.ndarray]:
    tensors = flatten_dict({_G: _part(weights.g_params, weights.meta.g_shapes(), _G)}, sep="/")
    if weights.d_params is not None:
        tensors |= flatten_dict({_D: _part(weights.d_params, weights.meta.d_shapes(), _D)}, sep="/")
    with np.errstate(over="ignore"):
        tensors = {name: np.ascontiguousarray(np.asarray(x), dtype) for name, x in tensors.items()}
    for name, x in tensors.items():
        if not np.isfinite(x).all():
            raise UserError(
                f"cannot export {name}: it holds values that are not finite in {dtype}; use an earlier checkpoint"
            )
    return tensors


def load_weights(path: Path) -> Weights:
    """Reads a file of `save_weights`; names, shapes and types are checked against the networks of its metadata.

    Raises UserError: no such file, not safetensors, another format or version, damaged metadata, wrong tensors,
    numbers that are not finite.
    """
    if not os.path.isfile(path):
        raise UserError(f"weights {path} do not exist: give a .safetensors file or the workdir of a training run")
    try:
        with path.open("rb") as file:
            if file.read(len(LFS_POINTER)) == LFS_POINTER:
                raise UserError(
                    f"weights {path} are a Git LFS pointer, not the file itself: fetch it with `git lfs pull`"
                )
        with safetensors.safe_open(path, framework="numpy") as file:
            meta = _meta(file.metadata() or {}, path)
            found = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118 (the file is no dict)
            found = {name: (tuple(x.get_shape()), x.get_dtype()) for name, x in found.items()}
            wanted = flatten_dict({_G: meta.g_shapes()}, sep="/")
            if any(name.startswith(f"{_D}/") for name in found):
                wanted |= flatten_dict({_D: meta.d_shapes()}, sep="/")
            _check(found, wanted, path)
            tensors = {name: file.get_tensor(name).astype(np.float32) for name in wanted}
    except (safetensors.SafetensorError, OSError) as e:
        raise UserError(
            f"weights {path} cannot be read ({' '.join(str(e).split())}): give a file made by `fec export weights`"
        ) from e
    for name, x in tensors.items():
        if not np.isfinite(x).all():
            raise UserError(f"weights {path} are damaged: {name} holds values that are not finite; use another file")
    trees = unflatten_dict(tensors, sep="/")
    return Weights(trees[_G], trees.get(_D), meta)


def _meta(metadata: Mapping[str, str], path: Path) -> Meta:
    if metadata.get("format") != FORMAT:
        raise UserError(f"weights {path} are not weights of fec_jax: give a file made by `fec export weights`")
    if metadata.get("format_version") not in READABLE:
        raise UserError(
            f"weights {path} have format version {metadata.get('format_version')}, this fec_jax reads "
            f"{' and '.join(READABLE)}: use the fec_jax that wrote them ({metadata.get('fec_jax')})"
        )
    try:
        names = [f.name for f in dataclasses.fields(Meta) if f.name in _NEEDED or f.name in metadata]
        fields: dict[str, Any] = {name: json.loads(metadata[name]) for name in names}
        for name in _LISTS:
            if name in fields and not (isinstance(fields[name], list) and all(map(_is_name, fields[name]))):
                raise ValueError(f"{name} {fields[name]}")
        fields |= {name: tuple(fields[name]) for name in _LISTS if name in fields}
        meta = Meta(**fields)
        if len(set(meta.attribute_names)) < len(meta.attribute_names):
            raise ValueError(f"attribute_names {', '.join(meta.attribute_names)}: one is there twice")
        x, y = meta.alignment["eyes_middle"]
        if not (0 < meta.alignment["eyes_apart"] < 1 and 0 < x < 1 and 0 < y < 1):
            raise ValueError(f"alignment {dict(meta.alignment)}")
        if meta.started_from is not None and not all(map(_is_name, dict(meta.started_from).values())):
            raise ValueError(f"started_from {meta.started_from}")
        if not isinstance(meta.resolution_px, int) or not 4 <= meta.resolution_px <= MAX_PX:
            raise ValueError(f"resolution_px {meta.resolution_px}")
        if meta.generator.get("skip") not in get_args(Skip):
            raise ValueError(f"skip {meta.generator.get('skip')}")
        for network in (meta.generator, meta.discriminator):
            if network.get("growth", "blend") not in get_args(Growth):
                raise ValueError(f"growth {network.get('growth')}")
        # Settings that do not make a network raise here.
        meta.g_shapes()
        meta.d_shapes()
    except (KeyError, ValueError, TypeError, AttributeError, ArithmeticError, RecursionError) as e:
        text = one_line(e)[:120]
        raise UserError(f"weights {path} have damaged metadata ({text}): export them again") from e
    return meta


def _check(found: Mapping[str, tuple], wanted: Mapping[str, Any], path: Path) -> None:
    missing, extra = sorted(wanted.keys() - found.keys()), sorted(found.keys() - wanted.keys())
    if missing or extra:
        what = f"{len(missing)} tensors are missing" if missing else f"{len(extra)} tensors are unknown"
        raise UserError(
            f"weights {path} do not fit their metadata: {what} ({(missing or extra)[0]} ...); export them again"
        )
    for name, leaf in wanted.items():
        shape, dtype = found[name]
        if shape != leaf.shape or dtype not in ("F32", "F16"):
            raise UserError(
                f"weights {path} do not fit their metadata: {name} is {dtype} {list(shape)}, "
                f"not float {list(leaf.shape)}; export them again"
            )


def _part(params: Params, shapes: Params, where: str) -> dict[str, Any]:
    """The part of the tree that `shapes` has. ValueError if it is not there, for that is a mistake of the caller."""
    part = {}
    for name, below in shapes.items():
        if name not in params:
            raise ValueError(f"{where}/{name} is not in the parameters")
        if isinstance(below, Mapping):
            part[name] = _part(params[name], below, f"{where}/{name}")
        elif params[name].shape != below.shape:
            raise ValueError(f"{where}/{name} has shape {params[name].shape}, the network's is {below.shape}")
        else:
            part[name] = params[name]
    return part


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _plain(value: Any) -> Any:
    return dict(value) if isinstance(value, Mapping) else value
