"""Files' names as text for people: on a terminal, in an error of one line, in a report."""

import os
from pathlib import Path


def shown(path: Path | str) -> str:
    """`path` with whatever is not UTF-8 or cannot be printed escaped: one line for every terminal, and for JSON."""
    text = os.fsencode(path).decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def is_utf8(name: str) -> bool:
    """Whether a file's name, as the system gives it, is text."""
    return not any("\udc80" <= c <= "\udcff" for c in name)
