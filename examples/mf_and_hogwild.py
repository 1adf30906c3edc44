"""Matrix factorisation for ratings and for rankings, in one process and in several (row 4 of the reference experiments).

a) Explicit MF with biases, 10 factors: MSE, Adam .02, weight decay .1, dropout .02. b) BPR MF, 20 factors, ratings ≥ 4
are positives: plain SGD .2 with sparse gradients. c) The same by hogwild: processes that share one model without
locks. Batches of 1,024, at most 40 epochs. Ten random rows of each user are the test part and five the
validation part, which chooses the number of epochs; the model is then trained on both and the test part is read once.

The original sums its loss over a batch. Losses here are means, so that its SGD rate of .2 becomes .2 · 1,024, and
its weight decay of .1 becomes .1 / 1,024; these are the same steps.

Trap: the original ranks the items of the training part, too. They take the places at the top of the list, and
precision@5 is that of another question. Here items that a user has in train or valid are not ranked.

    python examples/mf_and_hogwild.py --out runs/mf_and_hogwild
"""

import argparse
import time
from pathlib import Path

import pandas as pd
import torch

import graphrec as gr
from graphrec.errors import InputError
from graphrec.evaluation.evaluate import evaluate_model
from graphrec.models import MF
from graphrec.training.hogwild import fit_hogwild
from graphrec.training.options import FitOptions

BATCH = 1024
EXPLICIT = {"loss": "mse", "lr": 0.02, "weight_decay": 0.1 / BATCH, "l2": 0.0, "metric": "rmse"}
RANKING = {"loss": "bpr", "optimizer": "sgd", "lr": 0.2 * BATCH, "l2": 0.0, "pairs": "interaction", "metric": "auc"}
METRICS = ["auc", "precision@5"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="ml-100k", help="name of a data set with ratings")
    parser.add_argument("--out", type=Path, default=Path("runs/mf_and_hogwild"))
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--quick", action="store_true", help="few epochs, two workers: does it run?")
    args = parser.parse_args()
    epochs, workers = (3, 2) if args.quick else (args.epochs, args.workers)
    common = {"batch_size": BATCH, "epochs": epochs, "seed": 42}
    try:
        data = gr.load_dataset(args.data)
    except InputError as error:
        print(f"{error} The embedded data set stands in.")
        data = gr.load_dataset("synthetic")
    rows = []

    def note(name, started, epochs, **figures):
        rows.append({"model": name, "epochs": epochs, "seconds": round(time.perf_counter() - started, 1), **figures})
        print(rows[-1], flush=True)

    split = gr.split.n_per_user(data.interactions, test=10, valid=5, seed=42)
    started = time.perf_counter()
    explicit = gr.Recommender("mf", dim=10, bias=True, dropout=0.02)
    explicit.fit(split.train, valid=split.valid, refit=True, **common, **EXPLICIT)
    note("explicit MF", started, explicit.best_epoch, **gr.evaluate_ratings(explicit, split.test))

    split = gr.split.n_per_user(data.interactions.binarize(min_rating=4), test=10, valid=5, seed=42)
    hyper = {"dim": 20, "bias": True, "sparse": True}
    started = time.perf_counter()
    bpr = gr.Recommender("mf", **hyper).fit(split.train, valid=split.valid, refit=True, **common, **RANKING)
    note("BPR MF", started, bpr.best_epoch, **gr.evaluate(bpr, split.test, metrics=METRICS).mean)

    both = split.train_and_valid
    torch.manual_seed(42)
    model = MF(both, **hyper)
    started = time.perf_counter()
    fit_hogwild(model, both, FitOptions(**{**common, **RANKING, "epochs": bpr.best_epoch}), processes=workers)
    figures = evaluate_model(model, both, split.test, metrics=METRICS).mean
    note(f"BPR MF, {workers} processes", started, bpr.best_epoch, **figures)

    args.out.mkdir(parents=True, exist_ok=True)
    results = pd.DataFrame(rows)
    results.to_csv(args.out / "results.csv", index=False)
    explicit.save(args.out / "explicit")
    bpr.save(args.out / "bpr")
    print(results.round(4).to_string(index=False))
    print(f"results.csv, explicit/ and bpr/ are in {args.out}")


if __name__ == "__main__":
    main()
