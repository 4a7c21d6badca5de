"""Three steps on four devices in every way there is; a program, since the number of devices is fixed when JAX starts.

python stepping.py FOLDER: figures and states go to FOLDER/results.npz, one state to FOLDER/checkpoints, and what the
viewer makes of the first state to FOLDER/figures.json and FOLDER/grid.png.
"""

import dataclasses
import json
import sys
from pathlib import Path

import jax
import numpy as np
import tiny

from fec_jax.data import pipeline
from fec_jax.train import parallel, steps
from fec_jax.train.checkpoints import Checkpoints
from fec_jax.train.programs import Programs
from fec_jax.train.viewer import Viewer

# A larger epsilon than training's: Adam's first steps are as long for a gradient of rounding errors (a bias before a
# norm) as for any other, and rounding differs between one device and four.
WISHES = {"loss.flip_shift": 2.0, "most_flips": 2}
RUN = tiny.run({"g_adam.eps": 1e-2, "d_adam.eps": 1e-2, **WISHES}, last_px=8)
PHASE = RUN.phases[1]
SEED = jax.random.key(RUN.seed)


def batch(nimg):
    stream = pipeline.batches(RUN.train_source(8), seed=0, first_image=nimg, batch=PHASE.batch, threads=0)
    return next(stream)


def go(state, nimg, mesh, mode, count, figures):
    """Takes `count` steps in the middle of the fade; appends their figures."""
    state, later = RUN.packing(PHASE).packed(state)
    state, constants = parallel.place(state, mesh), parallel.replicate(RUN.constants(), mesh)
    compiled = None
    for _ in range(count):
        moment = RUN.at(nimg)
        numbers = np.float32(moment.alpha), np.float32(moment.lr), np.int32(nimg)
        alpha, lr, stream, seed = parallel.replicate((*numbers, SEED), mesh)
        clock = steps.Clock(alpha=alpha, lr=lr, stream=stream, seed=seed)
        args = parallel.to_devices(batch(nimg), mesh), clock, constants
        if compiled is None:
            compiled = Programs(dataclasses.replace(RUN, mode=mode), PHASE, mesh, (state, *args))
        with jax.transfer_guard("disallow"):
            state, metrics = compiled(nimg // PHASE.batch, state, *args)
        figures.append(jax.device_get(metrics))
        nimg += PHASE.batch
    return RUN.packing(PHASE).named(jax.device_get(state), later)


def main(folder):
    four, one = parallel.mesh(), parallel.mesh(jax.devices()[:1])
    assert four.size == 4
    begin = RUN.new_state(PHASE)
    nimg = PHASE.start_nimg + 4 * PHASE.batch
    begin = jax.device_get(begin.replace(nimg=np.int32(nimg)))
    results = {}

    def record(name, parts):
        figures, state = [], begin
        for mesh, mode, count in parts:
            state = go(state, nimg + len(figures) * PHASE.batch, mesh, mode, count, figures)
        leaves = jax.tree_util.tree_flatten_with_path((state, figures))[0]
        results.update({f"{name}:{jax.tree_util.keystr(path)}": np.asarray(leaf) for path, leaf in leaves})
        return state

    state = record("shard_map", [(four, "shard_map", 3)])
    record("pmap", [(four, "pmap", 3)])
    record("one", [(one, "shard_map", 3)])
    record("moved", [(four, "shard_map", 2), (one, "shard_map", 1)])
    np.savez(folder / "results.npz", **results)

    viewer = Viewer(RUN)
    predict, _ = viewer.functions(begin, 0.5, 8)
    seen = predict(np.zeros((4, 8, 8, 3)), np.zeros((4, 8, 8, 1)), np.zeros((4, len(RUN.attribute_names))))
    figures = viewer.figures(begin, 0.5, 8) | {"devices": len(seen.sharding.device_set)}
    (folder / "figures.json").write_text(json.dumps(figures))
    viewer.grid(folder / "grid.png", begin, 0.5, 8)

    checkpoints = Checkpoints(folder / "checkpoints")
    checkpoints.save(int(state.nimg), parallel.place(state, four), {"nimg": int(state.nimg)})
    checkpoints.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
