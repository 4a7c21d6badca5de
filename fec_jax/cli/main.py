"""`fec` and its subcommands. Thin: the work is in the modules, which are imported when needed.

An error of the user's is one line on stderr, `fec: ...`, exit code 2, and no output file.
"""

import sys
import warnings
from collections.abc import Sequence
from typing import Annotated

import absl.logging
import typer

import fec_jax
from fec_jax.cli import export, prepare
from fec_jax.cli.app import app as page
from fec_jax.cli.complete import complete
from fec_jax.cli.doctor import doctor
from fec_jax.cli.estimate import estimate
from fec_jax.cli.evaluate import evaluate
from fec_jax.cli.train import train

# Plain text everywhere: one-line errors, no boxes, and tracebacks as Python prints them.
app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="Face completion with controllable attributes.",
)
app.command()(complete)
app.command("app")(page)
app.command()(train)
app.command()(evaluate)
app.command()(estimate)
app.command()(doctor)
app.add_typer(export.app, name="export")
app.add_typer(prepare.app, name="prepare")


def main(argv: Sequence[str] | None = None) -> None:
    """The entry point: runs `argv` (default: the process's arguments) and exits. 0 done, 2 an error of the user's."""
    # Hide library warnings that no user of `fec` can act on: how a checkpoint was sharded, damaged EXIF of a photo. For
    # all threads: filters belong to the process.
    absl.logging.set_verbosity(absl.logging.ERROR)
    warnings.filterwarnings("ignore", module=r"PIL\.")
    try:
        app(args=None if argv is None else list(argv), prog_name="fec")
    except Exception as e:
        # Imported here because it imports jax, which would slow `fec --help`.
        from fec_jax.types import UserError

        if not isinstance(e, UserError):
            raise
        # Files' names may have line breaks in them.
        typer.echo(f"fec: {e}".replace("\n", "\\n").replace("\r", "\\r"), err=True)
        sys.exit(2)


def _version(wanted: bool) -> bool:
    if wanted:
        typer.echo(f"fec_jax {fec_jax.__version__}")
        raise typer.Exit
    return wanted


@app.callback()
def _fec(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass
