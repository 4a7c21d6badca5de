"""SIGTERM and Ctrl-C: save, then end."""

import logging
import signal

log = logging.getLogger(__name__)


class Stop:
    """SIGTERM and SIGINT ask the loop to save and end; a second one ends the process at once, as by default."""

    def __init__(self) -> None:
        self.asked = False
        self._before = {}

    def __enter__(self) -> "Stop":
        for number in (signal.SIGTERM, signal.SIGINT):
            self._before[number] = signal.signal(number, self._ask)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _ask(self, number: int, _: object) -> None:
        self.asked = True
        for each in self._before:
            signal.signal(each, signal.SIG_DFL)
        log.warning("%s: saving after this step; once more ends at once", signal.Signals(number).name)
