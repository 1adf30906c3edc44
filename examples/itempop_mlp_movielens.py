"""ItemPop and an MLP from scratch on MovieLens-100K (row 6 of the reference experiments).

MLP 16-32-16-8 (16 is both embeddings joined), BCE with 4 negatives, Adam 1e-3, weight decay 1e-5, batches of 256, 30
epochs; ``--optimizer`` takes adagrad, adam, rmsprop or sgd. Each user's latest rating is the test part, the one
before it the validation part; ranked among 100 drawn items.

Trap: a model saved because it is best on the test part has a figure that is too good. Here validation chooses the epoch,
the figures by epoch are those of validation, and the test part is read once.

    python examples/itempop_mlp_movielens.py --out runs/itempop_mlp
"""

import argparse
from pathlib import Path

import pandas as pd

import graphrec as gr
from graphrec.report.plots import plot_history

TRAINING = {"loss": "bce", "n_negatives": 4, "pairs": "interaction", "lr": 1e-3, "l2": 0.0, "weight_decay": 1e-5}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="ml-100k", help="name of a data set")
    parser.add_argument("--out", type=Path, default=Path("runs/itempop_mlp"))
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--optimizer", choices=["adagrad", "adam", "rmsprop", "sgd"], default="adam")
    parser.add_argument("--quick", action="store_true", help="one epoch: does it run?")
    args = parser.parse_args()
    how = {**TRAINING, "batch_size": 256, "epochs": 1 if args.quick else args.epochs, "optimizer": args.optimizer, "seed": 42}
    inter = gr.load_dataset(args.data, fallback="synthetic").interactions.binarize()
    split = gr.split.leave_one_out(inter, valid=True)
    print(split)
    mlp = gr.Recommender("mlp", dim=8, hidden=[32, 16, 8])
    mlp.fit(split.train, valid=split.valid, metric=["hit_rate@10/100", "ndcg@10/100"], **how)
    pop = gr.Recommender("itempop").fit(split.train, valid=split.valid)

    rows = []
    for name, recommender in (("ItemPop", pop), ("MLP", mlp)):
        mean = gr.evaluate(recommender, split.test, k=10, negatives=100).mean
        rows.append({"model": name, "best_epoch": recommender.best_epoch, **mean})
    args.out.mkdir(parents=True, exist_ok=True)
    results = pd.DataFrame(rows).astype({"best_epoch": "Int64"})
    results.to_csv(args.out / "results.csv", index=False)
    mlp.history.to_csv(args.out / "history.csv", index=False)
    plot_history(mlp.history).savefig(args.out / "curves.png", dpi=120)
    mlp.save(args.out / "model")
    print(results.round(4).to_string(index=False))
    print(f"results.csv, history.csv, curves.png and model/ are in {args.out}")


if __name__ == "__main__":
    main()
