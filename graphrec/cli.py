"""The command ``graphrec``: what a person does without writing Python."""

from __future__ import annotations

import errno
import io
import json
import re
import sys
import tomllib
import warnings
from pathlib import Path
from typing import Any, TextIO

import click

from graphrec._version import __version__
from graphrec.errors import InputError
from graphrec.report_command import report
from graphrec.serve.command import serve

__all__ = ["main"]

# Of torch, which raises a plain RuntimeError for it.
_NO_MEMORY = re.compile(r"(can't allocate memory|out of memory|Storage size calculation overflowed)[^\n]*", re.IGNORECASE)
_PYTHONS_WORDS = {"True": True, "False": False, "None": None}
_INTERRUPTED = 130  # as shells have it: 128 + SIGINT


class _OneSentence(click.Group):
    """Errors that the user can mend become a sentence on stderr and an exit code; others stay tracebacks."""

    def invoke(self, ctx: click.Context) -> Any:
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="backslashreplace")  # titles and paths that the terminal's encoding does not know
        try:
            with warnings.catch_warnings():
                _warnings_as_notes()
                return super().invoke(ctx)
        except KeyboardInterrupt as interrupt:
            click.echo(f"Interrupted; {interrupt or 'nothing was saved'}.", err=True)
            ctx.exit(_INTERRUPTED)
        except (InputError, FloatingPointError, OSError, MemoryError, RuntimeError) as error:
            sentence = _sentence(error)
            if sentence is None:
                raise
            raise click.ClickException(sentence) from None


