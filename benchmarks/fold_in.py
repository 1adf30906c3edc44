"""What does a person lose who was not there in training? Fold-in from half of the items, against training on that half.

MovieLens-100K, every pair. Every tenth person from the first on is left out of training and folded in from half of the items,
drawn at random; the other half is what is ranked for. The same model trained on everybody, these people with the same half, is
the other side. The constants of fold-in were chosen on every tenth person from the sixth on, so on none of these. Epochs and
learning rates are fixed beforehand and the same on both sides. With ``--family`` every model that ranks and whose lists are
personal, with its own defaults and fifteen epochs, beside what ItemPop gets for the same people.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.figure import Figure

import graphrec as gr
from benchmarks.record import RESULTS, write
from graphrec.models import MODELS
from graphrec.report.style import COLOURS, GREY, WIDTH, new_figure, tidy

FIT: dict[str, dict[str, object]] = {
    "lightgcn": {"epochs": 30, "lr": 5e-3},
    "mf": {"epochs": 40},
    "ngcf": {"epochs": 20, "lr": 2e-3},
    "neumf": {},
    "multvae": {"epochs": 40},
    "autoencoder": {"epochs": 40},
    "ease": {},
    "itemknn": {},
    "rp3beta": {},
    "gfcf": {},
}
HYPER: dict[str, dict[str, object]] = {"autoencoder": {"vectors": "users"}}
BOUND = {"mf": 0.9, "ngcf": 0.9, "neumf": 0.9}
EPOCHS = 15  # of the family
NOT_PERSONAL, OF_STARS = {"itempop", "random", "bias"}, {"collabfnet", "embeddingnet"}


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks fold_in", description=__doc__.splitlines()[0])
    parser.add_argument("--first", type=int, default=0, help="every tenth person from this one on")
    parser.add_argument("--family", action="store_true", help="every model, with its own defaults")
    parser.add_argument("--models", nargs="*")
    args = parser.parse_args(arguments)
    every = [name for name in MODELS if name not in NOT_PERSONAL | OF_STARS] if args.family else list(FIT)
    rows = gr.load_dataset("ml-100k").interactions.to_frame()[["user_id", "item_id"]]
    people = np.sort(rows["user_id"].unique())[args.first :: 10]
    mine = rows["user_id"].isin(people)
    shuffled = rows[mine].sample(frac=1, random_state=0)
    odd = shuffled.groupby("user_id").cumcount() % 2 == 1
    whole = gr.Interactions.from_frame(rows)
    others, given, hidden = (
        gr.Interactions.from_frame(part, ids=whole) for part in (rows[~mine], shuffled[~odd], shuffled[odd])
    )
    both = gr.Interactions.from_frame(pd.concat([rows[~mine], shuffled[~odd]]), ids=whole)
    popular = gr.Recommender("itempop").fit(others)
    table = []
    for name in args.models or every:
        own = {"epochs": EPOCHS} if MODELS[name].needs_training else {}
        options = {"seed": 0, "progress": False, **(own if args.family else FIT[name])}
        there = gr.Recommender(name, **HYPER.get(name, {})).fit(both, **options)
        absent = gr.Recommender(name, **HYPER.get(name, {})).fit(others, **options)
        asked = np.unique(hidden.users)
        trained = ndcg(there.ranker.top_k(asked, 20)[0], asked, hidden)
        histories = given.to_frame().groupby("user_id")["item_id"].agg(list)
        given_of = {person: histories[person] for person in whole.user_ids[asked].tolist()}
        started = time.perf_counter()
        lists = absent.recommend_new(given_of, k=20)
        seconds = time.perf_counter() - started
        folded, usual = (
            ndcg(whole.item_index(found["item_id"]).reshape(len(asked), 20), asked, hidden)
            for found in (lists, popular.recommend_new(given_of, k=20))
        )
        table.append(
            {
                "model": name,
                "ndcg@20 trained on the half": trained.mean(),
                "folded in": folded.mean(),
                "folded / trained": folded.mean() / trained.mean(),
                "standard error": (folded - trained).std(ddof=1) / len(asked) ** 0.5 / trained.mean(),
                "at least": 0.9 if args.family else BOUND.get(name, 0.95),
                **({"itempop": usual.mean()} if args.family else {}),
                "seconds, all of them at once": seconds,
            }
        )
        print(table[-1], flush=True)
    found = pd.DataFrame(table)
    title = f"Fold-in of {len(people)} people of MovieLens-100K who were left out of training, from half of their items"
    result = "fold_in_family" if args.family else "fold_in"
    before = RESULTS / f"{result}.csv"
    if args.models and before.exists():  # rows of models that are not run stay as they were
        earlier = pd.read_csv(before)
        found = pd.concat([earlier[~earlier["model"].isin(found["model"])], found])
        found = found.sort_values("model", key=lambda names: names.map(every.index), ignore_index=True)
    write(result, title, found, picture(found))


def ndcg(best: npt.NDArray[np.integer], users: npt.NDArray[np.integer], hidden: gr.Interactions) -> npt.NDArray[np.float64]:
    """ndcg@k of lists (n, k), shape (n,)."""
    hits = hidden.has_keys(users.astype(np.int64)[:, None] * hidden.n_items + best)
    gain = 1 / np.log2(np.arange(2, best.shape[1] + 2))
    size = np.minimum(np.diff(hidden.structure[0])[users], best.shape[1])
    values: npt.NDArray[np.float64] = (hits * gain).sum(1) / np.cumsum(gain)[size - 1]
    return values


def picture(table: pd.DataFrame) -> Figure:
    """Folded in over trained, a bar a model."""
    figure = new_figure(WIDTH, 0.6 + 0.3 * len(table))
    axes = figure.subplots()
    axes.barh(table["model"], table["folded / trained"], xerr=table["standard error"], color=COLOURS[0], ecolor=GREY)
    axes.axvline(1, color=GREY, linewidth=1)
    axes.invert_yaxis()
    tidy(axes, x="ndcg@20 folded in, trained = 1", grid="x")
    return figure
