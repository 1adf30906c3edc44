"""What the command line does with names: data sets to splits, models and presets to recommenders, training to a folder."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

from graphrec.data.datasets import dataset_names, load_dataset
from graphrec.data.formats import read_lightgcn
from graphrec.data.split import Split, chronological
from graphrec.data.split import random as random_split
from graphrec.errors import unknown_name
from graphrec.models import MODELS
from graphrec.presets import preset, preset_names
from graphrec.recommender import Recommender
from graphrec.training.options import FitOptions

__all__ = ["named_recommender", "named_split", "train_run"]


def named_split(data: str) -> Split:
    """The split that a name stands for; always the same one, so that training and evaluation agree.

    A published split is taken as it is. Other data sets are split per user, 70 % / 10 % / 20 % in the order
    of time. A folder is read as LightGCN's text files. Where a split has no validation part, a tenth of its
    training pairs, drawn at random with a fixed seed, becomes one.
    """
    if Path(data).is_dir():
        split = read_lightgcn(data)
    elif data in dataset_names():
        dataset = load_dataset(data)
        split = dataset.split or chronological(dataset.interactions, test=0.2, valid=0.1)
    else:
        raise unknown_name("data set", data, dataset_names())
    if split.valid is None:
        inner = random_split(split.train, test=0.1, seed=0)
        split = Split(train=inner.train, valid=inner.test, test=split.test)
    return split


def named_recommender(name: str, settings: dict[str, Any]) -> tuple[Recommender, dict[str, Any]]:
    """A model or preset by name, with the settings that are its own; the others are options of ``fit``."""
    known = [*MODELS, *preset_names()]
    if name not in known:
        raise unknown_name("model or preset", name, known)
    kind = (preset(name) if name not in MODELS else Recommender(name)).kind
    own = set(inspect.signature(kind.__init__).parameters) - {"self", "train"}
    for key in settings:
        if key not in own and key not in FitOptions.names():
            raise unknown_name("setting", key, [*own, *FitOptions.names()])
    hyper = {key: value for key, value in settings.items() if key in own}
    options = {key: value for key, value in settings.items() if key not in own}
    return (Recommender(name, **hyper) if name in MODELS else preset(name, **hyper)), options


def train_run(recommender: Recommender, split: Split, out: Path, refit: bool = False, **options: Any) -> None:
    """Fit, save, and lay ``history.csv`` and ``curves.png`` beside the model."""
    recommender.fit(split.train, valid=split.valid, refit=refit and split.valid is not None, **options)
    recommender.save(out)
    history = recommender.history
    if len(history):
        from graphrec.report.plots import plot_history

        history.to_csv(out / "history.csv", index=False)
        plot_history(history).savefig(out / "curves.png", dpi=120)
