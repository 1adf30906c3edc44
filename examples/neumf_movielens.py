"""GMF, MLP and NeuMF on MovieLens (row 2 of the reference experiments).

32 factors, MLP 64-32-16-8 (the first is both embeddings joined), NeuMF from scratch and from the trained two. BCE with 4
negatives, Adam 1e-3, dropout 0.2, batches of 256, 10 epochs, seed 42. Each user's latest rating is the test part,
the one before it the validation part; ranked among 100 drawn items. The row's data are ``--data ml-1m``.

Trap: a checkpoint kept because it is best on the test part has a figure that is too good. Here validation chooses the
epoch (HR@10 and NDCG@10 of each are TensorBoard scalars), and the test part is read once.

    python examples/neumf_movielens.py --out runs/neumf_movielens
"""

import argparse
from pathlib import Path

import pandas as pd

import graphrec as gr
from graphrec.report.plots import plot_history
from graphrec.training.callbacks import TensorBoard

TRAINING = {"loss": "bce", "n_negatives": 4, "pairs": "interaction", "lr": 1e-3, "l2": 0.0, "batch_size": 256, "seed": 42}
MLP = {"hidden": [32, 16, 8], "dropout": 0.2}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="ml-100k", help="name of a data set")
    parser.add_argument("--out", type=Path, default=Path("runs/neumf_movielens"))
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--quick", action="store_true", help="one epoch of large batches: does it run?")
    args = parser.parse_args()
    how = {**TRAINING, "epochs": args.epochs, "metric": ["ndcg@10/100", "hit_rate@10/100"]}
    how |= {"epochs": 1, "batch_size": 2048} if args.quick else {}
    inter = gr.load_dataset(args.data, fallback="synthetic").interactions.binarize()
    split = gr.split.leave_one_out(inter, valid=True)
    print(split)
    rows, fitted = [], {}

    def fit(name, kind, **hyper):
        options = {**how, "callbacks": [TensorBoard(args.out / "tensorboard" / name)]} if kind != "itempop" else {}
        fitted[name] = gr.Recommender(kind, **hyper).fit(split.train, valid=split.valid, **options)
        mean = gr.evaluate(fitted[name], split.test, k=10, negatives=100).mean
        rows.append({"model": name, "best_epoch": fitted[name].best_epoch, **mean})
        print(rows[-1], flush=True)
        return fitted[name]

    fit("ItemPop", "itempop")
    gmf = fit("GMF", "gmf", dim=32)
    mlp = fit("MLP", "mlp", dim=32, **MLP)
    fit("NeuMF", "neumf", dim=32, **MLP)
    fit("NeuMF-pretrained", "neumf", dim=32, **MLP, gmf=gmf, mlp=mlp)

    results = pd.DataFrame(rows).astype({"best_epoch": "Int64"})
    results.to_csv(args.out / "results.csv", index=False)
    histories = {name: r.history for name, r in fitted.items() if len(r.history)}
    plot_history(histories).savefig(args.out / "curves.png", dpi=120)
    fitted["NeuMF-pretrained"].save(args.out / "model")
    print(results.round(4).to_string(index=False))
    print(f"results.csv, curves.png, tensorboard/ and model/ are in {args.out}")


if __name__ == "__main__":
    main()
