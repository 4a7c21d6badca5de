"""`python -m fec_jax.main`, hit by signals at a chosen moment: FAULT=PLACE:NIMG:SIGNAL[+SIGNAL].

PLACE is `step` (before the step that begins at NIMG), `unsaved` (before the checkpoint of NIMG, its grid and figures
written) or `saved` (the checkpoint of NIMG is being written in the background). FAULT=reads:FILE strikes nowhere, and
notes in FILE what the process reads of its sources.
"""

import json
import os
import signal
from pathlib import Path

from fec_jax import main
from fec_jax.data import pipeline
from fec_jax.data.pooled import Pooled
from fec_jax.train import loop
from fec_jax.train.programs import Live

place, at, signals = (os.environ["FAULT"] + ":").split(":")[:3]
step, save = Live.step, loop.Trainer._save


def strike(now: str, nimg: int) -> None:
    if (now, nimg) == (place, int(at)):
        for name in signals.split("+"):
            os.kill(os.getpid(), signal.Signals[f"SIG{name}"])


def struck_step(self, moment, skipped, photos):
    strike("step", moment.nimg)
    return step(self, moment, skipped, photos)


def struck_save(self, nimg, state):
    strike("unsaved", nimg)
    save(self, nimg, state)
    strike("saved", nimg)


load, batches = Pooled.load, pipeline.batches


class Noted:
    """A source that notes what the training's batches are made of."""

    def __init__(self, source):
        self.source, self.name = source, source.name

    def __len__(self):
        return len(self.source)

    def load(self, indices):
        note("batch", indices)
        return self.source.load(indices)


def note(what, indices):
    with Path(at).open("a") as file:
        file.write(json.dumps([what, [int(i) for i in indices]]) + "\n")


def noted_load(self, indices):
    note("any", indices)
    return load(self, indices)


if place == "reads":
    Pooled.load = noted_load
    pipeline.batches = lambda source, **options: batches(Noted(source), **options)
else:
    Live.step, loop.Trainer._save = struck_step, struck_save
main.run()
