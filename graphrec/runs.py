"""What the command line does with names: data sets to splits, models and presets to recommenders, training to a folder."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from graphrec.data.datasets import dataset_names, load_dataset
from graphrec.data.interactions import Interactions
from graphrec.data.lightgcn_files import read_lightgcn
from graphrec.data.split import Split, chronological
from graphrec.data.split import random as random_split
from graphrec.deferred import pandas as pd
from graphrec.distributed.group import Group
from graphrec.errors import InputError, unknown_name
from graphrec.folder_files import CURVES, HISTORY, is_run
from graphrec.models import MODELS, Scorer
from graphrec.own_table import TableOptions, is_named, is_table, refuse_final, refuse_options, split_again, split_table
from graphrec.presets import preset, preset_data, preset_names
from graphrec.recommender import Recommender
from graphrec.recommender.tables import joined
from graphrec.run_folder import write_figure, write_table
from graphrec.titles import named_items
from graphrec.training.callbacks import Callback, TrainingState
from graphrec.training.options import FitOptions

__all__ = [
    "Interrupt",
    "keep_with_run",
    "named_recommender",
    "named_split",
    "of_name",
    "same_split_of",
    "split_of",
    "train_run",
    "with_table",
    "with_test",
]

_OF_FILES = (".csv", ".tsv", ".txt", ".parquet")


def named_split(data: str) -> Split:
    """The split that a name stands for; always the same one, so that training and evaluation agree.

    A published split is taken as it is. Other data sets are split per user, 70 % / 10 % / 20 % in the order
    of time. A folder is read as LightGCN's text files. Where a split has no validation part, a tenth of its
    training pairs, drawn at random with a fixed seed, becomes one.
    """
    folder = Path(data)
    if not data.strip():
        raise InputError(
            "--data is empty; it takes the name of a data set, a folder with train.txt and test.txt, or a CSV or Parquet file."
        )
    named = data in dataset_names()
    if is_run(folder) and not (named or (folder / "train.txt").is_file()):
        raise InputError(
            f"--data {data} is the folder of a saved run; --data takes the table that it was made from, or another."
        )
    if folder.is_dir() and not (named or (folder / "train.txt").is_file()) and (one := _table_in(folder)) is not None:
        raise InputError(
            f"--data {data} is a folder without train.txt, and {one} is in it: name that file, or let graphrec table make one "
            "table of the folder."
        )
    if folder.is_dir() and ((folder / "train.txt").is_file() or not named):
        split = read_lightgcn(data)
    elif named:
        dataset = load_dataset(data)
        split = dataset.split or chronological(dataset.interactions, test=0.2, valid=0.1)
    elif folder.exists():
        raise InputError(f"--data {data} is neither a folder nor a file.")
    elif len(folder.parts) > 1 or folder.suffix.lower() in _OF_FILES:
        raise InputError(f"--data {data} does not exist; it takes the name of a data set, a folder or a file.")
    else:
        raise unknown_name("data set", data, dataset_names())
    if split.valid is None:
        inner = random_split(split.train, test=0.1, seed=0)
        split = Split(train=inner.train, valid=inner.test, test=split.test)
    return split


def _table_in(folder: Path) -> str | None:
    """The name of a CSV or Parquet file in a folder."""
    return next((path.name for path in sorted(folder.iterdir()) if path.suffix.lower() in (".csv", ".tsv", ".parquet")), None)


def split_of(data: str, options: TableOptions, final: bool = False) -> tuple[Split, dict[str, Any], Interactions | None]:
    """The split of a data set by name, or of a table with the record that says how it was made and with the pairs left out.

    Of a `final` run the split is not told. A data set by name without its low ratings is a table, too.
    """
    if is_table(data) or (options.min_rating is not None and is_named(data)):
        return split_table(data, options, final)
    split = named_split(data)
    refuse_options(data, options)
    return split, {}, None


def with_test(split: Split) -> Split:
    """A split whose training part has the test part, too, and which has none any more."""
    return replace(split, train=split.train if split.test is None else joined(split.train, split.test), test=None)


def same_split_of(recommender: Recommender, data: str, options: TableOptions, run: Path) -> Split:
    """The split of which a run's training part was."""
    origin = recommender.origin
    if is_table(data) or ({"split", "min_rating"} <= origin.keys() and is_named(data)):
        return split_again(data, options, origin, run)
    if options.min_rating is not None and is_named(data):
        raise InputError(f"--min-rating {options.min_rating:g}: {run} was trained without, and is tested in the same way.")
    split = named_split(data)
    refuse_options(data, options)
    refuse_final(origin, run)
    return split


