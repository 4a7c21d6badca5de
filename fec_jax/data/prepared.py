"""What a run of `fec prepare` reports: to people, line by line, and in OUT/report.json."""

from collections.abc import Sequence
from dataclasses import dataclass

_NAMED = 5


@dataclass(frozen=True)
class PrepareReport:
    """What a run of `fec prepare` did.

    out               the folder written to
    resolutions       all that belong to the command, px
    already_done      those of them that an earlier run had made, px
    counts            photos by split
    attribute_names   in the records' order
    unreadable        photos that could not be used: (file name, reason)
    skipped           what else lies in the folder and is no photo: (name, reason)
    unlabelled        photos without a row in the table, left out
    absent_photos     rows of the table without a photo
    warnings          what is odd about the set, one sentence each
    resumed_photos    photos that an interrupted run had done
    dropped_shards    finished parts of an interrupted run of other photos, labels or resolutions
    seconds           how long this run took
    """

    out: str
    resolutions: tuple[int, ...]
    already_done: tuple[int, ...]
    counts: dict[str, int]
    attribute_names: tuple[str, ...]
    unreadable: tuple[tuple[str, str], ...]
    skipped: tuple[tuple[str, str], ...]
    unlabelled: tuple[str, ...]
    absent_photos: tuple[str, ...]
    warnings: tuple[str, ...]
    resumed_photos: int
    dropped_shards: int
    seconds: float

    def lines(self) -> list[str]:
        """The report for people, one fact a line."""
        counts = ", ".join(f"{count} {split}" for split, count in self.counts.items())
        made = [r for r in self.resolutions if r not in self.already_done]
        lines = [f"{self.out}: {counts}; attributes: {', '.join(self.attribute_names) or 'none'}"]
        if made:
            lines.append(f"made {', '.join(map(str, made))} px in {self.seconds:.1f} s")
        if self.already_done:
            lines.append(f"already there: {', '.join(map(str, self.already_done))} px")
        if self.resumed_photos:
            lines.append(f"continued an interrupted run: {self.resumed_photos} photos were done")
        if self.dropped_shards:
            lines.append(
                f"dropped {self.dropped_shards} finished parts of an interrupted run: "
                "it was of other photos, labels or resolutions"
            )
        lines += [f"warning: {warning}" for warning in self.warnings]
        lines += [f"could not use {name}: {reason}" for name, reason in self.unreadable]
        for reason in dict.fromkeys(reason for _, reason in self.skipped):
            names = [name for name, of_this in self.skipped if of_this == reason]
            lines.append(f"{len(names)} skipped, {reason}: {some(names)}")
        if self.unlabelled:
            lines.append(f"{len(self.unlabelled)} photos without a row in the table, left out: {some(self.unlabelled)}")
        if self.absent_photos:
            lines.append(f"{len(self.absent_photos)} rows without a photo: {some(self.absent_photos)}")
        if max(len(self.skipped), len(self.unlabelled), len(self.absent_photos)) > _NAMED:
            lines.append("all names are in report.json there")
        return lines


def some(names: Sequence[str]) -> str:
    """The first names, with dots if there are more."""
    return ", ".join(names[:_NAMED]) + (", ..." if len(names) > _NAMED else "")
