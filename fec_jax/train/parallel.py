"""One function, many devices: a per-device step compiled with `jit(shard_map)` or with `pmap`.

Both take and give the same arrays: the history and the batch are split along their first axis, all else is replicated.
`shard_map` is the default: it is what `jax.pmap` is built on today, and what JAX asks new code to use.
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, Literal

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from fec_jax import xla_options
from fec_jax.train.penalty import Penalty
from fec_jax.train.recipe import Batch, Clock, Constants, Metrics
from fec_jax.train.state import State

AXIS = "data"
Mode = Literal["shard_map", "pmap"]
Step = Callable[[State, Batch, Clock, Constants, Penalty | None], tuple[State, Metrics]]
Args = tuple[State, Batch, Clock, Constants, Penalty | None]

SPLIT, SAME = PartitionSpec(AXIS), PartitionSpec()


def mesh(devices: Sequence[jax.Device] | None = None) -> Mesh:
    """All devices (of all processes) in one row, those of a process side by side: its part of a batch is one piece."""
    devices = jax.devices() if devices is None else devices
    return Mesh(np.array(side_by_side(devices)), (AXIS,), axis_types=(AxisType.Auto,))


def side_by_side(devices: Sequence[Any]) -> list[Any]:
    """Devices by process. A TPU slice numbers them by their place, across hosts, and so does `jax.make_mesh`."""
    return sorted(devices, key=lambda device: device.process_index)


def state_specs(state: State) -> State:
    """How each array of a state lies over the mesh: a tree of PartitionSpec in the state's structure."""
    specs = jax.tree.map(lambda _: SAME, state)
    return dataclasses.replace(specs, history=jax.tree.map(lambda _: SPLIT, state.history))


def state_shardings(state: State, mesh: Mesh) -> State:
    """`state_specs` as shardings of `mesh`."""
    return jax.tree.map(
        lambda spec: NamedSharding(mesh, spec), state_specs(state), is_leaf=lambda x: isinstance(x, PartitionSpec)
    )


def place(state: State, mesh: Mesh) -> State:
    """Puts a state where the compiled step wants it. Every process has the whole of it, or it lies there already."""
    return jax.tree.map(_put, state, state_shardings(state, mesh))


def replicate(tree: Any, mesh: Mesh) -> Any:
    """Puts the same arrays on every device; every process has them all."""
    sharding = NamedSharding(mesh, SAME)
    return jax.tree.map(lambda x: _put(x, sharding), tree)


def _put(x: Any, sharding: NamedSharding) -> jax.Array:
    """`jax.device_put`; onto devices of other processes too, without asking them whether they have the same."""
    if sharding.is_fully_addressable or (isinstance(x, jax.Array) and not x.is_fully_addressable):
        return jax.device_put(x, sharding)
    if jax.dtypes.issubdtype(x.dtype, jax.dtypes.prng_key):
        return jax.random.wrap_key_data(_put(jax.random.key_data(x), sharding))
    host = np.asarray(x)
    return jax.make_array_from_callback(host.shape, sharding, lambda index: host[index])


def counter(mesh: Mesh) -> Callable[[Sequence[bool]], jax.Array]:
    """A function that says of each flag for how many devices it is true; a process speaks for its own, all call it."""
    split, here = NamedSharding(mesh, SPLIT), mesh.local_mesh.size
    count = jax.jit(lambda flags: flags.sum(axis=0), out_shardings=NamedSharding(mesh, SAME))
    return lambda flags: count(
        jax.make_array_from_process_local_data(split, np.tile(np.array(flags, np.int32), (here, 1)))
    )


def to_devices(batch: dict[str, np.ndarray], mesh: Mesh) -> Batch:
    """This host's part of the batch becomes its part of the global one."""
    sharding = NamedSharding(mesh, SPLIT)
    return Batch(**{k: jax.make_array_from_process_local_data(sharding, v) for k, v in batch.items()})


def compile_step(step: Step, mesh: Mesh, mode: Mode, args: Args) -> Step:
    """Compiles the per-device `step` for arguments like `args` (arrays, or shapes with shardings) and returns it.

    The state is donated: the one passed in cannot be used again. (`pmap` compiles at the first call, and donates
    nothing: it needs room for two states.) Raises ValueError for an unknown mode.
    """
    if mode == "shard_map":
        return sharded(step, mesh, args[0]).lower(*args).compile(compiler_options=xla_options.options())
    if mode == "pmap":
        return _pmap(step, mesh, args)
    raise ValueError(f"parallel: {mode!r} is neither 'shard_map' nor 'pmap'")


def compile_penalty(
    function: Callable[..., Penalty], mesh: Mesh, args: tuple[Any, Batch, Clock]
) -> Callable[..., Penalty]:
    """Compiles `penalty.penalty` for arguments like `args`: D's parameters, the batch, the clock."""
    return sharded_penalty(function, mesh).lower(*args).compile(compiler_options=xla_options.options())


def sharded_penalty(function: Callable[..., Penalty], mesh: Mesh) -> Any:
    """The per-device `penalty.penalty` over `mesh` as a jitted function, not compiled yet."""
    specs = (SAME, SPLIT, SAME)
    return jax.jit(jax.shard_map(function, mesh=mesh, in_specs=specs, out_specs=SAME, check_vma=False))


def sharded(step: Step, mesh: Mesh, state: State) -> Any:
    """The per-device `step` over `mesh` as a jitted function, not compiled yet; `state` gives the structure."""
    specs = state_specs(state)
    mapped = jax.shard_map(
        step, mesh=mesh, in_specs=(specs, SPLIT, SAME, SAME, SAME), out_specs=(specs, SAME), check_vma=False
    )
    return jax.jit(mapped, donate_argnums=0)


def _pmap(step: Step, mesh: Mesh, args: Args) -> Step:
    """`jax.pmap` maps over a leading device axis, which is split off and put back here; the rest is passed as it is."""
    devices = list(mesh.devices.flat)
    axes = dataclasses.replace(
        jax.tree.map(lambda _: None, args[0]), history=jax.tree.map(lambda _: 0, args[0].history)
    )
    mapped = jax.pmap(step, AXIS, in_axes=(axes, 0, None, None, None), out_axes=(axes, None), devices=devices)
    split, sharding = len(devices), NamedSharding(mesh, SPLIT)

    def off(tree: Any) -> Any:
        return jax.tree.map(lambda x: x.reshape(split, x.shape[0] // split, *x.shape[1:]), tree)

    def back(tree: Any) -> Any:
        return jax.tree.map(lambda x: jax.device_put(x.reshape(-1, *x.shape[2:]), sharding), tree)

    def call(
        state: State, batch: Batch, clock: Clock, constants: Constants, penalty: Penalty | None
    ) -> tuple[State, Metrics]:
        state = dataclasses.replace(state, history=off(state.history))
        state, metrics = mapped(state, off(batch), clock, constants, penalty)
        return dataclasses.replace(state, history=back(state.history)), metrics

    return call
