"""Three models of explicit ratings: MF, MF with biases and CollabFNet (rows 7 and 8 of the reference experiments).

All have 100 factors and are trained on the MSE of the whole training part at once, one step of Adam an epoch.

Row 7, ``--data ml-100k``: duplicates dropped, users with at least 10 ratings, each user's last 20 % by time are the test
part; 10, 10 and 15 epochs at one rate. Row 8, ``--data ml-latest-small``: a random 80:20 split with seed 3, embeddings
from uniform(0, .05), and three stages at falling rates, each with a new Adam, with the test error after each.

Both keep back 10 % of the ratings for validation, by which the best epoch of each stage is chosen; nothing is
chosen by the test part. The error of the mean rating stands beside the models.

Trap: in the originals ids that were unseen in training crash in validation or get the number of somebody else,
because each part is encoded by itself. Here ids are encoded once, before the split. A held-out
rating whose user or item has nothing in train says nothing about a model without metadata: it is dropped (``cold="drop"``)
and counted.

    python examples/explicit_models.py --data ml-latest-small --out runs/explicit_models_small
"""

import argparse
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch

import graphrec as gr
from graphrec.errors import InputError
from graphrec.evaluation.ratings import rating_errors
from graphrec.models import MF, CollabFNet
from graphrec.report.plots import plot_history
from graphrec.training.options import FitOptions
from graphrec.training.trainer import Trainer

MODELS = {
    "MF": (MF, {"dim": 100}),
    "MF with biases": (MF, {"dim": 100, "bias": True}),
    "CollabFNet": (CollabFNet, {"dim": 100, "hidden": [10], "dropout": 0.1}),
}
# Of each model: epochs of a stage, learning rates of the stages, weight decay. What row 8 leaves open is as in row 7.
ROW_7 = {"MF": (10, [0.1], 0.0), "MF with biases": (10, [0.05], 1e-5), "CollabFNet": (15, [0.05], 1e-6)}
RATES_8 = {"MF": [0.1, 0.01, 0.01], "MF with biases": [0.05, 0.01, 0.001], "CollabFNet": [0.05, 0.001, 0.001]}
ROW_8 = {name: (epochs, RATES_8[name], decay) for name, (epochs, _, decay) in ROW_7.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="ml-100k", help="ml-latest-small is row 8, all else row 7")
    parser.add_argument("--out", type=Path, default=Path("runs/explicit_models"))
    parser.add_argument("--epochs", type=int, help="of each stage, in place of the row's own")
    parser.add_argument("--quick", action="store_true", help="3 epochs a stage: does it run?")
    args = parser.parse_args()
    try:
        data = gr.load_dataset(args.data)
    except InputError as error:
        print(f"{error} The embedded data set stands in.")
        data = gr.load_dataset("synthetic")
    ratings, small = data.interactions.drop_duplicates(), args.data == "ml-latest-small"
    if small:
        kept, settings = ratings, ROW_8
        split = gr.split.random(kept, test=0.2, valid=0.1, seed=3, cold="drop")
    else:
        kept, settings = ratings.k_core(10, 1), ROW_7
        split = gr.split.chronological(kept, test=0.2, valid=0.1, cold="drop")
    dropped = len(kept) - len(split.train) - len(split.valid) - len(split.test)
    print(f"{split}; {dropped} held-out ratings of users or items without training ratings were dropped")

    off = split.test.ratings - split.train.ratings.mean()
    rows = [{"model": "mean rating", "stage": 0, "test mse": np.square(off).mean()}]
    histories = {}
    for name, (kind, hyper) in MODELS.items():
        epochs, rates, decay = settings[name]
        torch.manual_seed(3)
        model = kind(split.train, **hyper)
        if small:
            for table in (model.users, model.items):
                torch.nn.init.uniform_(table, 0, 0.05)
        history = []
        for stage, rate in enumerate(rates, 1):
            how = {"loss": "mse", "metric": "rmse", "batch_size": len(split.train), "l2": 0.0, "weight_decay": decay, "seed": 3}
            options = FitOptions(**how, lr=rate, epochs=3 if args.quick else args.epochs or epochs)
            started = time.perf_counter()
            history += Trainer(model, options, rating_errors).fit(split.train, split.valid).history
            seconds = round(time.perf_counter() - started, 1)
            test = rating_errors(model, split.test)["rmse"] ** 2
            rows.append({"model": name, "stage": stage, "lr": rate, "test mse": test, "seconds": seconds})
            print(rows[-1], flush=True)
        histories[name] = pd.DataFrame(history).assign(epoch=range(1, len(history) + 1))

    args.out.mkdir(parents=True, exist_ok=True)
    results = pd.DataFrame(rows)
    results.to_csv(args.out / "results.csv", index=False)
    plot_history(histories, metrics=["rmse"]).savefig(args.out / "curves.png", dpi=120)
    print(results.round(4).to_string(index=False))
    print(f"results.csv and curves.png are in {args.out}")


if __name__ == "__main__":
    main()
