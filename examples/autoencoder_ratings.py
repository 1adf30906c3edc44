"""Matrix factorisation and a deep autoencoder for ratings (row 10 of the reference experiments).

MovieLens latest-small, 80 % / 10 % / 10 %. a) MF, 50 factors, L2 1e-6: MSE, Adam 1e-3, batches of 128, 20 epochs, patience 2,
min_delta .01. b) An autoencoder over item vectors: SELU, 28-56-56, dropout .3, 56-28-n, output fed in again: MSE on
observed entries only, Adam, batches of 16, at most 100 epochs, patience 5. Two departures: MF has
biases, and starts from the library's normal weights (standard deviation .1) instead of He's.

Trap: the original's validation reads the very rows that it reconstructs. Here entries are held out: neither the
validation nor the test ratings are in the vectors that the network reads.

    python examples/autoencoder_ratings.py --out runs/autoencoder_ratings
"""

import argparse
from pathlib import Path

import pandas as pd

import graphrec as gr
from graphrec.errors import InputError
from graphrec.training.callbacks import TensorBoard


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="ml-latest-small", help="name of a data set")
    parser.add_argument("--out", type=Path, default=Path("runs/autoencoder_ratings"))
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--quick", action="store_true", help="one epoch: does it run?")
    args = parser.parse_args()
    epochs = 1 if args.quick else args.epochs
    try:
        data = gr.load_dataset(args.data)
    except InputError as error:
        print(f"{error} The embedded data set stands in.")
        data = gr.load_dataset("synthetic")
    split = gr.split.random(data.interactions, test=0.1, valid=0.1, seed=42)
    print(split)
    mf = {"batch_size": 128, "epochs": min(epochs, 20), "patience": 2, "min_delta": 0.01, "l2": 1e-6}
    deep = {"batch_size": 16, "epochs": epochs, "patience": 5}
    runs = {
        "MF": (gr.Recommender("mf", dim=50, bias=True), mf),
        "autoencoder": (gr.Recommender("autoencoder", vectors="items", hidden=[28, 56, 56], dropout=0.3), deep),
    }
    args.out.mkdir(parents=True, exist_ok=True)
    rows = []
    for name, (recommender, options) in runs.items():
        board = TensorBoard(args.out / "tensorboard" / name)
        options |= {"loss": "mse", "lr": 1e-3, "metric": "rmse", "seed": 42, "callbacks": [board]}
        recommender.fit(split.train, valid=split.valid, **options)
        print(recommender.model, flush=True)
        rows.append({"model": name, "best_epoch": recommender.best_epoch, **gr.evaluate_ratings(recommender, split.test)})
        recommender.save(args.out / name)
    results = pd.DataFrame(rows)
    results.to_csv(args.out / "results.csv", index=False)
    print(results.round(4).to_string(index=False))
    print(f"results.csv, tensorboard/, MF/ and autoencoder/ are in {args.out}")


if __name__ == "__main__":
    main()
