"""One run in several processes, on one host or many: joining, failing together, ending.

`jax.distributed` does the work. It ends a process that has lost another one in C++, by SIGABRT: no Python exception
comes of it, and what it prints does not say what to do. A handler of that signal adds the line that does.
"""

import contextlib
import ctypes
import os
import re
import signal
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import jax
import numpy as np
from jax.experimental import multihost_utils

from fec_jax.types import UserError, one_line

SHUTDOWN_TIMEOUT_S = 10
"""How long a process that ends waits for the others to end with it."""

_LOST = re.compile(
    r"gloo|connection (closed|reset|refused|timed out)|unavailable|barrier|heartbeat|remote ?(error|process)",
    re.IGNORECASE,
)
_OWN = re.compile(
    r"cuda_error|cuda error|cudnn|cublas|out of memory|resource_exhausted|invalid_argument|"
    r"unhandled cuda error|internal error|invalid (argument|usage)",
    re.IGNORECASE,
)

_ending = threading.Lock()  # never released: the first to take it says the last line
_last_line, _last_code = "", 1


def first() -> bool:
    """Whether this is the process that writes and shows what the run does."""
    return jax.process_index() == 0


def several() -> bool:
    """Whether this is one of several processes, after `join`."""
    return jax.distributed.is_initialized()


def join(
    coordinator_address: str | None,
    num_processes: int | None,
    process_id: int | None,
    *,
    heartbeat_timeout_seconds: int,
    initialization_timeout: int,
) -> None:
    """`jax.distributed.initialize`, before anything else touches a device; returns when all processes have come.

    Three times None: what a TPU pod slice, Slurm, Open MPI or Kubernetes says. Raises UserError for arguments that
    cannot be right, and where nothing says anything.
    """
    given = {"coordinator_address": coordinator_address, "num_processes": num_processes, "process_id": process_id}
    missing = [f"--{name}" for name, value in given.items() if value is None]
    if 0 < len(missing) < 3:
        raise UserError(
            f"{' and '.join(missing)} missing: --coordinator_address, --num_processes and --process_id belong together"
        )
    if not missing:
        _check(str(coordinator_address), int(num_processes or 0), int(process_id or 0))
    who = f"process {process_id} of {num_processes}" if not missing else "this process"
    where = f" at {coordinator_address}" if coordinator_address else ""
    _on_abort(
        f"{who} could not join the others{where} (waited {initialization_timeout} s, or one of them has ended): start "
        "all of them, with the same coordinator address, that of process 0",
        2,
    )
    try:
        jax.distributed.initialize(
            coordinator_address,
            num_processes,
            process_id,
            cluster_detection_method=None if missing else "deactivate",
            initialization_timeout=initialization_timeout,
            heartbeat_timeout_seconds=heartbeat_timeout_seconds,
            shutdown_timeout_seconds=SHUTDOWN_TIMEOUT_S,
        )
    except (ValueError, RuntimeError, OSError) as error:
        if missing:
            raise UserError(
                "--distributed: no TPU pod slice, Slurm, Open MPI or Kubernetes says what processes there are "
                f"({one_line(error)[:200]}); give --coordinator_address=HOST:PORT --num_processes=N --process_id=I"
            ) from error
        raise UserError(f"{who} could not join the others{where}: {one_line(error)[:200]}") from error
    # JAX took SIGTERM for its preemption service; until `Stop` takes it, it ends the process as by default.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    _on_abort(_gone(), 1)
    meet("join")


def _check(address: str, count: int, index: int) -> None:
    if not re.fullmatch(r".+:\d+", address):
        raise UserError(f"--coordinator_address={address}: it must be HOST:PORT, where process 0 listens")
    if count < 1:
        raise UserError(f"--num_processes={count}: it must be at least 1")
    if not 0 <= index < count:
        raise UserError(f"--process_id={index}: with --num_processes={count} it must be from 0 to {count - 1}")


