"""EmbeddingNet for ratings under cyclical learning rates (row 3 of the reference experiments).

MovieLens-100K, random 80:20, seed 42; an eighth of the 80 % is the validation part. 150 factors, hidden 500-500-500, dropout
.05 of embeddings and .5/.5/.25, a sigmoid scaled to the range of ratings. MSE, Adam 1e-3, weight decay 1e-5, batches of 50,
at most 100 epochs, patience 10, best weights restored. ``--schedule`` names the learning rate's course.

Trap: a figure of the very part that stopped the training is too good. Here validation stops it, and the test part is
read once.

    python examples/embeddingnet_ratings.py --schedule cosine_restarts --out runs/embeddingnet
"""

import argparse
import math
from pathlib import Path

import graphrec as gr
from graphrec.errors import InputError
from graphrec.report.item_plots import plot_item_components
from graphrec.report.plots import plot_history, plot_learning_rate
from graphrec.training.schedules import preview

SCHEDULES = ["triangular", "triangular2", "exp_range", "cosine_restarts"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="ml-100k", help="name of a data set")
    parser.add_argument("--out", type=Path, default=Path("runs/embeddingnet"))
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--schedule", choices=SCHEDULES, default="triangular2")
    parser.add_argument("--quick", action="store_true", help="one epoch: does it run?")
    args = parser.parse_args()
    epochs = 1 if args.quick else args.epochs
    try:
        data = gr.load_dataset(args.data)
    except InputError as error:
        print(f"{error} The embedded data set stands in.")
        data = gr.load_dataset("synthetic")
    split = gr.split.random(data.interactions, test=0.2, valid=0.1, seed=42)
    ratings = split.train.ratings
    low, high = float(ratings.min()), float(ratings.max())
    options = {"loss": "mse", "lr": 1e-3, "weight_decay": 1e-5, "l2": 0.0, "batch_size": 50, "metric": "rmse", "patience": 10}
    net = gr.Recommender("embeddingnet", dim=150, hidden=[500, 500, 500], rating_range=(low, high))
    net.fit(split.train, valid=split.valid, epochs=epochs, schedule=args.schedule, seed=42, **options)

    args.out.mkdir(parents=True, exist_ok=True)
    net.history.to_csv(args.out / "history.csv", index=False)
    plot_history(net.history).savefig(args.out / "curves.png", dpi=120)
    per_epoch = math.ceil(len(split.train) / 50)
    rates = {name: preview(name, 1e-3, 8 * per_epoch, per_epoch) for name in SCHEDULES}
    plot_learning_rate(rates).savefig(args.out / "learning_rate.png", dpi=120)
    names = data.items.set_index("item_id")
    ids = split.train.item_ids
    titles = names["title"].reindex(ids).fillna("").tolist() if "title" in names else [str(i) for i in ids]
    for component in range(2):
        figure = plot_item_components(net.model.items.detach(), titles, component)
        figure.savefig(args.out / f"component_{component + 1}.png", dpi=120)
    net.save(args.out / "model")
    print({"schedule": args.schedule, "best_epoch": net.best_epoch, **gr.evaluate_ratings(net, split.test)})
    print(f"history.csv, curves.png, learning_rate.png, component_1.png, component_2.png and model/ are in {args.out}")


if __name__ == "__main__":
    main()
