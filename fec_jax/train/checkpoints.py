"""Checkpoints on disk: the only place that knows orbax.

`checkpoints/NIMG/` holds the state (arrays) and what belongs to it (JSON: position of the data, config, attribute
names). Orbax writes aside and renames, so a folder named by a number is whole; a run killed while writing leaves the
one before.
"""

import logging
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import orbax.checkpoint as ocp
from orbax.checkpoint.checkpoint_managers import preservation_policy

from fec_jax.train import hosts
from fec_jax.types import UserError

log = logging.getLogger(__name__)


class Checkpoints:
    """The checkpoints of one run.

    keep: how many of the newest ones stay. kept_nimg: those that always stay (borders of the growth phases).
    """

    def __init__(self, directory: Path, *, keep: int = 2, kept_nimg: Collection[int] = (), read_only: bool = False):
        policy = preservation_policy.AnyPreservationPolicy(
            [preservation_policy.LatestN(keep), preservation_policy.CustomSteps(sorted(kept_nimg))]
        )
        self.directory = directory.absolute()
        self._manager = ocp.CheckpointManager(
            self.directory,
            options=ocp.CheckpointManagerOptions(
                preservation_policy=None if read_only else policy,
                enable_async_checkpointing=not read_only,
                create=not read_only,
                read_only=read_only,
            ),
        )

    def save(self, nimg: int, state: Any, facts: dict[str, Any]) -> None:
        """Writes one in the background; `wait` returns when it is on disk. One already there is left as it is."""
        if nimg in self._manager.all_steps():
            return
        args = ocp.args.Composite(state=ocp.args.StandardSave(state), facts=ocp.args.JsonSave(facts))
        if not self._manager.save(nimg, args=args):
            raise RuntimeError(f"the checkpoint of {nimg} images was refused: {self.directory} holds a later one")

    def wait(self) -> None:
        """Until everything saved is on disk. Raises what went wrong while writing (a full disk, for one)."""
        self._manager.wait_until_finished()

    def saved(self) -> list[int]:
        """Images seen of every checkpoint there is, ascending."""
        return sorted(self._manager.all_steps())

    def restore(self, shape_at: Callable[[int], Any]) -> tuple[Any, dict[str, Any]] | None:
        """The newest checkpoint that can be read, or None if there is none at all.

        `shape_at(nimg)` gives the state's shapes and shardings. One that cannot be read (cut off by a full disk, say)
        is passed over with a warning. Raises UserError if there are checkpoints and none can be read.
        """
        failures = []
        for nimg in reversed(self.saved()):
            try:
                return self.read(nimg, shape_at(nimg))
            except (ValueError, KeyError, OSError, TypeError) as error:
                reason = (str(error).splitlines() or [type(error).__name__])[0]
                failures.append(f"{nimg}: {reason}")
                log.warning(
                    "checkpoint %s cannot be read, trying the one before: %s", self.directory / str(nimg), reason
                )
        if failures:
            raise UserError(
                f"none of the checkpoints in {self.directory} fits this config or can be read ({failures[0]}): "
                "use the config the run was started with, or another --workdir"
            )
        return None

    def read(self, nimg: int, shape: Any) -> tuple[Any, dict[str, Any]]:
        """The checkpoint of `nimg` images, as `shape` says: state and facts."""
        args = ocp.args.Composite(state=ocp.args.StandardRestore(shape), facts=ocp.args.JsonRestore())
        restored = self._manager.restore(nimg, args=args)
        return restored["state"], restored["facts"]

    def facts(self, nimg: int) -> dict[str, Any]:
        """What belongs to a checkpoint, without its arrays."""
        restored = self._manager.restore(nimg, args=ocp.args.Composite(facts=ocp.args.JsonRestore()))
        return restored["facts"]

    def set_aside_after(self, nimg: int) -> None:
        """Moves the checkpoints past `nimg` to `unreadable/` beside this folder, so that the stretch can be saved anew.

        Moved, not deleted: what could not be read may be whole, and the disk to blame.
        """
        self.wait()
        for later in [n for n in self.saved() if n > nimg and hosts.first()]:
            place = self.directory.parent / "unreadable" / str(later)
            while place.exists():
                place = place.with_name(place.name + "_")
            place.parent.mkdir(exist_ok=True)
            (self.directory / str(later)).replace(place)
            log.warning("moved the checkpoint of %d images to %s", later, place)
        hosts.meet(f"resume at {nimg}")
        self._manager.reload()

    def close(self) -> None:
        """Waits for what is being written, and lets go of the threads."""
        self._manager.wait_until_finished()
        self._manager.close()
