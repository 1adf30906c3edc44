"""What is attacked: small tables, models fitted on them, and all that such a model answers."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd

import graphrec as gr
from graphrec.data.features import Features

__all__ = ["HOW", "answers", "equal", "fitted", "state_of", "table"]

HOW: dict[str, Any] = {"epochs": 2, "batch_size": 64, "lr": 0.01, "seed": 1, "progress": False}
OPTIONS: dict[str, dict[str, Any]] = {
    "lightgcn": {"dim": 4, "layers": 2},
    "ngcf": {"dim": 4, "layers": [4]},
    "mf": {"dim": 4},
    "multvae": {"hidden": [8], "dim": 4},
    "autoencoder": {"hidden": [8]},
    "neumf": {"dim": 4, "hidden": [8, 4]},
}


def table(seed: int = 5) -> gr.Interactions:
    """30 people with texts for ids, 20 things with integers, ratings and times."""
    g = np.random.default_rng(seed)
    seen = g.random((30, 20)) < 0.3
    seen[np.arange(30), g.integers(0, 20, 30)] = True
    users, items = np.nonzero(seen)
    frame = pd.DataFrame({"user_id": [f"ü{u}" for u in users], "item_id": 500 + items})
    frame["rating"], frame["time"] = g.integers(1, 6, len(users)), np.arange(len(users))
    return gr.Interactions.from_frame(frame, rating="rating", time="time")


def fitted(model: str, seed: int = 1) -> gr.Recommender:
    """A model by name, trained briefly where it is trained."""
    inter, how = table(), {**HOW, "seed": seed}
    options = OPTIONS.get(model, {})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if model == "hybrid":
            n = np.arange(inter.n_items)
            frame = pd.DataFrame({"item_id": inter.item_ids, "genre": np.where(n % 3, "A|B", "C"), "year": 1990 + n % 7})
            base = gr.Recommender("mf", dim=4, bias=True).fit(inter, **how)
            options = {"base": base, "item_features": Features.from_frame(frame, inter)}
        rec = gr.Recommender(model, **options)
        return rec.fit(inter, **(how if rec.kind.needs_training else {}))


def answers(rec: gr.Recommender, similar: bool = True) -> list[Any]:
    """Arrays of what it recommends to everybody, of all scores, and of the likeness of all items."""
    users, items = rec.train.user_ids, rec.train.item_ids
    k = min(5, len(items))
    frames = [rec.recommend(users, k=k, cold="skip")]
    if similar:
        frames.append(rec.similar_items(items, k=k))
    columns = [frame[column].to_numpy() for frame in frames for column in frame]
    return [*columns, rec.score(np.repeat(users, len(items)), np.tile(items, len(users)))]


def state_of(rec: gr.Recommender) -> list[Any]:
    """Arrays of a trained model's state and of its history but for seconds."""
    history = rec.history[[column for column in rec.history if not str(column).endswith("seconds")]]
    state = rec.model.state_dict()
    return [*(state[name].numpy() for name in sorted(state)), list(history), *(history[c].to_numpy() for c in history)]


def equal(first: list[Any], second: list[Any], rounding: float = 0.0) -> bool:
    """Whether two lists of arrays agree: ids and ranks wholly, floats to the last bit unless rounding is allowed for."""

    def same(a: Any, b: Any) -> bool:
        if rounding and np.asarray(a).dtype.kind == "f":
            return np.allclose(a, b, rtol=rounding, atol=rounding, equal_nan=True)
        return np.array_equal(a, b)

    return len(first) == len(second) and all(same(a, b) for a, b in zip(first, second, strict=True))
