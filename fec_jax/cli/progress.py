"""How far a command is: a bar on a terminal, a line per tenth elsewhere. On stderr."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import typer


@contextmanager
def shown(doing: str, total: int, what: str = "images") -> Iterator[Callable[[int], None]]:
    """Gives a function to tell how many of `total` are done since the last call."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    if console.is_terminal:
        columns = (TextColumn(doing), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=console) as bar:
            task = bar.add_task("", total=total)
            yield lambda more: bar.advance(task, more)
        return
    done = 0

    def tick(more: int) -> None:
        nonlocal done
        before, done = done, done + more
        if done * 10 // total > before * 10 // total:
            typer.echo(f"{doing}: {done} of {total} {what}", err=True)

    yield tick
