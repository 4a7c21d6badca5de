"""What the documentation tells people to type and to look at exists: commands, options, config keys, files, imports."""

import importlib
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer.main
from ml_collections import ConfigDict

from fec_jax import main
from fec_jax.cli import main as cli

ROOT = Path(__file__).resolve().parent.parent
PAGES = (
    "README.md",
    "configs/README.md",
    "experiments/README.md",
    *sorted(f"docs/{p.name}" for p in (ROOT / "docs").glob("*.md")),
)


def text(page: str) -> str:
    return (ROOT / page).read_text()


def blocks(language: str) -> list[tuple[str, str]]:
    """(page, code) of every fenced block."""
    return [(p, code) for p in PAGES for code in re.findall(rf"^```{language}\n(.*?)^```", text(p), re.M | re.S)]


def commands(*beginnings: str) -> list[list[str]]:
    """Commands in fenced blocks, and between backticks within a line, as words."""
    lines = [line for _, code in blocks("bash") for line in code.replace("\\\n", " ").splitlines()]
    lines += [
        span for page in PAGES for span in re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", text(page), flags=re.S))
    ]
    words = [shlex.split(line, comments=True) for line in lines if line.startswith(beginnings)]
    return [w for w in words if len(w) > 3]  # shorter ones only name a command


def training_commands() -> list[list[str]]:
    """Those that run `fec_jax.main`, without what starts them on several nodes."""
    found = commands("python -m fec_jax.main ", "srun ")
    return [words[words.index("-m") - 1 :] for words in found if "fec_jax.main" in words]


def shown(words: list[str]) -> str:
    return shlex.join(words)[:70]


def get_config(path: str) -> ConfigDict:
    assert (ROOT / path).is_file(), f"{path} does not exist"
    return importlib.import_module(path.removesuffix(".py").replace("/", ".")).get_config()


@pytest.mark.parametrize("words", commands("fec "), ids=shown)
def test_fec_commands_parse(words, monkeypatch, tmp_path):
    """If this fails, a reader who pastes the command is told that an option or subcommand does not exist."""
    monkeypatch.chdir(tmp_path)
    command: Any = typer.main.get_command(cli.app)
    args, context = words[1:], None
    while hasattr(command, "commands"):
        assert args[0] in command.commands, f"fec has no {args[0]}"
        command, args = command.commands[args[0]], args[1:]
        context = command.make_context(command.name, list(args), parent=context)


@pytest.mark.parametrize("words", training_commands(), ids=shown)
def test_training_commands_name_what_exists(words):
    """If this fails, a training command of the documentation ends at once: no such config, flag or key."""
    flags = dict(word.removeprefix("--").partition("=")[::2] for word in words[3:])
    config = get_config(flags.pop("config"))
    assert flags.pop("workdir")
    known = main.flags.FLAGS.get_flags_for_module(main)
    options = {name for name in flags if not name.startswith("config.")}
    assert options <= {flag.name for flag in known}
    for name, value in ((name, value) for name, value in flags.items() if name not in options):
        assert name.startswith("config."), f"--{name}"
        node: Any = config
        *path, key = name.split(".")[1:]
        for part in path:
            node = node[part]
        assert key in node, f"--{name}"
        type(node[key])(value)


@pytest.mark.parametrize("page", PAGES)
def test_configs_and_links_exist(page):
    """If this fails, the documentation names a config, or links to a file, that is not there."""
    for path in re.findall(r"configs/\w+\.py", text(page)):
        get_config(path)
    for link in re.findall(r"\]\(([^)#:]+)\)", text(page)):
        assert (ROOT / page).parent.joinpath(link).exists(), f"{page} links to {link}"


@pytest.mark.parametrize(("page", "code"), blocks("python"), ids=lambda x: str(x)[:40].splitlines()[0])
def test_python_blocks(page, code):
    """If this fails, a Python example does not compile, or imports what does not exist."""
    compile(code, page, "exec")
    for line in re.findall(r"^(?:from|import) .*$", code, re.M):
        exec(line, {})


def test_make_targets_exist():
    """If this fails, `make demo` or another target of the README is not in the Makefile."""
    targets = {t for _, code in blocks("bash") for t in re.findall(r"^make (\w+)$", code, re.M)}
    assert targets >= {"demo", "test"}
    for target in targets | set(re.findall(r"`make (\w+)", text("README.md"))):
        assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.M), target


def test_every_config_is_in_the_table():
    """If this fails, a config was added without a word on what it is."""
    table = text("configs/README.md")
    assert [p.name for p in (ROOT / "configs").glob("*.py") if f"| [{p.name}]({p.name}) |" not in table] == []


def test_demo_script_says_how_to_use_it():
    """If this fails, `experiments/demo.py` without its argument crashes instead of answering."""
    done = subprocess.run(
        [sys.executable, "experiments/demo.py"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr.strip() == "usage: python experiments/demo.py WORKDIR"


def test_the_readme_is_short_and_begins_with_a_picture():
    """Broken: a reader scrolls past pages of text to find out what this is."""
    lines = text("README.md").splitlines()
    assert len(lines) <= 200
    assert any(line.startswith("![") for line in lines[:5])
