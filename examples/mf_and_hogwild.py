"""Matrix factorisation for ratings and for rankings, on one thread and on several (row 4 of the reference experiments).

a) Explicit MF with biases, 10 factors: MSE, Adam .02, weight decay .1, dropout .02. b) BPR MF, 20 factors, ratings ≥ 4
are positives: plain SGD .2 with sparse gradients. c) The same by hogwild: threads that share one model without
locks. Batches of 1,024, at most 40 epochs. Ten random rows of each user are the test part and five the validation part,
which chooses the number of epochs; the model is then trained on both and the test part is read once for each seed.

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
from graphrec.evaluation.full_ranking import full_ranking
from graphrec.models import MF
from graphrec.ranking.ranker import Ranker
from graphrec.training.hogwild import fit_hogwild
from graphrec.training.options import FitOptions

BATCH = 1024
EXPLICIT = {"loss": "mse", "lr": 0.02, "weight_decay": 0.1 / BATCH, "l2": 0.0, "metric": "rmse"}
RANKING = {"loss": "bpr", "optimizer": "sgd", "lr": 0.2 * BATCH, "l2": 0.0, "pairs": "interaction", "metric": "auc"}
METRICS = ["auc", "precision@5"]
BPR = {"dim": 20, "bias": True, "sparse": True}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="ml-100k", help="name of a data set with ratings")
    parser.add_argument("--out", type=Path, default=Path("runs/mf_and_hogwild"))
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--quick", action="store_true", help="two epochs, one seed, two threads: does it run?")
    args = parser.parse_args()
    epochs, seeds, workers = (2, 1, 2) if args.quick else (args.epochs, args.seeds, args.workers)
    inter = gr.load_dataset(args.data, fallback="synthetic").interactions
    rated = gr.split.n_per_user(inter, test=10, valid=5, seed=42)
    liked = gr.split.n_per_user(inter.binarize(min_rating=4), test=10, valid=5, seed=42)
    rows = []

    def note(model, started, epochs=None, **figures):
        rows.append({"model": model, "epochs": epochs, "seconds": time.perf_counter() - started, **figures})
        print(rows[-1], flush=True)

    started = time.perf_counter()
    means = gr.Recommender("bias").fit(rated.train_and_valid)
    note("user and item means", started, **gr.evaluate_ratings(means, rated.test))
    started = time.perf_counter()
    pop = gr.Recommender("itempop").fit(liked.train, valid=liked.valid)
    note("ItemPop", started, **gr.evaluate(pop, liked.test, metrics=METRICS).mean)
    for seed in range(seeds):
        common = {"batch_size": BATCH, "epochs": epochs, "seed": seed}
        started = time.perf_counter()
        explicit = gr.Recommender("mf", dim=10, bias=True, dropout=0.02)
        explicit.fit(rated.train, valid=rated.valid, refit=True, **common, **EXPLICIT)
        note("explicit MF", started, explicit.best_epoch, **gr.evaluate_ratings(explicit, rated.test))
        started = time.perf_counter()
        bpr = gr.Recommender("mf", **BPR).fit(liked.train, valid=liked.valid, refit=True, **common, **RANKING)
        note("BPR MF", started, bpr.best_epoch, **gr.evaluate(bpr, liked.test, metrics=METRICS).mean)
        both, options = liked.train_and_valid, FitOptions(**{**common, **RANKING, "epochs": bpr.best_epoch})
        for threads in (1, workers):
            torch.manual_seed(seed)
            model = MF(both, **BPR)
            started = time.perf_counter()
            fit_hogwild(model, both, options, threads=threads)
            figures = full_ranking(Ranker(model, both), liked.test, metrics=METRICS).mean
            note(f"BPR MF, hogwild {threads}", started, bpr.best_epoch, **figures)

    args.out.mkdir(parents=True, exist_ok=True)
    results = pd.DataFrame(rows)
    results.to_csv(args.out / "results.csv", index=False)
    explicit.save(args.out / "explicit")
    bpr.save(args.out / "bpr")
    print(results.groupby("model", sort=False).mean().round(4).to_string())
    print(f"Means over {seeds} seeds; hogwild's seconds are one training, the others' the search for the epoch as well.")
    print(f"results.csv, explicit/ and bpr/ are in {args.out}")


if __name__ == "__main__":
    main()
