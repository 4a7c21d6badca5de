"""What an examination finds."""

from collections.abc import Sequence
from dataclasses import dataclass

_NAMED = 5


@dataclass(frozen=True)
class Finding:
    """One thing that an examination found.

    what     a sentence for people
    advice   what to do about it; "": a fact with which nothing is wrong
    """

    what: str
    advice: str = ""

    def __str__(self) -> str:
        return f"problem: {self.what}: {self.advice}" if self.advice else self.what


def several(what: str, names: Sequence[str], advice: str) -> list[Finding]:
    """A problem that `names` have, with their number and the first of them; nothing if there are none."""
    if not names:
        return []
    first = ", ".join(names[:_NAMED]) + (", ..." if len(names) > _NAMED else "")
    return [Finding(f"{len(names)} {what}: {first}", advice)]
