"""The command ``graphrec``: what a person does without writing Python."""

from __future__ import annotations

import json
import sys
import tomllib
from pathlib import Path
from typing import Any

import click

from graphrec._version import __version__
from graphrec.errors import InputError

__all__ = ["main"]


class _OneSentence(click.Group):
    """Errors that the user can mend become one sentence on stderr and exit code 1; others stay tracebacks."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (InputError, FloatingPointError, OSError) as error:
            raise click.ClickException(str(error)) from None


@click.group(cls=_OneSentence, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__)
def main() -> None:
    """Graph-based recommendation: train, evaluate and use NGCF, LightGCN and their relatives."""


@main.command()
@click.option("--out", type=click.Path(path_type=Path), default=Path("demo"), show_default=True, help="Folder for the files.")
def demo(out: Path) -> None:
    """The main job end to end on embedded data: four models, a table, curves, recommendations."""
    from graphrec.demo import run

    run(out)


@main.command()
def datasets() -> None:
    """Named data sets, their sizes, licences and whether they are on this machine."""
    from graphrec.data.datasets import dataset_info

    click.echo(dataset_info().to_string(index=False))


@main.command()
def models() -> None:
    """Names of all models."""
    from graphrec.models import MODELS

    width = max(map(len, MODELS))
    for name in sorted(MODELS):
        click.echo(f"{name:<{width}}  {(MODELS[name].__doc__ or '').strip().splitlines()[0]}")


@main.command()
def presets() -> None:
    """Papers' recipes that ``train`` takes by name."""
    from graphrec.presets import preset_names, read_preset

    width = max(map(len, preset_names()))
    for name in preset_names():
        click.echo(f"{name:<{width}}  {read_preset(name)['about']}")


def _settings(pairs: tuple[str, ...]) -> dict[str, Any]:
    """``key=value`` pairs; values are read as TOML (numbers, lists, true) and else taken as text."""
    settings = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key:
            raise InputError(f"--set takes key=value, got {pair!r}.")
        try:
            settings[key.strip()] = tomllib.loads(f"value = {value}")["value"]
        except tomllib.TOMLDecodeError:
            settings[key.strip()] = value.strip()
    return settings


@main.command()
@click.argument("model")
@click.option("--data", required=True, help="Name of a data set, or a folder with train.txt and test.txt.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder for the trained model.")
@click.option("--set", "pairs", multiple=True, metavar="KEY=VALUE", help="A hyper-parameter or a training option.")
@click.option("--no-valid", is_flag=True, help="Put the validation pairs back into training (the papers' protocol).")
@click.option("--refit", is_flag=True, help="Once the epochs are chosen on validation, train again on train + validation.")
def train(model: str, data: str, out: Path, pairs: tuple[str, ...], no_valid: bool, refit: bool) -> None:
    """Train MODEL (a model's or a preset's name) and save it in a folder."""
    from graphrec.runs import named_recommender, named_split, train_run

    recommender, options = named_recommender(model, _settings(pairs))
    split = named_split(data)
    train_run(recommender, split.without_valid() if no_valid else split, out, refit=refit, **options)
    click.echo(f"saved in {out}")


@main.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--data", required=True, help="Name of a data set, or a folder with train.txt and test.txt.")
@click.option("-k", default=20, show_default=True, help="Length of the recommended list.")
@click.option("--json", "as_json", is_flag=True, help="Print the means as one JSON object.")
def evaluate(run: Path, data: str, k: int, as_json: bool) -> None:
    """Rank the test part of a data set with a trained model."""
    import graphrec as gr
    from graphrec.runs import named_split

    recommender, test = gr.load(run), named_split(data).test
    if test is None:
        raise InputError(f"{data} has no test part.")
    report = gr.evaluate(recommender, test, k=k)
    click.echo(json.dumps(dict(report.mean)) if as_json else str(report))


@main.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--user", "users", required=True, multiple=True, help="A user's id; may be given several times.")
@click.option("-k", default=10, show_default=True, help="How many items.")
def recommend(run: Path, users: tuple[str, ...], k: int) -> None:
    """Recommend items to users of the training data."""
    import graphrec as gr

    recommender = gr.load(run)
    click.echo(recommender.recommend(_ids(users, recommender.train.user_ids), k=k).to_string(index=False))


@main.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--item", "items", required=True, multiple=True, help="An item's id; may be given several times.")
@click.option("-k", default=10, show_default=True, help="How many items.")
def similar(run: Path, items: tuple[str, ...], k: int) -> None:
    """Find the items most similar to given ones."""
    import graphrec as gr

    recommender = gr.load(run)
    click.echo(recommender.similar_items(_ids(items, recommender.train.item_ids), k=k).to_string(index=False))


def _ids(given: tuple[str, ...], known: Any) -> list[Any]:
    """Ids from the command line in the type that the data has."""
    if known.dtype.kind not in "iu":
        return list(given)
    try:
        return [int(value) for value in given]
    except ValueError:
        raise InputError(f"ids in this data are whole numbers, got {', '.join(given)}.") from None


if __name__ == "__main__":
    sys.exit(main())