def _warnings_as_notes() -> None:
    """Warnings of the library are a line on stderr each, and said once; those of other kinds stay as they are."""
    usual, said = warnings.showwarning, set()

    def show(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        text = " ".join(str(message).split())
        if not issubclass(category, UserWarning):
            usual(message, category, filename, lineno, file, line)
        elif text not in said:
            said.add(text)
            click.echo(f"note: {text}", err=True)

    warnings.showwarning = show
    if not sys.warnoptions:
        warnings.filterwarnings("always", category=UserWarning)


def _sentence(error: BaseException) -> str | None:
    """What a user is told; None for a defect of the library and for a reader that has closed the pipe."""
    if isinstance(error, OSError):
        if error.errno == errno.EPIPE:
            return None  # click ends quietly
        told = error.strerror or str(error) or type(error).__name__
        return f"{error.filename}: {told}." if error.filename else f"{told}."
    if isinstance(error, MemoryError):
        return f"there is not enough memory: {' '.join(str(error).split()) or 'for this data and these settings'}."
    if isinstance(error, InputError | FloatingPointError):
        return str(error)
    lack = _NO_MEMORY.search(str(error))
    return None if lack is None else f"there is not enough memory: {lack[0].strip().rstrip('.')}."


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
    from graphrec.listings import dataset_table

    click.echo(dataset_table())


@main.command()
def models() -> None:
    """Names of all models."""
    from graphrec.listings import model_table

    click.echo(model_table())


@main.command()
def presets() -> None:
    """Papers' recipes that ``train`` takes by name."""
    from graphrec.listings import preset_table

    click.echo(preset_table())


@main.command()
@click.argument("model")
def options(model: str) -> None:
    """What ``train MODEL --set`` takes, with the values unless set."""
    from graphrec.listings import option_tables

    click.echo(option_tables(model))


def _settings(pairs: tuple[str, ...]) -> dict[str, Any]:
    """``key=value`` pairs; values are read as TOML (numbers, lists, true), as Python's True, False and None, or as text."""
    settings: dict[str, Any] = {}
    for pair in pairs:
        key, equals, text = (part.strip() for part in pair.partition("="))
        if not equals or not key:
            raise InputError(f"--set takes key=value, got {pair!r}.")
        if key in settings:
            raise InputError(f"--set gives {key} twice: {settings[key]!r} and {text!r}.")
        settings[key] = _value(text)
    return settings


def _value(text: str) -> Any:
    if text in _PYTHONS_WORDS:
        return _PYTHONS_WORDS[text]
    try:
        table = tomllib.loads(f"value = {text}")
    except (ValueError, RecursionError):
        return text
    return table["value"] if len(table) == 1 else text


@main.command(epilog="`graphrec options MODEL` lists what --set takes.")
@click.argument("model")
@click.option("--data", required=True, help="Name of a data set, or a folder with train.txt and test.txt.")
@click.option(
    "--out", required=True, type=click.Path(path_type=Path), help="Folder for the trained model: new, empty or a run's."
)
@click.option("--set", "pairs", multiple=True, metavar="KEY=VALUE", help="A hyper-parameter or a training option.")
@click.option("--no-valid", is_flag=True, help="Put the validation pairs back into training (the papers' protocol).")
@click.option("--refit", is_flag=True, help="Once the epochs are chosen on validation, train again on train + validation.")
@click.option(
    "--preset-data",
    metavar="NAME",
    help="Data set whose settings a preset takes, where its paper has several; --data itself if it is one of them.",
)
def train(
    model: str, data: str, out: Path, pairs: tuple[str, ...], no_valid: bool, refit: bool, preset_data: str | None
) -> None:
    """Train MODEL (a model's or a preset's name) and save it in a folder."""
    from graphrec.run_folder import check_folder
    from graphrec.runs import named_recommender, named_split, train_run

    if no_valid and refit:
        raise InputError(
            "--refit trains again once the epochs are chosen on validation, and --no-valid leaves none: choose one."
        )
    recommender, settings = named_recommender(model, _settings(pairs), data, preset_data)
    replaces = check_folder(out)
    split = named_split(data)
    train_run(recommender, split.without_valid() if no_valid else split, out, refit=refit, **settings)
    click.echo(f"{'replaced the run' if replaces else 'saved'} in {click.format_filename(out)}")


@main.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--data", required=True, help="Name of a data set, or a folder with train.txt and test.txt.")
@click.option("-k", default=20, show_default=True, help="Length of the recommended list.")
@click.option("--json", "as_json", is_flag=True, help="Print the means as one JSON object.")
def evaluate(run: Path, data: str, k: int, as_json: bool) -> None:
    """Rank the test part of a data set with a trained model; train and validation pairs are left out for every run."""
    import graphrec as gr
    from graphrec.runs import named_split

    recommender = gr.load(run)
    report = gr.evaluate(recommender, named_split(data), k=k)
    click.echo(json.dumps(dict(report.mean)) if as_json else str(report))


@main.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--user", "users", required=True, multiple=True, help="A user's id; may be given several times.")
@click.option("-k", default=10, show_default=True, help="How many items.")
@click.option(
    "--cold",
    type=click.Choice(["error", "skip", "popular"]),
    default="error",
    show_default=True,
    help="What to do about users without any training interaction.",
)
def recommend(run: Path, users: tuple[str, ...], k: int, cold: Any) -> None:
    """Recommend items to users of the training data."""
    import graphrec as gr

    recommender = gr.load(run)
    _print(recommender.recommend(_ids("--user", users, recommender.train.user_ids), k=k, cold=cold))


@main.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--item", "items", required=True, multiple=True, help="An item's id; may be given several times.")
@click.option("-k", default=10, show_default=True, help="How many items.")
def similar(run: Path, items: tuple[str, ...], k: int) -> None:
    """Find the items most similar to given ones."""
    import graphrec as gr

    recommender = gr.load(run)
    _print(recommender.similar_items(_ids("--item", items, recommender.train.item_ids), k=k))


def _print(frame: Any) -> None:
    if frame.empty:
        click.echo("note: there is nothing to list.", err=True)
    else:
        click.echo(frame.to_string(index=False))


def _ids(option: str, given: tuple[str, ...], known: Any) -> list[Any]:
    """Ids from the command line in the type that the data has."""
    if known.dtype.kind not in "iu":
        return list(given)
    odd = next((text for text in given if not re.fullmatch(r"[+-]?[0-9]{1,19}", text.strip())), None)
    if odd is not None:
        raise InputError(f"{option} {odd!r}: the ids of this data are whole numbers.")
    return [int(text) for text in given]


# Commands that live beside what they command.
main.add_command(report)
main.add_command(serve)


if __name__ == "__main__":
    sys.exit(main())
