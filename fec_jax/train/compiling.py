"""While a program is compiled: what the log says, and where programs are kept for the next time."""

import contextlib
import functools
import logging
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax

from fec_jax.types import UserError

log = logging.getLogger(__name__)

SAY_EVERY_S = 15.0
FOLDER = Path("~/.cache/fec_jax/programs").expanduser()
MOST_BYTES = 20 * 2**30
"""Size of `FOLDER`; what was used least recently goes first."""


def keep_programs(folder: str | None = None) -> None:
    """Keeps compiled programs, and what a GPU's autotuning has found, in a folder: to compile takes minutes there.

    folder: default is what `JAX_COMPILATION_CACHE_DIR` says, else on accelerators `FOLDER`, on CPUs none. Called before
    anything is compiled. Raises UserError for a folder that cannot be made.
    """
    chosen = folder or getattr(jax.config, "jax_compilation_cache_dir", None)
    if not chosen:
        if jax.default_backend() == "cpu":
            return
        chosen = str(FOLDER)
        jax.config.update("jax_compilation_cache_max_size", MOST_BYTES)
    if "://" not in chosen:
        try:
            Path(chosen).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(
                f"compiled programs cannot be kept in {chosen} ({error.strerror}): choose another folder with "
                "--compilation_cache"
            ) from error
    jax.config.update("jax_compilation_cache_dir", chosen)


@contextlib.contextmanager
def announced(what: str) -> Iterator[None]:
    """Logs that `what` is compiled, every 15 s that it still is, then how long it took and whether it was kept."""
    begun, before, done = time.monotonic(), _found().count, threading.Event()

    def still() -> None:
        while not done.wait(SAY_EVERY_S):
            log.info("still compiling %s, for %.0f s now", what, time.monotonic() - begun)

    log.info("compiling %s ...", what)
    thread = threading.Thread(target=still, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
    kept = " (it was kept from an earlier time)" if _found().count > before else ""
    log.info("compiled %s in %.1f s%s", what, time.monotonic() - begun, kept)


def memory_mib(program: Any) -> float | None:
    """What a compiled program has of a device's memory, its arguments included; None if it does not say (`pmap`)."""
    try:
        found = program.memory_analysis()
    except (AttributeError, NotImplementedError):
        return None
    if found is None:
        return None
    own = found.temp_size_in_bytes + found.output_size_in_bytes - found.alias_size_in_bytes
    return (found.argument_size_in_bytes + own) / 2**20


class _Found:
    """Counts the programs that JAX found in its folder."""

    count = 0

    def __call__(self, event: str, **_: object) -> None:
        self.count += event == "/jax/compilation_cache/cache_hits"


@functools.cache
def _found() -> _Found:
    found = _Found()
    jax.monitoring.register_event_listener(found)
    return found
