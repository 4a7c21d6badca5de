"""A network's parameters as one vector, and the network as a function of it.

One array is one update, one average, one norm and one all-reduce, however many layers there are.
"""

import dataclasses
import math
import re
from collections.abc import Callable
from typing import Any, Literal

import flax.linen as nn
import jax
import jax.flatten_util
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from fec_jax.nets import layers
from fec_jax.types import Params

Vector = Float[Array, " n"]
Kernels = Literal["hwio", "ohwi"]


def wanted_kernels() -> Kernels:
    """The order of a convolution's axes that this machine's devices work in."""
    return "ohwi" if jax.default_backend() == "gpu" else "hwio"


def born(name: str, resolution_px: int) -> bool:
    """Whether the layer or block of this name is in a network at a resolution. `down_16` is, from 16 px on."""
    of_px = re.search(r"_(\d+)$", name)
    return of_px is None or int(of_px[1]) <= resolution_px


def unborn(tree: Params, resolution_px: int) -> Params:
    """The part of a network's parameters that has no layer of `resolution_px` or below."""
    return {name: part for name, part in tree.items() if not born(name, resolution_px)}


@dataclasses.dataclass(frozen=True)
class Layout:
    """Where each array of a tree lies in a vector: first the kernels that the network's type holds for, then the rest.

    paths: the arrays' names. kernels: the order of a convolution's axes there. Trees have `hwio`; cuDNN reads and
    writes `ohwi`.
    """

    structure: jax.tree_util.PyTreeDef
    paths: tuple[tuple[str, ...], ...]
    shapes: tuple[tuple[int, ...], ...]
    kernels: Kernels

    @classmethod
    def of(cls, shapes: Params, resolution_px: int, kernels: Kernels) -> "Layout":
        """That of a network's layers born at a resolution; `shapes`: of all its parameters."""
        parts = {name: part for name, part in shapes.items() if born(name, resolution_px)}
        leaves, structure = jax.tree_util.tree_flatten_with_path(parts)
        paths = tuple(tuple(key.key for key in path) for path, _ in leaves)
        return cls(structure, paths, tuple(leaf.shape for _, leaf in leaves), kernels)

    @property
    def size(self) -> int:
        """Length of the vector."""
        return sum(self._sizes)

    def tree(self, vector: Vector, dtype: DTypeLike) -> Params:
        """The arrays within a traced program: kernels in `dtype`, in which the network computes; in float32 all others,
        and the kernels that `layers.in_float32` names.

        The gradient with respect to the vector is one array too.
        """
        sizes, count = self._sizes, sum(map(self._cast, range(len(self.shapes))))
        kernels, others = lax.split(vector, (sum(sizes[:count]), sum(sizes[count:])))
        pieces = [*lax.split(kernels.astype(dtype), sizes[:count]), *lax.split(others, sizes[count:])]
        return self._shaped(pieces)

    def vector(self, tree: Params) -> np.ndarray:
        """The arrays of the born layers of `tree`, one after the other, on the host."""
        names = jax.tree.unflatten(self.structure, self.shapes)
        leaves = self.structure.flatten_up_to({name: tree[name] for name in names})
        return np.concatenate([self._turned(np.asarray(leaves[i])).ravel() for i in self._order])

    def named(self, vector: Any) -> Params:
        """The inverse of `vector`: arrays of the host's own."""
        pieces = np.split(np.array(vector), np.cumsum(self._sizes)[:-1])
        return jax.tree.map(np.ascontiguousarray, self._shaped(pieces))

    def with_kernels(self, new: Callable[..., Float[Array, "h w i o"]], vector: Vector, *others: Vector) -> Vector:
        """The vector, every convolution's kernel k of it replaced by `new(k, ...)`; ...: that of each other vector."""
        pieces = zip(*(lax.split(v, self._sizes) for v in (vector, *others)), strict=True)
        replaced = [
            self._turned(new(*(self._kernel(i, p) for p in same))).ravel() if len(self.shapes[i]) == 4 else same[0]
            for i, same in zip(self._order, pieces, strict=True)
        ]
        return jnp.concatenate(replaced)

    @property
    def _order(self) -> list[int]:
        """The arrays' numbers in the tree, in the vector's order."""
        return sorted(range(len(self.shapes)), key=lambda i: not self._cast(i))

    def _cast(self, i: int) -> bool:
        return len(self.shapes[i]) >= 2 and not layers.in_float32(self.paths[i])

    @property
    def _sizes(self) -> list[int]:
        return [math.prod(self.shapes[i]) for i in self._order]

    def _turned(self, kernel: Any) -> Any:
        return kernel.transpose(3, 0, 1, 2) if kernel.ndim == 4 and self.kernels == "ohwi" else kernel

    def _kernel(self, i: int, piece: Any) -> Any:
        h, w, c, d = self.shapes[i]
        return piece.reshape(d, h, w, c).transpose(1, 2, 3, 0) if self.kernels == "ohwi" else piece.reshape(h, w, c, d)

    def _shaped(self, pieces: Any) -> Params:
        leaves: list[Any] = [None] * len(self.shapes)
        for i, piece in zip(self._order, pieces, strict=True):
            leaves[i] = self._kernel(i, piece) if len(self.shapes[i]) == 4 else piece.reshape(self.shapes[i])
        return jax.tree.unflatten(self.structure, leaves)


@dataclasses.dataclass(frozen=True)
class Network:
    """A network at a resolution, as a function of the vector that its parameters lie in."""

    module: nn.Module
    layout: Layout
    resolution_px: int

    def __call__(self, vector: Vector, *inputs: Any) -> Any:
        return self.module.apply(self._variables(vector), *inputs, resolution_px=self.resolution_px)

    def method(self, name: str, vector: Vector, *inputs: Any) -> Any:
        """What this method of the module gives instead, whatever the resolution."""
        return self.module.apply(self._variables(vector), *inputs, method=name)

    def _variables(self, vector: Vector) -> dict[str, Params]:
        return {"params": self.layout.tree(vector, self.module.dtype)}


def average(tree: Any, axis: str) -> Any:
    """The mean over the devices of the mesh axis: one all-reduce, whatever the tree."""
    vector, unravel = jax.flatten_util.ravel_pytree(tree)
    return unravel(lax.pmean(vector, axis))
