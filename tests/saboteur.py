"""`python -m fec_jax.main`, hit by signals at a chosen moment: FAULT=PLACE:NIMG:SIGNAL[+SIGNAL].

PLACE is `step` (before the step that begins at NIMG), `unsaved` (before the checkpoint of NIMG, its grid and figures
written) or `saved` (the checkpoint of NIMG is being written in the background).
"""

import os
import signal

from fec_jax import main
from fec_jax.train import loop

place, at, signals = os.environ["FAULT"].split(":")
step, save = loop.Trainer._step, loop.Trainer._save


def strike(now: str, nimg: int) -> None:
    if (now, nimg) == (place, int(at)):
        for name in signals.split("+"):
            os.kill(os.getpid(), signal.Signals[f"SIG{name}"])


def struck_step(self, phase, batch, clock):
    result = step(self, phase, batch, clock)
    strike("step", int(clock.stream) - self.skipped)
    return result


def struck_save(self, nimg):
    strike("unsaved", nimg)
    save(self, nimg)
    strike("saved", nimg)


loop.Trainer._step, loop.Trainer._save = struck_step, struck_save
main.run()
