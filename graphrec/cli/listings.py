"""Commands that show what there is: ``demo``, ``datasets``, ``models``, ``presets``, ``options``."""

from __future__ import annotations

from pathlib import Path

import click

__all__ = ["datasets", "demo", "models", "options", "presets"]


@click.command()
@click.option("--out", type=click.Path(path_type=Path), default=Path("demo"), show_default=True, help="Folder for the files.")
def demo(out: Path) -> None:
    """The main job end to end on embedded data: four models, a table, curves, recommendations."""
    from graphrec.demo import run

    run(out)


@click.command()
def datasets() -> None:
    """Named data sets, their sizes, licences and whether they are on this machine."""
    from graphrec.listings import dataset_table

    click.echo(dataset_table())


@click.command()
def models() -> None:
    """Names of all models."""
    from graphrec.listings import model_table

    click.echo(model_table())


@click.command()
def presets() -> None:
    """Recipes that ``train`` takes by name: of papers, and of this library where the column source says so."""
    from graphrec.listings import preset_table

    click.echo(preset_table())


@click.command()
@click.argument("model")
def options(model: str) -> None:
    """What ``train MODEL --set`` takes, with the values unless set."""
    from graphrec.listings import option_tables

    click.echo(option_tables(model))
