"""Matrix factorisation and a deep autoencoder for ratings (row 10 of the reference experiments).

MovieLens latest-small, 80 % / 10 % / 10 %. a) MF, 50 factors, He-normal, L2 1e-6: MSE, Adam 1e-3, batches of 128, 20 epochs,
patience 2, min_delta .01. b) An autoencoder over item vectors: SELU, 28-56-56, dropout .3, 56-28-n, output fed in again:
MSE on observed entries only, Adam, at most 100 epochs, patience 5. The row's batches of 16 are item vectors; the
library's are ratings, and 16 vectors have about 128 of them. Beside them stand MF with biases, and the autoencoder with half
of its input dropped (not of what it has to answer): as the row has them both are worse than the means of users and items.

Trap: the original's validation reads the very rows that it reconstructs. Here entries are held out: neither the
validation nor the test ratings are in the vectors that the network reads.

    python examples/autoencoder_ratings.py --out runs/autoencoder_ratings
"""

import argparse
from pathlib import Path

import pandas as pd

import graphrec as gr
from graphrec.report.plots import plot_history
from graphrec.training.callbacks import TensorBoard

TRAINING = {"loss": "mse", "lr": 1e-3, "batch_size": 128, "metric": ["rmse", "mae"], "seed": 42}
AUTOENCODER = {"vectors": "items", "hidden": [28, 56, 56], "dropout": 0.3}
MODELS = {
    "MF": ("mf", {"dim": 50, "init": "he_normal"}, {"l2": 1e-6, "patience": 2, "min_delta": 0.01}),
    "MF with biases": ("mf", {"dim": 50, "init": "he_normal", "bias": True}, {"l2": 1e-6, "patience": 2, "min_delta": 0.01}),
    "autoencoder": ("autoencoder", AUTOENCODER, {"patience": 5}),
    "autoencoder, input dropout": ("autoencoder", {**AUTOENCODER, "input_dropout": 0.5}, {"patience": 5}),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="ml-latest-small", help="name of a data set with ratings")
    parser.add_argument("--out", type=Path, default=Path("runs/autoencoder_ratings"))
    parser.add_argument("--epochs", type=int, default=100, help="at most; of MF never more than 20")
    parser.add_argument("--quick", action="store_true", help="one epoch of large batches: does it run?")
    args = parser.parse_args()
    data = gr.load_dataset(args.data, fallback="synthetic")
    split = gr.split.random(data.interactions, test=0.1, valid=0.1, seed=42)
    print(split)
    means = gr.Recommender("bias").fit(split.train)
    rows, histories = [{"model": "user and item means", **gr.evaluate_ratings(means, split.test)}], {}
    for name, (kind, hyper, own) in MODELS.items():
        epochs = args.epochs if kind == "autoencoder" else min(args.epochs, 20)
        how = {**TRAINING, **own, "epochs": epochs, "callbacks": [TensorBoard(args.out / "tensorboard" / name)]}
        how |= {"epochs": 1, "batch_size": 1024} if args.quick else {}
        recommender = gr.Recommender(kind, **hyper).fit(split.train, valid=split.valid, **how)
        print(recommender.model, flush=True)
        figures = gr.evaluate_ratings(recommender, split.test)
        rows.append({"model": name, "best_epoch": recommender.best_epoch, **figures})
        histories[name] = recommender.history
        recommender.save(args.out / name)
    results = pd.DataFrame(rows).astype({"best_epoch": "Int64"})
    results.to_csv(args.out / "results.csv", index=False)
    plot_history(histories, metrics=["rmse"]).savefig(args.out / "curves.png", dpi=120)
    print(results.round(4).to_string(index=False))
    print(f"results.csv, curves.png, tensorboard/ and a folder for each model are in {args.out}")


if __name__ == "__main__":
    main()
