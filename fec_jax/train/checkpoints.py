"""Checkpoints on disk: the only place that knows orbax.

`checkpoints/NIMG/` holds the arrays (`state.State`: networks, optimisers, average, history) and a JSON (`facts.facts`:
where the run stands, its config and data). Orbax writes aside and renames, so a folder named by a number is whole; a
run killed while writing leaves the one before.
"""

import contextlib
import logging
import re
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any

import orbax.checkpoint as ocp
from orbax.checkpoint.checkpoint_managers import preservation_policy

from fec_jax.train import hosts
from fec_jax.types import UserError, one_line

log = logging.getLogger(__name__)

_DISK = re.compile(
    r"no space left on device|disk quota exceeded|file too large|read-only file system|input/output error|"
    r"permission denied",
    re.IGNORECASE,
)


class Checkpoints:
    """The checkpoints of one run.

    keep: how many of the newest ones stay. kept_nimg: those that always stay (borders of the growth phases).
    """

    def __init__(self, directory: Path, *, keep: int = 2, kept_nimg: Collection[int] = (), read_only: bool = False):
        policy = preservation_policy.AnyPreservationPolicy(
            [preservation_policy.LatestN(keep), preservation_policy.CustomSteps(sorted(kept_nimg))]
        )
        self.directory = directory.absolute()
        self._failed = False
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
        with self._writing(nimg):
            written = self._manager.save(nimg, args=args)  # waits for the one before, and says if that one failed
        if not written:
            raise RuntimeError(f"the checkpoint of {nimg} images was refused: {self.directory} holds a later one")

    def wait(self) -> None:
        """Until everything saved is on disk. Raises UserError for what went wrong while writing (a full disk)."""
        with self._writing(None):
            self._manager.wait_until_finished()

    @contextlib.contextmanager
    def _writing(self, nimg: int | None) -> Iterator[None]:
        """What Orbax raises when a disk is full: a ValueError of TensorStore's, or an OSError, from another thread."""
        try:
            yield
        except (ValueError, OSError) as error:
            self._failed = True
            if not (isinstance(error, OSError) or _DISK.search(str(error))):
                raise
            what = "a checkpoint" if nimg is None else f"a checkpoint, at or before that of {nimg} images,"
            raise UserError(
                f"{what} could not be written to {self.directory} ({_reason(error)}): make room on the disk, then the "
                "same command resumes from the last whole checkpoint"
            ) from error

    def saved(self) -> list[int]:
        """Images seen of every checkpoint there is, ascending."""
        return sorted(self._manager.all_steps())

    def restore(self, shape_of: Callable[[dict[str, Any]], Any]) -> tuple[Any, dict[str, Any]] | None:
        """The newest checkpoint that all processes can read, or None if there is none at all.

        `shape_of(facts)` gives the state's shapes and shardings. One that cannot be read (cut off by a full disk, say)
        is passed over with a warning. Raises UserError if there are checkpoints and none can be read.
        """
        failures: list[str] = []
        nimg = self._newest_before(None)
        while nimg is not None:
            found, reason = None, "another process cannot read it"
            try:
                facts = self.facts(nimg)
                found = self.read(nimg, shape_of(facts))
            except (ValueError, KeyError, OSError, TypeError) as error:
                reason = (str(error).splitlines() or [type(error).__name__])[0]
            if hosts.every(found is not None):
                return found
            found = None  # its memory is needed for the next one
            failures.append(f"{nimg}: {reason}")
            log.warning("checkpoint %s cannot be read, trying the one before: %s", self.directory / str(nimg), reason)
            nimg = self._newest_before(nimg)
        if failures:
            raise UserError(
                f"none of the checkpoints in {self.directory} fits this config or can be read ({failures[0]}): "
                "use the config the run was started with, or another --workdir"
            )
        return None

    def _newest_before(self, nimg: int | None) -> int | None:
        """The newest checkpoint (before `nimg`) that some process sees no later one than: the same for all of them.

        A file system shared by hosts may show one of them a checkpoint that another one does not see yet.
        """
        mine = max((n for n in self.saved() if nimg is None or n < nimg), default=-1)
        least = hosts.least(mine)
        return None if least < 0 else least

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
        """Waits for what is being written, and lets go of the threads. An earlier failure is not raised again."""
        try:
            if not self._failed:
                self.wait()
        finally:
            with contextlib.suppress(ValueError, OSError):  # the failed write's
                self._manager.close()


def _reason(error: Exception) -> str:
    """The part of an error's text that names the cause; TensorStore's continues with places in its source."""
    text = one_line(error)
    found = _DISK.search(text)
    return found[0] if found else text[:200]
