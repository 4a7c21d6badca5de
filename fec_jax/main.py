"""Trains what a config describes: `python -m fec_jax.main --config=configs/quickstart.py --workdir=runs/quickstart`.

The same command resumes from the newest checkpoint in the workdir. Any key can be changed: `--config.batch.px4=8`.
`--config` also takes the name of a shipped config.
In several processes: `--distributed`, or `--coordinator_address`, `--num_processes`, `--process_id`; see docs/hosts.md.
"""

import logging
import os
import re
import sys
from collections.abc import Sequence
from typing import NoReturn

import absl.logging
from absl import app, flags

from fec_jax.types import UserError, one_line

log = logging.getLogger("fec_jax")

_CONFIG = flags.DEFINE_string("config", None, "The run: a file, or the name of a shipped config.")
_DISTRIBUTED = flags.DEFINE_bool(
    "distributed", False, "Several processes: a TPU pod slice, Slurm, Open MPI, Kubernetes."
)
_COORDINATOR = flags.DEFINE_string(
    "coordinator_address", None, "Several processes started by hand: HOST:PORT of process 0."
)
_PROCESSES = flags.DEFINE_integer("num_processes", None, "Started by hand: how many processes there are.")
_PROCESS = flags.DEFINE_integer("process_id", None, "Started by hand: which of them this is, from 0.")
_HEARTBEAT = flags.DEFINE_integer("heartbeat_timeout_seconds", 30, "A process silent for so long is taken as dead.", 1)
_JOINING = flags.DEFINE_integer("initialization_timeout", 300, "Seconds to wait for all processes to start.", 1)
_WORKDIR = flags.DEFINE_string("workdir", None, "Folder of the run: config, metrics, grids, checkpoints.")
_PROGRAMS = flags.DEFINE_string(
    "compilation_cache",
    None,
    "Folder that keeps compiled programs; on accelerators by default ~/.cache/fec_jax/programs.",
)
_CHANGES = flags.DEFINE_multi_string("set", [], "Changes the config: KEY=VALUE, the same as --config.KEY=VALUE.")
flags.mark_flags_as_required(["config", "workdir"])


def main(argv: Sequence[str]) -> None:
    """Exits with 2 and one line for an error that the user can fix."""
    if len(argv) > 1:
        _fail(f"unexpected argument {argv[1]!r}: options begin with --")
    log_plainly()
    # Imported here, so that a mistyped option is reported at once.
    from fec_jax.train import hosts

    try:
        if _DISTRIBUTED.value or not _COORDINATOR.value is _PROCESSES.value is _PROCESS.value is None:
            hosts.join(
                _COORDINATOR.value,
                _PROCESSES.value,
                _PROCESS.value,
                heartbeat_timeout_seconds=_HEARTBEAT.value,
                initialization_timeout=_JOINING.value,
            )
        train(str(_CONFIG.value), _CHANGES.value, str(_WORKDIR.value), _PROGRAMS.value)
        hosts.leave()
    except UserError as error:
        hosts.fail(error)
    except Exception as error:
        if not hosts.several():
            raise
        hosts.lose(error)


def train(config: str, changes: Sequence[str], workdir: str, programs: str | None = None) -> None:
    """Trains the config (see `config.load.load`) in `workdir`, or resumes there. Raises UserError.

    programs: see `compiling.keep_programs`.
    """
    from fec_jax.config import build, load
    from fec_jax.config.workdir import bind, local, newest
    from fec_jax.estimate import startup
    from fec_jax.train import compiling, hosts, loop, starting
    from fec_jax.weights.load import start_from

    folder = local(workdir)
    with hosts.all_or_none():
        compiling.keep_programs(programs)
        run = build.build(load.load(config, changes))
    if hosts.first():
        for line in startup.lines(run):
            log.info(line)
    else:
        log.setLevel(logging.WARNING)  # the first process logs for all
    with hosts.all_or_none():
        start = start_from(run.init_from) if run.init_from and newest(folder) is None else None
        if start:
            starting.check(run, start)
    with hosts.all_or_none():
        if hosts.first():
            bind(run, folder)
    hosts.check_shared(folder / "config.json")
    loop.train(run, folder, start)


def log_plainly() -> None:
    """Logs this project's lines with the time only; libraries log from warnings on."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S"))
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    log.propagate = False
    absl.logging.set_verbosity(absl.logging.WARNING)


def _fail(message: str) -> NoReturn:
    print(f"fec_jax: {message}", file=sys.stderr)
    sys.exit(2)


def _parse(argv: Sequence[str]) -> list[str]:
    """absl's parser, with one line instead of a traceback for mistyped options."""
    try:
        return flags.FLAGS([re.sub(r"^--?config\.", "--set=", word) for word in argv])
    except (flags.Error, OSError) as error:
        _fail(one_line(error))


def run() -> None:
    """Entry point: quiets what libraries print and hands over to absl."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    app.run(main, flags_parser=_parse)


if __name__ == "__main__":
    run()
