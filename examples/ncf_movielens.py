"""NCF on MovieLens, ranked among 99 drawn items (row 1 of the reference experiments).

Every rating counts as 1. Each user's latest rating is the test part and the one before it the validation part.
Embeddings of 8, an MLP 64-32-1, BCE with 4 negatives drawn anew each epoch, Adam 1e-3, batches of 512, 5 epochs.
The row's data are a random 20 % of the users of MovieLens-25M: ``--data ml-25m --users 0.2``.

Trap: HR@10 among 99 drawn items looks far better than HR@10 in the whole catalogue, and the two must not be compared.
Here both figures are printed, validation chooses the epoch, and the test part is read once.

    python examples/ncf_movielens.py --out runs/ncf_movielens
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

import graphrec as gr

TRAINING = {"loss": "bce", "n_negatives": 4, "pairs": "interaction", "lr": 1e-3, "l2": 0.0, "batch_size": 512, "seed": 42}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="ml-100k", help="name of a data set")
    parser.add_argument("--out", type=Path, default=Path("runs/ncf_movielens"))
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--users", type=float, default=1.0, help="share of the users, drawn at random")
    parser.add_argument("--quick", action="store_true", help="one epoch: does it run?")
    args = parser.parse_args()
    inter = gr.load_dataset(args.data, fallback="synthetic").interactions.binarize()
    if args.users < 1:
        ids = np.random.default_rng(42).choice(inter.user_ids, round(args.users * inter.n_users), replace=False)
        inter = inter.subset_users(ids)
    split = gr.split.leave_one_out(inter, valid=True)
    print(split)
    how = {**TRAINING, "epochs": 1 if args.quick else args.epochs, "metric": ["hit_rate@10/99", "hit_rate@10"]}
    ncf = gr.Recommender("ncf", dim=8, hidden=[64, 32]).fit(split.train, valid=split.valid, **how)
    pop = gr.Recommender("itempop").fit(split.train, valid=split.valid)

    rows = []
    for name, recommender in (("ItemPop", pop), ("NCF", ncf)):
        drawn = gr.evaluate(recommender, split.test, k=10, negatives=99).mean
        whole = gr.evaluate(recommender, split.test, metrics=["hit_rate@10"]).mean
        rows.append({"model": name, "best_epoch": recommender.best_epoch, **drawn, **whole})
    args.out.mkdir(parents=True, exist_ok=True)
    results = pd.DataFrame(rows).astype({"best_epoch": "Int64"})
    results.to_csv(args.out / "results.csv", index=False)
    ncf.history.to_csv(args.out / "history.csv", index=False)
    ncf.save(args.out / "model")
    print(results.round(4).to_string(index=False))
    print(f"results.csv, history.csv and model/ are in {args.out}")


if __name__ == "__main__":
    main()
