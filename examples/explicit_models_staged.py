"""The three models of explicit ratings at falling learning rates (row 8 of the reference experiments).

The models of row 7 on MovieLens latest-small: a random 80:20 split with seed 3, factors from uniform(0, .05), and three stages
of 10, 10 and 15 epochs for the three models, each stage with a new Adam: .1, .01, .01; .05, .01, .001; .05, .001, .001.
Weight decay as in row 7; the global bias starts at 0 and not at the mean rating, which was better on validation. Validation
(an eighth of the 80 %) chooses the epoch of each stage; all stages are then repeated on the 80 %, and the error on the test
part is read after each.

Trap: the original drops held-out ratings of unseen ids after having encoded each part by itself. Here ids are encoded once,
before the split, and such ratings are dropped and counted.

    python examples/explicit_models_staged.py --out runs/explicit_models_staged
"""

from explicit_models import ROW, compare, parsed

import graphrec as gr

RATES = {"MF": [0.1, 0.01, 0.01], "MF with biases": [0.05, 0.01, 0.001], "CollabFNet": [0.05, 0.001, 0.001]}


def main():
    args = parsed(__doc__, "ml-latest-small", "runs/explicit_models_staged")
    ratings = gr.load_dataset(args.data, fallback="synthetic").interactions.drop_duplicates()
    split = gr.split.random(ratings, test=0.2, valid=0.1, seed=3, cold="drop")
    print(
        f"{len(ratings) - len(split.train_and_valid) - len(split.test)} held-out ratings of unknown users or items were dropped"
    )
    staged = {name: (kind, hyper, epochs, decay, RATES[name]) for name, (kind, hyper, epochs, decay, _) in ROW.items()}
    kind, hyper, *rest = staged["MF with biases"]
    staged["MF with biases"] = (kind, {**hyper, "centre": False}, *rest)
    compare(split, staged, args)


if __name__ == "__main__":
    main()