def of_name(name: str) -> tuple[type[Scorer], Mapping[str, Any], Mapping[str, Any]]:
    """The class that a model's or preset's name stands for, with the preset's hyper-parameters and options of fit."""
    known = [*MODELS, *preset_names()]
    if name not in known:
        raise unknown_name("model or preset", name, known)
    recommender = Recommender(name) if name in MODELS else preset(name)
    return recommender.kind, recommender.hyper, recommender.fit_defaults


def named_recommender(
    name: str, settings: Mapping[str, Any], data: str | None = None, preset_for: str | None = None
) -> tuple[Recommender, dict[str, Any]]:
    """A model or preset by name, with the settings that are its own; the others are options of ``fit``.

    A preset has the settings that its paper names for the data set `preset_for`; unless that is given, for `data` where it
    has some under this name.
    """
    kind, _, _ = of_name(name)
    own = set(inspect.signature(kind.__init__).parameters) - {"self", "train"}
    for key in settings:
        if key not in own and key not in FitOptions.names():
            raise unknown_name("setting", key, [*own, *FitOptions.names()])
    hyper = {key: value for key, value in settings.items() if key in own}
    options = {key: value for key, value in settings.items() if key not in own}
    if name in MODELS:
        if preset_for is not None:
            raise InputError(f"--preset-data chooses among the settings of a preset, and {name!r} is a model.")
        return Recommender(name, **hyper), options
    if preset_for is None and data in preset_data(name):
        preset_for = data
    return preset(name, data=preset_for, **hyper), options


class Interrupt(Callback):
    """Remembers whether training ended by Ctrl-C."""

    came = False

    def on_train_end(self, state: TrainingState) -> None:
        """See :class:`Callback`."""
        self.came = self.came or state.interrupted


def train_run(
    recommender: Recommender,
    split: Split,
    out: Path,
    refit: bool = False,
    origin: Mapping[str, Any] | None = None,
    titles: pd.Series[str] | None = None,
    group: Group | None = None,
    **options: Any,
) -> None:
    """Fit, save, and lay ``history.csv`` and ``curves.png`` beside the model.

    `origin` is written into the run: how its table was read and split; `titles` of items, by their ids as texts, too. Where a
    `group` of processes trains it, one of them writes.

    Raises
    ------
    KeyboardInterrupt
        Training was interrupted: what was learnt is saved, unless no epoch had ended.
    """
    interrupt = Interrupt()
    callbacks = [interrupt] if recommender.kind.needs_training else []
    together = group is not None
    recommender.fit(split.train, valid=split.valid, refit=refit, callbacks=callbacks, distributed=together, **options)
    if group is not None and not group.is_writer:
        return
    if interrupt.came and not len(recommender.history):
        raise KeyboardInterrupt("nothing is saved: no epoch had ended")
    keep_with_run(recommender, out, origin or {}, titles)
    if interrupt.came:
        raise KeyboardInterrupt(f"saved in {out}")


def with_table(recommender: Recommender, origin: Mapping[str, Any], titles: pd.Series[str] | None) -> Recommender:
    """A fitted recommender that knows how its table was read and split, and what its items are called."""
    recommender._state = replace(recommender._fitted, origin=dict(origin))
    recommender.titles = None if titles is None else named_items(recommender, titles)
    return recommender


def keep_with_run(recommender: Recommender, out: Path, origin: Mapping[str, Any], titles: pd.Series[str] | None) -> None:
    """Save a recommender with what is known of its table and items, and lay ``history.csv`` and ``curves.png`` beside it.

    Parameters
    ----------
    recommender : Recommender
        Fitted.
    out : Path
    origin : mapping
        How its table was read and split.
    titles : Series or None
        Names of items, by their ids as texts; None for none.
    """
    with_table(recommender, origin, titles).save(out)
    history = recommender.history
    if len(history):
        from graphrec.report.plots import plot_history

        write_table(history, out / HISTORY)
        write_figure(plot_history(history), out / CURVES)
    else:
        for name in (HISTORY, CURVES):  # of the run that was here before
            (out / name).unlink(missing_ok=True)
