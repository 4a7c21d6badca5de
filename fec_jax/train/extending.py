"""Longer schedules: what may change when a run resumes, and its state with new layers."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from flax import serialization

from fec_jax import schedule
from fec_jax.schedule import Phase

OPEN = ("stable_kimg", "lr_end")
"""What may change in the current row: its length and its end rate."""


def rows(config: Mapping[str, Any]) -> list[schedule.Row]:
    """The table of a config as `config.json` and checkpoints hold it; numbers that it lacks have `Row`'s defaults."""
    sizes = sorted(int(name.removeprefix("px")) for name in config["schedule"])
    return [
        schedule.Row(resolution_px=px, batch=config["batch"][f"px{px}"], **config["schedule"][f"px{px}"])
        for px in sizes
    ]


def change_behind(nimg: int, old: Sequence[Phase], new: Sequence[Phase]) -> str | None:
    """The first key of the schedule that differs before `nimg`; None if the run may resume.

    Phases that have not begun may change at will. The one that the clock is in, or that was the last of the run, may
    become longer and get another end rate.
    """
    for before in old:
        if before.start_nimg > nimg:
            break
        px = before.resolution_px
        if len(new) <= before.index or new[before.index].resolution_px != px:
            return f"schedule.px{px}"
        now = new[before.index]
        if before.row.batch != now.row.batch:
            return f"batch.px{px}"
        over = before.end_nimg < nimg or (before.end_nimg == nimg and before is not old[-1])
        for field in dataclasses.fields(schedule.Row):
            same = getattr(before.row, field.name) == getattr(now.row, field.name)
            if not same and not (field.name in OPEN and (before.kind == "fade" or not over)):
                return f"schedule.px{px}.{field.name}"
        shorter = now.end_nimg != before.end_nimg if over else now.end_nimg < nimg
        if shorter or (before.kind, before.start_nimg) != (now.kind, now.start_nimg):
            return f"schedule.px{px}.stable_kimg"
    return None


def overlaid(new: Any, old: Any) -> Any:
    """`new`, with the arrays of `old` wherever it has one: a tree with more layers takes over those that were there."""
    return serialization.from_state_dict(new, _over(serialization.to_state_dict(new), serialization.to_state_dict(old)))


def _over(new: Any, old: Any) -> Any:
    if not isinstance(new, Mapping):
        return old
    return {name: _over(value, old[name]) if name in old else value for name, value in new.items()}
