"""Three models of explicit ratings: MF, MF with biases and CollabFNet (row 7 of the reference experiments).

MovieLens-100K, duplicates dropped, users with at least 10 ratings, each user's last 20 % by time are the test part. All
models have 100 factors and are trained on the MSE of the whole training part at once, one step of Adam an epoch: 10 epochs at
.1; 10 at .05 with weight decay 1e-5; 15 at .05 with 1e-6. The row does not say where the factors start; they start from
uniform(0, .05), as in row 8 (``explicit_models_staged.py``). Of the ratings 10 % are for validation, which
chooses the best of the epochs; the model is then trained anew on the 80 % for so many, and the test part read once.

Trap: in the original ids that were unseen in training crash in validation or get the number of somebody else,
because each part is encoded by itself. Here ids are encoded once, before the split. A held-out
rating whose user or item has nothing in train says nothing about a model without metadata: it is dropped (``cold="drop"``)
and counted.

    python examples/explicit_models.py --out runs/explicit_models
"""

import argparse
import time
from pathlib import Path

import pandas as pd

import graphrec as gr
from graphrec.report.plots import plot_history

UNIFORM = (0.0, 0.05)
# Of each model: its options, epochs of a stage, weight decay, and the learning rate of each stage.
ROW = {
    "MF": ("mf", {"dim": 100, "init": "uniform", "init_range": UNIFORM}, 10, 0.0, [0.1]),
    "MF with biases": ("mf", {"dim": 100, "bias": True, "init": "uniform", "init_range": UNIFORM}, 10, 1e-5, [0.05]),
    "CollabFNet": ("collabfnet", {"dim": 100, "hidden": [10], "dropout": 0.1, "init_range": UNIFORM}, 15, 1e-6, [0.05]),
}


def fit_stages(name, settings, train, valid, test, seed, epochs):
    """One model, stage by stage; on `test`, where it is given, its error after each."""
    kind, hyper, _, decay, rates = settings
    recommender, rows, best = gr.Recommender(kind, **hyper), [], []
    how = {"loss": "mse", "batch_size": len(train), "l2": 0.0, "weight_decay": decay, "seed": seed}
    how |= {} if valid is None else {"metric": "mse"}
    for stage, rate in enumerate(rates):
        recommender.fit(train, valid=valid, lr=rate, epochs=epochs[stage], warm_start=stage > 0, **how)
        best.append(recommender.best_epoch)
        if test is not None:
            mse = gr.evaluate_ratings(recommender, test)["mse"]
            rows.append({"model": name, "stage": stage + 1, "lr": rate, "epochs": epochs[stage], "test mse": mse})
    return recommender, best, rows


def compare(split, settings, args):
    """Train the three models for every seed, print the table and write the files."""
    print(split)
    baseline = gr.evaluate_ratings(gr.Recommender("bias").fit(split.train_and_valid), split.test)
    rows, histories = [{"model": "user and item means", "stage": 0, "test mse": baseline["mse"]}], {}
    for seed in range(1 if args.quick else args.seeds):
        for name, own in settings.items():
            started = time.perf_counter()
            epochs = [2 if args.quick else args.epochs or own[2]] * len(own[4])
            tried, best, _ = fit_stages(name, own, split.train, split.valid, None, seed, epochs)
            histories.setdefault(name, tried.history)
            _, _, measured = fit_stages(name, own, split.train_and_valid, None, split.test, seed, best)
            rows += [{**row, "seed": seed, "seconds": time.perf_counter() - started} for row in measured]
            print(measured[-1], flush=True)
    args.out.mkdir(parents=True, exist_ok=True)
    results = pd.DataFrame(rows)
    results.to_csv(args.out / "results.csv", index=False)
    plot_history(histories, metrics=["mse"]).savefig(args.out / "curves.png", dpi=120)
    means = results.groupby(["model", "stage"], sort=False)[["lr", "epochs", "test mse", "seconds"]].mean()
    print(means.assign(std=results.groupby(["model", "stage"], sort=False)["test mse"].std()).round(4).to_string())
    print(f"Means over the seeds; epochs is how many were best on validation. results.csv and curves.png are in {args.out}")


def parsed(description, data, out):
    """The command line, which rows 7 and 8 have in common."""
    parser = argparse.ArgumentParser(description=description.splitlines()[0])
    parser.add_argument("--data", default=data, help="name of a data set with ratings")
    parser.add_argument("--out", type=Path, default=Path(out))
    parser.add_argument("--epochs", type=int, help="of each stage, in place of the row's own")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="2 epochs a stage, one seed: does it run?")
    return parser.parse_args()


def main():
    args = parsed(__doc__, "ml-100k", "runs/explicit_models")
    ratings = gr.load_dataset(args.data, fallback="synthetic").interactions.drop_duplicates().k_core(10, 1)
    split = gr.split.chronological(ratings, test=0.2, valid=0.1, cold="drop")
    print(
        f"{len(ratings) - len(split.train_and_valid) - len(split.test)} held-out ratings of unknown users or items were dropped"
    )
    compare(split, ROW, args)


if __name__ == "__main__":
    main()