@contextlib.contextmanager
def all_or_none() -> Iterator[None]:
    """Either every process comes to the end of the block, or none passes it: a UserError of one is raised in all."""
    own: UserError | None = None
    try:
        yield
    except UserError as error:
        own = error
    if several():
        failed = np.flatnonzero(multihost_utils.process_allgather(np.array(own is not None)))
        if failed.size and own is None:
            own = UserError(f"process {failed[0]} of {jax.process_count()} has failed, and says why")
    if own is not None:
        raise own


def every(flag: bool) -> bool:
    """Whether `flag` is true in every process; all must call it."""
    return bool(np.all(multihost_utils.process_allgather(np.array(flag)))) if several() else flag


def least(value: int) -> int:
    """The least `value` of any process; all must call it."""
    return int(np.min(multihost_utils.process_allgather(np.array(value)))) if several() else value


def check_shared(path: Path) -> None:
    """Raises UserError if `path`, which the first process has written, is not there for all of them."""
    with all_or_none():
        deadline = time.monotonic() + 10  # network file systems take a moment to show what is new
        while not path.exists():
            if time.monotonic() > deadline:
                raise UserError(f"{path} is not there on this host: --workdir must be a folder that all hosts share")
            time.sleep(0.2)


def meet(name: str) -> None:
    """Waits until all processes have come here, however long it takes (but see `Trainer` for Gloo's links)."""
    if several():
        multihost_utils.sync_global_devices(name)


def leave() -> None:
    """The end of a run that went well: all processes wait for the last one, and part."""
    if several():
        meet("leave")
        _on_abort("", 0)
        jax.distributed.shutdown()
        signal.signal(signal.SIGABRT, signal.SIG_DFL)


def fail(error: UserError) -> NoReturn:
    """Ends this process with code 2 and the error's line; where all fail, each of them gets to say why."""
    print(f"fec_jax: {error}", file=sys.stderr, flush=True)
    if several():
        _on_abort(str(error), 2)  # said again, below what JAX has to say when the others do not end too
        with contextlib.suppress(Exception):
            jax.distributed.shutdown()
        os._exit(2)
    sys.exit(2)


def lose(error: Exception) -> NoReturn:
    """Ends this process after an error that the others do not have, or that tells of their end.

    At once and unannounced: they may be waiting for it in a collective, and notice the missing heartbeat.
    """
    if tells_of_others(error):
        print(f"fec_jax: {one_line(error)[:200]}", file=sys.stderr, flush=True)
        _end(_gone(), 1)
    traceback.print_exception(error)
    _end(f"process {jax.process_index()} of {jax.process_count()} has failed, see above. {_WHAT_TO_DO}", 1)


def tells_of_others(error: Exception) -> bool:
    """Whether an error says that another process is gone; one of this process's own device or code does not."""
    text = str(error)
    return isinstance(error, RuntimeError | TimeoutError) and bool(_LOST.search(text)) and not _OWN.search(text)


_WHAT_TO_DO = "Start all of them again: training resumes from the last checkpoint"


def _gone() -> str:
    """What can be said when the processes have lost each other."""
    count, index = jax.process_count(), jax.process_index()
    other = f"process {1 - index} of 2" if count == 2 else f"one of the {count} processes"
    return f"{other} is gone or cannot be reached (the lines above say more); process {index} ends too. {_WHAT_TO_DO}"


def _end(line: str, code: int) -> NoReturn:
    _ending.acquire()  # a second thread waits here for the end
    if line:
        os.write(2, f"fec_jax: {line}\n".encode())
    os._exit(code)


@ctypes.CFUNCTYPE(None, ctypes.c_int)
def _aborted(_: int) -> None:
    _end(_last_line, _last_code)


def _on_abort(line: str, code: int) -> None:
    """What this process says, and its exit code, should JAX end it by SIGABRT.

    Set in C: Python's own handlers run in the main thread, which by then waits for a collective for ever.
    """
    global _last_line, _last_code
    _last_line, _last_code = line, code
    libc = ctypes.CDLL(None)
    libc.signal.argtypes, libc.signal.restype = [ctypes.c_int, ctypes.c_void_p], ctypes.c_void_p
    libc.signal(signal.SIGABRT, ctypes.cast(_aborted, ctypes.c_void_p))
