"""Runs many trainings, some at a time, each as `python -m fec_jax.main` in a process of its own."""

import collections
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from experiments.sweeping.table import REPO, Planned
from fec_jax.io.atomic import write_whole
from fec_jax.train.stopping import Stop

LOG = "log.txt"
"""In the workdir: all that the program printed, of every time it was started."""
CLOCK = "sweep.json"
"""In the workdir: {"wall_s": seconds from start to end, of all times together, "commits": of the code, each time}."""
_POLL_S = 0.05


@dataclass(frozen=True)
class Ended:
    """A process that has ended. code: its exit code, negative for a signal; wall_s: seconds it took, this time."""

    planned: Planned
    code: int
    wall_s: float

    @property
    def finished(self) -> bool:
        return self.code == 0 and self.planned.finished()

    def last_lines(self, count: int = 8) -> list[str]:
        """The end of what it printed."""
        return (self.planned.workdir / LOG).read_text(errors="replace").splitlines()[-count:]


@dataclass
class _Running:
    planned: Planned
    process: subprocess.Popen[bytes]
    cores: frozenset[int]
    commit: Sequence[str]
    began: float = field(default_factory=time.monotonic)


def run_all(
    todo: Sequence[Planned], jobs: int, environment: Mapping[str, str], ended: Callable[[Ended], None], stop: Stop
) -> None:
    """Runs `todo` in this order, `jobs` at a time, each on its own share of the cores (Linux). Calls `ended` for each.

    Once `stop` is asked, nothing more is started, and SIGTERM goes to what runs: it saves and ends.
    """
    waiting, running = collections.deque(todo), list[_Running]()
    free = shares(jobs)
    told = False
    try:
        while running or (waiting and not stop.asked):
            while waiting and free and not stop.asked:
                running.append(_start(waiting.popleft(), free.pop(0), environment))
            if stop.asked and not told:
                told = True
                for each in running:
                    each.process.send_signal(signal.SIGTERM)
            time.sleep(_POLL_S)
            for each in [each for each in running if each.process.poll() is not None]:
                running.remove(each)
                free.append(each.cores)
                ended(_end(each))
    finally:  # something went wrong here: what runs is asked to save, not left alone
        for each in running:
            each.process.send_signal(signal.SIGTERM)
        for each in running:
            each.process.wait()


def shares(jobs: int) -> list[frozenset[int]]:
    """The cores of each of `jobs` processes: equal parts, or all of them (an empty set) where there are too few."""
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    if jobs > len(cores):
        return [frozenset()] * jobs
    return [frozenset(cores[i::jobs]) for i in range(jobs)]


def _start(planned: Planned, cores: frozenset[int], environment: Mapping[str, str]) -> _Running:
    planned.workdir.mkdir(parents=True, exist_ok=True)
    with (planned.workdir / LOG).open("ab") as log, _on(cores):
        process = subprocess.Popen(
            [sys.executable, "-m", "fec_jax.main", *planned.options],
            cwd=REPO,  # where `configs` is found
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            # Ctrl-C in a terminal goes to a whole group; a second signal would end a run before it has saved.
            process_group=0,
        )
    return _Running(planned, process, cores, commit())


@contextlib.contextmanager
def _on(cores: frozenset[int]) -> Iterator[None]:
    """What is started in here stays on these cores, and sizes its thread pools accordingly."""
    if not cores:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _end(each: _Running) -> Ended:
    seconds = time.monotonic() - each.began
    path = each.planned.workdir / CLOCK
    whole = (wall_s(each.planned) or 0.0) + seconds
    clock = {"wall_s": round(whole, 1), "commits": [*commits(each.planned), *each.commit]}
    write_whole(path, (json.dumps(clock) + "\n").encode())
    return Ended(each.planned, each.process.returncode, seconds)


def wall_s(planned: Planned) -> float | None:
    """Seconds that a run took, of all times it was started; None if nobody knows."""
    try:
        return float(_clock(planned)["wall_s"])
    except (KeyError, TypeError, ValueError):
        return None


def commits(planned: Planned) -> list[str]:
    """The code's commit, each time that the run was started; empty if nobody knows."""
    found = _clock(planned).get("commits")
    return [str(each) for each in found] if isinstance(found, list) else []


def commit() -> list[str]:
    """The code's commit now, with `-dirty` if files were changed since; empty without git or a clone."""
    try:
        words = ["git", "describe", "--always", "--dirty"]
        done = subprocess.run(words, cwd=REPO, capture_output=True, text=True, check=True, timeout=30)
    except (OSError, subprocess.SubprocessError):
        return []
    return [done.stdout.strip()]


def _clock(planned: Planned) -> dict[str, Any]:
    try:
        found = json.loads((planned.workdir / CLOCK).read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
