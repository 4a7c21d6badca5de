"""Damaged photos, masks, tables and weights: no traceback, nothing lost; and that a fault would be noticed."""

import os
import sys
from pathlib import Path

import pytest

from experiments.robustness import cases, mutate, verdict
from fec_jax.cli import main

COUNT = 200


@pytest.mark.timeout(1200)  # half a minute on idle cores
def test_damaged_files():
    """Broken: some damaged file is a traceback, loses a file, or leaves output of a command that failed."""
    tried = list(mutate.attempts(seed=0, numbers=range(COUNT)))
    faults = [f"mutate.py --seed 0 --only {t.number}: {t.fault}" for t in tried if t.fault]
    assert not faults, "\n".join(faults)
    assert {t.kind for t in tried} == set(cases.KINDS), "a kind of file is never damaged"
    for kind in cases.KINDS:
        outcomes = {t.outcome for t in tried if t.kind == kind}
        assert outcomes & {"done", "some failed"}, f"{kind}: every command is refused"
        assert outcomes & {"refused", "some failed"}, f"{kind}: nothing is damaged enough to be refused"


def test_a_number_is_a_case(tmp_path):
    """Broken: the command that is printed for a fault does not repeat it."""
    whole = cases.Whole.made(tmp_path)
    for number in range(12):
        assert cases.case(whole, 5, number) == cases.case(whole, 5, number)
    assert cases.case(whole, 5, 0) != cases.case(whole, 6, 0)


def raises(words):
    raise ValueError(words)


def ends(code, error="", before=lambda: None):
    """A command that does `before`, prints `error` on stderr and exits."""

    def run(words):
        before()
        print(error, end="", file=sys.stderr)
        raise SystemExit(code)

    return run


PHOTO, OUTPUT = Path("in/photo.png"), Path("out/o.png")
COMMANDS = {
    "a traceback": (raises, "ValueError"),
    "no reason": (ends(2), "no line says why"),
    "another exit code of a photo": (ends(1, "fec: no\n"), "of one photo"),
    "two lines": (ends(2, "warning\nfec: no\n"), "more than a line"),
    "output of a failure": (ends(2, "fec: no\n", lambda: OUTPUT.write_bytes(b"x")), "outputs of a refused command"),
    "output is missing": (ends(0), "outputs: "),
    "output is damaged": (ends(0, "", lambda: OUTPUT.write_bytes(b"x")), "cannot be opened"),
    "an input is lost": (ends(2, "fec: no\n", PHOTO.unlink), "input files are other ones"),
    "an input is changed": (ends(2, "fec: no\n", lambda: PHOTO.write_bytes(b"x")), "inputs were changed"),
    "left behind": (ends(2, "fec: no\n", lambda: Path("out/.a.part").write_bytes(b"x")), "left behind"),
    "fine": (ends(2, "fec: no\n"), ""),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_faults_are_noticed(name, tmp_path, monkeypatch):
    """Broken: a command may do this, and the script calls it fine."""
    command, text = COMMANDS[name]
    case = cases.Case("photo, complete", "none", ["complete", str(PHOTO)], {"photo.png": b"a photo"}, ["o.png"])
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(main, "main", command)
    outcome, fault = verdict.judged(case, Path())
    assert (outcome == "fault") == bool(text)
    assert text in fault
    assert os.getcwd() == str(tmp_path)


def test_a_folder_without_a_report(tmp_path, monkeypatch):
    """Broken: an output that is not there ends the script instead of being a fault."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(main, "main", ends(0))
    outcome, fault = verdict.judged(
        cases.Case("folder, complete", "none", ["complete", "in"], {"a.png": b"a photo"}, ["report.csv"]), Path()
    )
    assert outcome == "fault"
    assert "outputs cannot be read" in fault


def test_interrupted(monkeypatch, capsys):
    """Broken: Ctrl-C counts as a fault of the case, and the script goes on."""
    monkeypatch.setattr(main, "main", ends(verdict.INTERRUPTED))
    assert mutate.main(["--count", "2"]) == 130
    assert not capsys.readouterr().out


def test_the_script_says_what_to_repeat(monkeypatch, capsys):
    """Broken: a fault does not fail the command, or nobody can find it again."""
    monkeypatch.setattr(main, "main", raises)
    assert mutate.main(["--seed", "3", "--count", "2"]) == 1
    printed = capsys.readouterr().out
    assert "python experiments/robustness/mutate.py --seed 3 --only 1\n" in printed
    assert "| all | 2 | 0 | 0 | 0 | 2 |" in printed
