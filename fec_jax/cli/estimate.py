"""`fec estimate`: hours and cost of a run, before it starts."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from ml_collections import ConfigDict


def estimate(
    config: Annotated[Path, typer.Option(help="The run: a file of configs/.")],
    device: Annotated[
        str, typer.Option(help="v5e, h100, a100, l4, t4, titan-xp, with -N for N of them; here: this machine, timed.")
    ] = "here",
    utilisation: Annotated[
        float, typer.Option("--utilisation", "--utilization", help="Part of the device's peak that is reached.")
    ] = 0.4,
    price: Annotated[float | None, typer.Option(min=0, help="Of an hour of all devices together.")] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Changes the config: batch.px1024=8.")
    ] = None,
) -> None:
    """Say what a run will need: operations, bytes, memory and hours of every resolution, and the cost.

    Nothing is trained and the data need not be there. For `here` the step of every resolution is compiled and timed;
    for other devices XLA counts the operations, and the utilisation is your assumption.
    """
    from fec_jax.config import build
    from fec_jax.data.synthetic.source import ATTRIBUTES
    from fec_jax.estimate import cost
    from fec_jax.types import UserError

    values: Any = _load(config, settings or [])
    names = tuple(values.attributes) or (ATTRIBUTES if values.data.kind == "drawn" else ())
    if not names:
        try:
            names = build.build(values).attribute_names
        except UserError as error:
            raise UserError(f"{error}; or name the attributes, as in --set attributes='(\"Smiling\",)'") from error
    run = build.networks_only(values.to_dict(), names)
    stages = cost.stages(run, device, utilisation)
    typer.echo(f"{config}: {run.phases[-1].end_nimg / 1000:.0f} kimg, {len(names)} attributes, {values.dtype}")
    where = "this machine, timed" if device == cost.HERE else f"{device}, at {utilisation:.0%} of its peak"
    typer.echo(f"on {where}; operations and bytes as XLA counts them, before fusion, of one device")
    cost.table(stages, device, price, typer.echo)


def _load(path: Path, settings: list[str]) -> "ConfigDict":
    """The config with its changes. UserError for a mistake in either."""
    import ast
    import importlib.util
    import sys

    from fec_jax.types import UserError

    spec = importlib.util.spec_from_file_location("fec_estimate_config", path)
    if not path.is_file() or spec is None or spec.loader is None:
        raise UserError(f"--config {path} does not exist: give a file of configs/, from the folder that holds configs/")
    sys.path.insert(0, str(Path.cwd()))  # a config imports configs.common
    try:
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        values = module.get_config().lock()
    except ModuleNotFoundError as error:
        raise UserError(
            f"the config imports {error.name!r}, which is not found: run this from the folder that holds configs/"
        ) from error
    except (OSError, AttributeError, SyntaxError) as error:
        raise UserError(f"--config {path} is no config ({' '.join(str(error).split())}): see configs/") from error
    finally:
        sys.path.pop(0)
    for setting in settings:
        key, equals, text = setting.partition("=")
        if not equals:
            raise UserError(f"--set {setting}: write KEY=VALUE, as in batch.px1024=8")
        try:
            value = ast.literal_eval(text)
        except (ValueError, SyntaxError):
            value = text
        try:
            values.update_from_flattened_dict({key: value})
        except (KeyError, AttributeError, TypeError, ValueError) as error:
            raise UserError(f"--set {setting}: {' '.join(str(error).split())}") from error
    return values
