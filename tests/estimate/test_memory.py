"""What a run says of itself before it starts."""

import jax
import pytest
import tiny

from fec_jax.estimate import memory, startup


@pytest.mark.parametrize("batches", [{}, {"batch.px8": 256}], ids=["alike", "shrinking"])
def test_the_report_names_everything(batches):
    """Broken: a phase is missing from the report, or the memory is that of a phase that needs less than another."""
    run = tiny.run(batches)
    said = list(startup.lines(run))
    for phase in run.phases:
        assert sum(f"{phase.name} " in line and f"steps of {phase.batch:4d}" in line for line in said) == 1
    need, px = max((memory.step_bytes(run, phase, jax.device_count()), phase.resolution_px) for phase in run.phases)
    assert px == (8 if batches else 16)
    assert said[-1] == f"memory: about {need / 2**20:,.0f} MiB per device at the most, at {px} px"
