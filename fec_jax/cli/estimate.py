"""`fec estimate`: hours and cost of a run, before it starts."""

from typing import Annotated, Any

import typer

from fec_jax.estimate.compilers import REACHED


def estimate(
    config: Annotated[str, typer.Option(help="The run: the name of a shipped config, or a file.")],
    device: Annotated[
        str,
        typer.Option(help="v5e, h200, h100, a100, l4, t4, titan-xp, with -N for N of them; here: this machine, timed."),
    ] = "here",
    utilisation: Annotated[
        float, typer.Option("--utilisation", "--utilization", help="Share of the roofline that is reached.")
    ] = REACHED,
    price: Annotated[float | None, typer.Option(min=0, help="Of an hour of all devices together.")] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Changes the config: batch.px1024=8.")
    ] = None,
) -> None:
    """Estimate what a run needs: operations, bytes, memory and hours of every resolution, compiling, and the cost.

    Nothing is trained and the data need not be there. For `here` the step of every resolution is compiled and timed;
    for other devices the larger of operations / peak and bytes / bandwidth counts, divided by the utilisation.
    """
    from fec_jax.config import build, load
    from fec_jax.data.synthetic.source import ATTRIBUTES
    from fec_jax.estimate import cost
    from fec_jax.types import UserError

    values: Any = load.load(config, settings or [])
    names = tuple(values.attributes) or (ATTRIBUTES if values.data.kind == "drawn" else ())
    if not names:
        try:
            names = build.build(values).attribute_names
        except UserError as error:
            raise UserError(f"{error}; or name the attributes, as in --set attributes='(\"Smiling\",)'") from error
    run = build.networks_only(values.to_dict(), names)
    stages = cost.stages(run, device, utilisation)
    typer.echo(f"{config}: {run.phases[-1].end_nimg / 1000:.0f} kimg, {len(names)} attributes, {values.dtype}")
    if device == cost.HERE:
        typer.echo("on this machine, timed; operations and bytes as XLA counts them, before fusion, of one device")
    else:
        typer.echo(f"on {device}, at {utilisation:.0%} of its roofline; of one device: operations as XLA counts them,")
        typer.echo("bytes as compilers left of its count in published phases, compiling at least")
    cost.table(stages, device, price, typer.echo)
