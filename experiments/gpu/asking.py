"""Asking a process of its own for the figures of a row: it may fail, hang, or run out of memory."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

REPO = Path(__file__).resolve().parents[2]


class FailedError(Exception):
    """A child process ended without its figures."""


def ask(asked: dict[str, Any], seconds: float, jax_platform: str | None = None) -> Iterator[dict[str, Any]]:
    """The figures of a row as its process finds them; it is ended after `seconds`. Raises FailedError."""
    environment = os.environ | {"XLA_PYTHON_CLIENT_PREALLOCATE": "false", "PYTHONPATH": str(REPO)}
    environment["CUDA_VISIBLE_DEVICES"] = os.environ.get("CUDA_VISIBLE_DEVICES", "0").split(",")[0]
    if jax_platform:
        environment["JAX_PLATFORMS"] = jax_platform
    with tempfile.TemporaryFile("w+") as said:
        process = subprocess.Popen(
            [sys.executable, "-m", "experiments.gpu.child", json.dumps(asked)],
            cwd=REPO, env=environment, text=True, start_new_session=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=said,
        )  # fmt: skip
        late = threading.Event()
        timer = threading.Timer(seconds, lambda: (late.set(), end(process)))
        timer.start()
        try:
            assert process.stdout
            for line in process.stdout:
                if line.startswith("{"):
                    yield json.loads(line)
            process.wait()
        finally:
            timer.cancel()
            end(process)
        if late.is_set():
            raise FailedError(f"not done after {seconds:.0f} s")
        if process.returncode:
            said.seek(0)
            lines = [line.strip() for line in said if line.strip()] or [f"ended with {process.returncode}"]
            raise FailedError(next((line for line in reversed(lines) if "Error" in line), lines[-1])[:500])


def end(process: subprocess.Popen[str]) -> None:
    """Ends a process and all that it has started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
