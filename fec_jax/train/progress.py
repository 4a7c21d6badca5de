"""Progress of a run: means of its figures since the last line, its speed, and the time left."""

import dataclasses
import math
import resource
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

import jax

from fec_jax import schedule
from fec_jax.train.recipe import Metrics


class Window:
    """Means over the steps since the last line of the log. Kept in checkpoints, so that a resumed run logs the same."""

    def __init__(self) -> None:
        self._sums: dict[str, float] = {}
        self._counts: dict[str, int] = {}

    def add(self, metrics: Metrics) -> None:
        """Adds one step's figures (host values); names are those of `Metrics`, parts of a dict as `raw/rec`.

        NaN stands for a figure that this step did not measure.
        """
        for path, value in jax.tree_util.tree_flatten_with_path(metrics)[0]:
            name = "/".join(str(getattr(p, "name", getattr(p, "key", p))) for p in path)
            if name not in ("finite", "sound") and not math.isnan(value):
                self._sums[name] = self._sums.get(name, 0.0) + float(value)
                self._counts[name] = self._counts.get(name, 0) + 1

    def flush(self) -> dict[str, float]:
        """The means of what was measured; starts anew."""
        means = {name: value / self._counts[name] for name, value in self._sums.items()}
        self._sums, self._counts = {}, {}
        return means

    def facts(self) -> dict[str, Any]:
        """As plain values; Python writes floats to JSON such that they come back the same."""
        return {"sums": self._sums.copy(), "counts": self._counts.copy()}

    @classmethod
    def from_facts(cls, facts: dict[str, Any]) -> "Window":
        window = cls()
        # Up to version 0.1.0 every step measured everything, and one count was kept.
        window._sums = dict(facts["sums"])
        window._counts = dict(facts["counts"]) if "counts" in facts else Counter(list(window._sums) * facts["count"])
        return window


@dataclasses.dataclass
class Counts:
    """What went wrong so far. Kept in checkpoints."""

    skipped: int = 0
    """Examples that were passed over by rollbacks."""
    rollbacks: int = 0
    bad_steps: int = 0
    """Steps that were not finite, and left out."""
    in_a_row: int = 0
    """Of these, those since the last good step."""

    def facts(self) -> dict[str, Any]:
        return dataclasses.asdict(self)

    @classmethod
    def from_facts(cls, facts: dict[str, Any]) -> "Counts":
        """Checkpoints of version 0.1.0 lack some: nothing was left out."""
        return cls(**{f.name: facts.get(f.name, 0) for f in dataclasses.fields(cls)})


class Missing:
    """What could not be shown since the start: nobody reads the middle of a log."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._last: dict[str, str] = {}

    def add(self, what: str, nimg: int, error: Exception) -> None:
        """`what` failed at `nimg` images."""
        self._counts[what] += 1
        reason = (str(error).splitlines() or [""])[0] or type(error).__name__
        self._last[what] = f"at {nimg / 1000:.3f} kimg: {reason[:200]}"

    def lines(self) -> list[str]:
        """A line for each kind: how often, and why the last time."""
        return [f"{what}: failed {count} x, last {self._last[what]}" for what, count in self._counts.items()]


class Rates:
    """Images per second, by resolution; compilation, pictures and checkpoints are not counted."""

    def __init__(self, phases: Sequence[schedule.Phase]):
        self._phases = phases
        self._seconds: dict[int, float] = {}
        self._images: dict[int, int] = {}
        self._last: float | None = None

    def pause(self) -> None:
        """What happens until the next step is not training time."""
        self._last = None

    def add(self, phase: schedule.Phase) -> None:
        """A step of this phase has finished."""
        now = time.monotonic()
        if self._last is not None:
            r = phase.resolution_px
            self._seconds[r] = self._seconds.get(r, 0.0) + now - self._last
            self._images[r] = self._images.get(r, 0) + phase.batch
        self._last = now

    def speed(self, phase: schedule.Phase) -> float:
        """Images per second at the phase's resolution; a resolution not met yet is taken to halve the one before."""
        r, halvings = phase.resolution_px, 0
        while r >= 4 and not self._images.get(r):
            r, halvings = r // 2, halvings + 1
        return self._images[r] / max(self._seconds[r], 1e-9) / 2**halvings if r >= 4 else 0.0

    def outlook(self, nimg: int) -> tuple[float, float, float]:
        """Speed now, seconds to the end of the phase that `nimg` images end or lie in, and to the end of the run."""
        here = next(p for p in self._phases if nimg <= p.end_nimg)
        left = [(p, p.end_nimg - max(nimg, p.start_nimg)) for p in self._phases if p.end_nimg >= nimg]
        seconds = [n / speed if (speed := self.speed(p)) else 0.0 for p, n in left]
        return self.speed(here), seconds[0], sum(seconds)


def memory_mib() -> float:
    """Most memory used so far: of the first device if it says so, else of this process."""
    stats = jax.local_devices()[0].memory_stats() or {}
    if "peak_bytes_in_use" in stats:
        return stats["peak_bytes_in_use"] / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def clock_time(seconds: float) -> str:
    """Seconds as a person reads them: 4:05 min, 2:30 h."""
    minutes = int(seconds // 60)
    return f"{minutes // 60}:{minutes % 60:02d} h" if minutes >= 60 else f"{minutes}:{int(seconds % 60):02d} min"


def figures_line(moment: schedule.Moment, nimg: int, means: dict[str, float], figures: dict[str, float]) -> str:
    """The line of the log at `nimg` images: where the run is, what its losses are, how fast it goes.

    means, figures: as `Trainer` writes them to metrics.jsonl.
    """
    losses = (
        f"G {means['g_loss']:7.3f}  D {means['d_loss']:5.3f}  rec {means['raw/rec']:.4f}  attr {means['raw/attr']:.3f}"
    )
    left = f"phase {clock_time(figures['eta_phase_s'])}  run {clock_time(figures['eta_run_s'])}"
    return (
        f"{nimg / 1000:8.2f} kimg  {moment.phase.name:<12} a {moment.alpha:.2f}  {losses}  "
        f"{figures['images_per_s']:6.1f} img/s  {left}  {figures['memory_mib']:.0f} MiB"
    )
