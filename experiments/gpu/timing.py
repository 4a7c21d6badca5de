"""How long a call takes on a device that works through a queue."""

import statistics
import time
from collections.abc import Callable
from typing import Any

MOST_CALLS = 500
LEAST_ROUNDS, MOST_ROUNDS = 2, 5


def timed(call: Callable[[], Any], wait: Callable[[Any], Any], seconds: float) -> float:
    """Seconds of a call: the median of up to five rounds, which take about `seconds` together.

    Calls of a round are queued one after the other, and waited for once, as in use: what the host does is hidden as far
    as it can be. `wait` returns when its argument, a call's result, is there. Two calls before are not counted.
    """

    def round_s(calls: int) -> float:
        begun, result = time.perf_counter(), None
        for _ in range(calls):
            result = call()
        wait(result)
        return (time.perf_counter() - begun) / calls

    round_s(1)
    once = round_s(1)
    calls = max(1, min(MOST_CALLS, round(seconds / MOST_ROUNDS / max(once, 1e-9))))
    rounds = list[float]()
    while len(rounds) < LEAST_ROUNDS or (len(rounds) < MOST_ROUNDS and sum(rounds) * calls < seconds):
        rounds.append(round_s(calls))
    return statistics.median(rounds)
