"""Several processes: the same training as in one, and one that is killed neither hangs the others nor costs the run."""

import json
import socket
import time
import types
from collections import Counter

import hosts_config
import jax
import numpy as np
import pytest
import tiny

from fec_jax.config import build
from fec_jax.data import pipeline
from fec_jax.train import hosts, parallel
from fec_jax.train.checkpoints import Checkpoints
from fec_jax.types import UserError

# Of `hosts_config`: phases end at 32, 64 (fade 8 px) and 96 images; a line every 8, a checkpoint every 16.
CONFIG = "tests/hosts_config.py"
END = 96


def start_pair(workdir, *options, faults=("", "")):
    """Starts two processes with two devices each, which meet at a free port."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    return [
        tiny.program(
            workdir,
            f"--coordinator_address=127.0.0.1:{port}",
            "--num_processes=2",
            f"--process_id={i}",
            *options,
            fault=fault,
            devices=2,
            config=CONFIG,
        )
        for i, fault in enumerate(faults)
    ]


def end(processes):
    """Waits for them: [(exit code, what it printed on stderr), ...]."""
    try:
        errors = [process.communicate(timeout=300)[1] for process in processes]
    finally:
        for process in processes:
            process.kill()
    return [(process.returncode, text) for process, text in zip(processes, errors, strict=True)]


def end_well(processes):
    ends = end(processes)
    assert [code for code, _ in ends] == [0] * len(ends), "\n\n".join(errors for _, errors in ends)
    return [errors for _, errors in ends]


@pytest.fixture(scope="module")
def ways(tmp_path_factory):
    """The same run in three workdirs: `pair` (2 processes x 2 devices; what they printed), `four` and `one` device."""
    folder = tmp_path_factory.mktemp("hosts")
    printed = end_well(start_pair(folder / "pair", faults=[f"reads:{folder / f'reads{i}'}" for i in range(2)]))
    end_well([tiny.program(folder / name, devices=n, config=CONFIG) for name, n in (("four", 4), ("one", 1))])
    return types.SimpleNamespace(folder=folder, printed=printed)


def assert_same_training(got, expected):
    """Losses and all other figures of the training, up to rounding. Held-out figures count pictures: not continuous."""
    got, expected = ([line for line in tiny.lines(path) if "g_loss" in line] for path in (got, expected))
    assert [line["nimg"] for line in expected] == list(range(8, END + 1, 8))
    assert len(got) == len(expected)
    for line, other in zip(got, expected, strict=True):
        assert line.pop("phase") == other.pop("phase")
        assert line == pytest.approx(other, rel=1e-4, abs=1e-5)


@pytest.mark.parametrize("way", ["four", "one"])
def test_two_processes_train_as_one_does(ways, way):
    """What is learned depends on how many processes or devices there are: examples, masks or gradients get mixed up."""
    assert_same_training(ways.folder / "pair", ways.folder / way)


def test_each_process_reads_only_its_share(ways):
    """Every host reads the photos of all: a data set or a network file system is read N times over."""
    n = hosts_config.get_config().data.train_size
    for index in range(2):
        notes = [json.loads(line) for line in (ways.folder / f"reads{index}").read_text().splitlines()]
        got = Counter(tuple(numbers) for what, numbers in notes if what == "batch")
        firsts = range(4 * index, 2 * END, 8)  # a phase's stream reads a few batches ahead of it
        share = Counter(tuple(pipeline.order(n, 0, range(first, first + 4)).tolist()) for first in firsts)
        assert got.keys() <= share.keys()
        assert {tuple(pipeline.order(n, 0, range(first, first + 4)).tolist()) for first in firsts if first < END} <= (
            got.keys()
        )
        if index:
            assert Counter(tuple(numbers) for what, numbers in notes if what == "any") == got


def test_only_one_writes(ways):
    """Two processes write the same files, or the second one fills its screen with what the first one shows."""

    def files(name):
        found = (path.relative_to(ways.folder / name) for path in (ways.folder / name).rglob("*") if path.is_file())
        return [path for path in found if path.parts[0] != "checkpoints"]

    named = [path for path in files("pair") if path.parts[0] != "events"]
    assert sorted(named) == sorted(path for path in files("one") if path.parts[0] != "events")
    assert len(files("pair")) == len(named) + 1, "one file of events"
    assert [line["nimg"] for line in tiny.lines(ways.folder / "pair")] == [
        line["nimg"] for line in tiny.lines(ways.folder / "one")
    ]
    assert "kimg" in ways.printed[0]
    assert "kimg" not in ways.printed[1]


def test_a_checkpoint_of_two_processes_is_read_by_one(ways):
    """A run cannot leave its cluster: its checkpoints are unreadable on other devices, or the history is mixed up."""
    run, mesh = build.build(hosts_config.get_config()), parallel.mesh(jax.devices()[:1])
    states = []
    for name in ("pair", "four"):
        checkpoints = Checkpoints(ways.folder / name / "checkpoints", read_only=True)
        states.append(checkpoints.read(END, run.state_shape(END, mesh))[0])
        checkpoints.close()
    assert (states[0].history.filled == 2).all()
    for (path, got), expected in zip(
        jax.tree_util.tree_flatten_with_path(states[0])[0], jax.tree.leaves(states[1]), strict=True
    ):
        name = jax.tree_util.keystr(path)
        got, expected = np.asarray(got), np.asarray(expected)
        if got.dtype == np.uint8:
            np.testing.assert_allclose(got.astype(int), expected.astype(int), atol=1, err_msg=name)
        else:
            np.testing.assert_allclose(got, expected, rtol=1e-3, atol=1e-5, err_msg=name)


def test_killed_and_resumed_equals_never_killed(ways, tmp_path):
    """A dead process leaves the others hanging, or without a word of what happened; or the run cannot go on from it."""
    workdir = tmp_path / "run"
    for victim, fault in ((1, "step:24:KILL"), (0, "step:56:KILL")):
        faults = [fault if i == victim else "" for i in range(2)]
        processes = start_pair(workdir, faults=faults)
        processes[victim].wait(timeout=300)
        began = time.monotonic()
        survivor = processes[1 - victim]
        survivor.wait(timeout=60)
        print(f"process {victim} killed: the other ended after {time.monotonic() - began:.1f} s")
        (_, errors), killed = end([survivor, processes[victim]])
        assert killed[0] == -9, killed
        assert survivor.returncode == 1, errors
        last = errors.splitlines()[-1]
        assert last.startswith(f"fec_jax: process {victim} of 2 is gone"), errors
        assert "Start all of them again: training resumes from the last checkpoint" in last
    end_well(start_pair(workdir))
    assert tiny.lines(workdir) == tiny.lines(ways.folder / "pair")


def test_told_to_stop_all_stop_and_one_process_goes_on(ways, tmp_path):
    """A scheduler that stops one process of a run leaves the others hanging; or a stopped run cannot move elsewhere."""
    errors = end_well(start_pair(tmp_path, faults=("", "step:40:TERM")))
    assert "SIGTERM" in errors[1]
    assert "saved: the same command resumes" in errors[0]
    assert max(int(path.name) for path in (tmp_path / "checkpoints").iterdir()) in (48, 56, 64)
    end_well([tiny.program(tmp_path, devices=4, config=CONFIG)])
    assert_same_training(tmp_path, ways.folder / "pair")


def test_a_mistake_that_one_process_finds_ends_all(ways):
    """One process says what is wrong and ends, the others wait for it for ever, or go on and spoil the workdir."""
    before = tiny.lines(ways.folder / "pair")
    (first, told), (second, other) = end(start_pair(ways.folder / "pair", "--config.seed=1"))
    assert (first, second) == (2, 2), (told, other)
    assert "config.seed = 0, not 1" in told.splitlines()[-1]
    assert "fec_jax: process 0 of 2 has failed, and says why" in other.splitlines()
    assert tiny.lines(ways.folder / "pair") == before


@pytest.mark.parametrize(
    ("address", "count", "index", "told"),
    [
        (None, 2, 0, "--coordinator_address missing"),
        ("a:1", None, None, "--num_processes and --process_id missing"),
        ("a", 2, 0, "HOST:PORT"),
        ("a:1", 0, 0, "--num_processes=0"),
        ("a:1", 2, 2, "from 0 to 1"),
        ("a:1", 2, -1, "from 0 to 1"),
    ],
)
def test_options_that_cannot_be_right(address, count, index, told):
    """A mistyped option of a hand-made start is a traceback, or minutes of waiting for a process that cannot come."""
    with pytest.raises(UserError, match=told):
        hosts.join(address, count, index, heartbeat_timeout_seconds=10, initialization_timeout=1)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--distributed"], "give --coordinator_address=HOST:PORT --num_processes=N --process_id=I"),
        (
            ["--coordinator_address=127.0.0.1:1", "--num_processes=2", "--process_id=1", "--initialization_timeout=1"],
            "process 1 of 2 could not join the others at 127.0.0.1:1 (waited 1 s",
        ),
    ],
)
def test_nobody_to_join(tmp_path, options, told):
    """A process that finds no others says nothing of use, or trains alone as if that had been asked for."""
    process = tiny.program(tmp_path / "run", *options, config=CONFIG)
    [(code, errors)] = end([process])
    assert code == 2, errors
    assert told in errors.splitlines()[-1]
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("error", "others"),
    [
        (RuntimeError("FAILED_PRECONDITION: Gloo AllReduce failed: Connection closed by peer [127.0.0.1]:1"), True),
        (RuntimeError("UNAVAILABLE: The following tasks are unhealthy (stopped sending heartbeats)"), True),
        (RuntimeError("INTERNAL: NCCL operation failed: remote process exited or there was a network error"), True),
        (TimeoutError("Barrier timed out"), True),
        (RuntimeError("INTERNAL: CUDA error: Failed to enable peer access: peer access is not supported"), False),
        (RuntimeError("INTERNAL: NCCL operation ncclGroupEnd() failed: unhandled cuda error"), False),
        (RuntimeError("INTERNAL: NCCL operation ncclCommInitRank failed: invalid usage"), False),
        (RuntimeError("RESOURCE_EXHAUSTED: Out of memory while trying to allocate 12 bytes"), False),
        (ValueError("the connection closed is not what is wrong here"), False),
    ],
)
def test_whose_error_it_is(error, others):
    """An error of this process's own device loses its traceback, and the blame goes to a process that is well."""
    assert hosts.tells_of_others(error) is others


def test_devices_of_a_process_lie_side_by_side():
    """On TPUs, which number devices across hosts, a process's share of a batch is not the part it is taken for."""
    # Those of a v5e slice of 4 x 4, in the order of their numbers.
    processes = [0, 0, 1, 1, 0, 0, 1, 1, 2, 2, 3, 3, 2, 2, 3, 3]
    devices = [types.SimpleNamespace(id=i, process_index=p) for i, p in enumerate(processes)]
    row = parallel.side_by_side(devices)
    assert [device.process_index for device in row] == sorted(processes)
    assert [device.id for device in row[:4]] == [0, 1, 4, 5]
    assert parallel.mesh().devices.tolist() == jax.devices()


def test_several_processes_begin_with_a_runs_weights(ways, tmp_path):
    """Broken: only process 0 can read a workdir's weights, the others end with advice that does not help."""
    errors = end_well(
        start_pair(tmp_path, f"--config.init_from={ways.folder / 'one'}", "--config.schedule.px8.stable_kimg=0.0")
    )
    assert "begins with the weights one" in errors[0]
