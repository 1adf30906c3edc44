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
from graphrec.errors import InputError
from graphrec.evaluation.sampled import evaluate_sampled
from graphrec.report.plots import plot_history


class SampledLook:
    """HR@10 and NDCG@10 among 100 drawn items, on validation, in each epoch's line of the history."""

    def __init__(self, split):
        self.split = split

    def on_evaluation(self, state):
        state.row |= evaluate_sampled(state.model, self.split.train, self.split.valid, 10, 100, seed=0).mean


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="ml-100k", help="name of a data set")
    parser.add_argument("--out", type=Path, default=Path("runs/itempop_mlp"))
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--optimizer", choices=["adagrad", "adam", "rmsprop", "sgd"], default="adam")
    parser.add_argument("--quick", action="store_true", help="one epoch: does it run?")
    args = parser.parse_args()
    epochs = 1 if args.quick else args.epochs
    try:
        data = gr.load_dataset(args.data)
    except InputError as error:
        print(f"{error} The embedded data set stands in.")
        data = gr.load_dataset("synthetic")
    split = gr.split.leave_one_out(data.interactions.binarize(), valid=True)
    print(split)
    options = {"loss": "bce", "n_negatives": 4, "pairs": "interaction", "lr": 1e-3, "l2": 0.0, "weight_decay": 1e-5}
    options |= {"batch_size": 256, "epochs": epochs, "optimizer": args.optimizer, "metric": "ndcg@10"}
    mlp = gr.Recommender("mlp", dim=8, hidden=[32, 16, 8])
    mlp.fit(split.train, valid=split.valid, callbacks=[SampledLook(split)], **options)
    pop = gr.Recommender("itempop").fit(split.train, valid=split.valid)

    args.out.mkdir(parents=True, exist_ok=True)
    models = {"ItemPop": pop, "MLP": mlp}
    rows = [{"model": name, **gr.evaluate(r, split.test, k=10, negatives=100).mean} for name, r in models.items()]
    results = pd.DataFrame(rows)
    results.to_csv(args.out / "results.csv", index=False)
    mlp.history.to_csv(args.out / "history.csv", index=False)
    plot_history(mlp.history, ["hit_rate@10/100", "ndcg@10/100"]).savefig(args.out / "curves.png", dpi=120)
    mlp.save(args.out / "model")
    print(results.round(4).to_string(index=False))
    print(f"results.csv, history.csv, curves.png and model/ are in {args.out}")


if __name__ == "__main__":
    main()
