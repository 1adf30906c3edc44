"""One step of ``fit`` against its formula, and what an epoch leaves in the history: nothing here is drawn by chance."""

import math

import numpy as np
import pytest
import torch
from torch.nn import functional as F

import graphrec as gr
from graphrec import losses
from graphrec.errors import InputError

pytestmark = pytest.mark.filterwarnings("ignore:.*nothing in train")

# Each user lacks one item of three, which is therefore every negative.
USERS, ITEMS, NEGATIVES = torch.tensor([0, 0, 1, 1]), torch.tensor([0, 1, 1, 2]), torch.tensor([2, 2, 0, 0])
RATINGS = torch.tensor([1.0, 4.0, 3.0, 5.0])
TRAIN = gr.Interactions.from_indices(USERS.numpy(), ITEMS.numpy(), ratings=RATINGS.numpy())
ONE_STEP = {"epochs": 1, "batch_size": 4, "pairs": "interaction", "optimizer": "sgd", "progress": False, "seed": 3}


def without_pairs(how):
    return {name: value for name, value in how.items() if name != "pairs"}


def weights(**options):
    """The two tables of a factorisation after a fit, and its recommender."""
    rec = gr.Recommender("mf", dim=3, init_std=0.7).fit(TRAIN, **options)
    state = rec.model.state_dict()
    return state["users"].clone(), state["items"].clone(), rec


def start(how):
    """Where training begins: after a step too small for float32."""
    users, items, _ = weights(**{**how, "lr": 1e-30})
    return users.requires_grad_(), items.requires_grad_()


def halved_squares(*rows):
    return sum(r.square().sum() for r in rows) / (2 * len(rows[0]))


def bpr(u, v):
    p, q, n = u[USERS], v[ITEMS], v[NEGATIVES]
    return -F.logsigmoid((p * q).sum(1) - (p * n).sum(1)).mean(), halved_squares(p, q, n)


def mse(u, v):
    p, q = u[USERS], v[ITEMS]
    return ((p * q).sum(1) - RATINGS).square().mean(), halved_squares(p, q)


def in_batch(u, v):
    p, q = u[USERS], v[ITEMS]
    gaps = [-F.logsigmoid(p[a] @ q[a] - p[a] @ q[b]) for a in range(4) for b in range(4) if ITEMS[a] != ITEMS[b]]
    # A row's own positive, and another row's equal one, cost nothing but count in the mean.
    return torch.stack(gaps).sum() / 16, halved_squares(p, q)


def directau(u, v):
    return losses.directau(u[USERS], v[ITEMS]), halved_squares(u[USERS], v[ITEMS])


@pytest.mark.parametrize("l2", [0.0, 0.3])
@pytest.mark.parametrize(
    ("formula", "options"),
    [
        (bpr, {"loss": "bpr"}),
        (in_batch, {"loss": "bpr", "negatives": "in-batch"}),
        (mse, {"loss": "mse"}),
        (directau, {"loss": "directau"}),
    ],
    ids=["bpr", "in-batch", "mse", "directau"],
)
def test_a_step_goes_down_the_gradient_of_loss_and_penalty(formula, options, l2):
    # A loss of ratings and one without negatives may refuse options that they do not read.
    how = {**(ONE_STEP if options["loss"] != "mse" else without_pairs(ONE_STEP)), **options, "l2": l2}
    users, items = start(how)
    loss, penalty = formula(users, items)
    value = loss + l2 * penalty
    grads = torch.autograd.grad(value, (users, items))
    after_users, after_items, rec = weights(**{**how, "lr": 0.5})
    assert rec.history["loss"].item() == pytest.approx(value.item(), rel=1e-5)
    assert torch.allclose(after_users, users - 0.5 * grads[0], atol=1e-6)
    assert torch.allclose(after_items, items - 0.5 * grads[1], atol=1e-6)


def test_the_penalty_draws_weights_to_zero():
    how = {**ONE_STEP, "epochs": 200, "loss": "bpr", "lr": 0.1}
    free, bound = (torch.cat(weights(**how, l2=l2)[:2]).norm().item() for l2 in (0.0, 1.0))
    assert bound < free / 10


def test_whole_rows():
    how = {**without_pairs(ONE_STEP), "batch_size": 2, "lr": 1e-30}
    users, items, rec = weights(**how, loss="multinomial")
    seen = torch.tensor([[1.0, 1, 0], [0, 1, 1]])
    want = -(seen * (users @ items.T).log_softmax(1)).sum(1).mean()
    assert rec.history["loss"].item() == pytest.approx(want.item(), rel=1e-5)


def test_whole_rows_of_ratings():
    how = {**without_pairs(ONE_STEP), "batch_size": 2, "lr": 1e-30}
    users, items, rec = weights(**how, loss="masked_mse")
    assert rec.history["loss"].item() == pytest.approx(
        ((users @ items.T)[USERS, ITEMS] - RATINGS).square().mean().item(), rel=1e-5
    )


@pytest.mark.parametrize("batch_size", [1, 2, 4])
def test_the_loss_of_an_epoch_is_the_mean_of_its_steps(batch_size):
    users, items, rec = weights(**{**ONE_STEP, "batch_size": batch_size, "lr": 1e-30, "epochs": 3}, loss="bpr", l2=0.0)
    assert rec.history["loss"].tolist() == pytest.approx([bpr(users, items)[0].item()] * 3, rel=1e-5)
    assert rec.history["epoch"].tolist() == [1, 2, 3]
    assert rec.history["lr"].tolist() == pytest.approx([1e-30] * 3)


def test_callbacks_see_every_step_and_epoch():
    seen = []

    class Look:
        def on_step_end(self, state):
            seen.append((state.epoch, state.step))

        def on_epoch_end(self, state):
            seen.append(f"end of {state.epoch}")

    weights(**{**ONE_STEP, "batch_size": 2, "epochs": 2, "lr": 1e-3}, callbacks=[Look()])
    assert seen == [(0, 1), (0, 2), "end of 1", (1, 3), (1, 4), "end of 2"]


def test_a_callback_may_stop_training():
    class Stop:
        def on_epoch_end(self, state):
            state.stop = state.epoch == 2

    assert len(weights(**{**ONE_STEP, "epochs": 9, "lr": 1e-3}, callbacks=[Stop()])[2].history) == 2


# ---- looks at validation ----------------------------------------------------------------------------


@pytest.fixture
def split(interactions):
    return gr.split.random(interactions, test=0.2, valid=0.2, seed=2)


def fitted(split, **options):
    how = {"batch_size": 64, "lr": 0.05, "progress": False, "metric": "recall@5", **options}
    return gr.Recommender("mf", dim=4).fit(split.train, valid=split.valid, **how)


@pytest.mark.parametrize(
    ("epochs", "eval_every", "looks"), [(5, 2, [2, 4, 5]), (4, 2, [2, 4]), (3, 1, [1, 2, 3]), (2, 7, [2]), (1, 3, [1])]
)
def test_validation_is_looked_at_every_so_many_epochs_and_after_the_last(split, epochs, eval_every, looks):
    history = fitted(split, epochs=epochs, eval_every=eval_every).history
    assert history.loc[history["recall@5"].notna(), "epoch"].tolist() == looks
    assert len(history) == epochs


def test_the_best_look_is_kept_and_known(split):
    rec = fitted(split, epochs=7, eval_every=3, lr=0.2)
    looked = rec.history.dropna(subset=["recall@5"])
    assert rec.best_epoch == looked.loc[looked["recall@5"].idxmax(), "epoch"]
    again = fitted(split, epochs=7, eval_every=3, lr=0.2, callbacks=[Stopping(rec.best_epoch)])
    assert torch.equal(rec.model.state_dict()["users"], again.model.state_dict()["users"])


class Stopping:
    def __init__(self, epoch):
        self.epoch = epoch

    def on_epoch_end(self, state):
        state.stop = state.epoch >= self.epoch


def test_patience_counts_looks_and_not_epochs(split):
    rec = fitted(split, epochs=200, eval_every=2, patience=3, lr=0.2)
    assert len(rec.history) == rec.best_epoch + 2 * 3 < 200


def test_values_of_validation_are_those_of_an_evaluation(split):
    rec = fitted(split, epochs=1)
    plain = gr.Recommender("mf", dim=4).fit(split.train, batch_size=64, lr=0.05, epochs=1, progress=False)
    assert rec.history["recall@5"].item() == pytest.approx(gr.evaluate(plain, split.valid, k=5).mean["recall@5"])


# ---- mistakes ----------------------------------------------------------------------------------------


def test_an_error_of_ones_own_loss_is_not_explained_away():
    def broken(pos, neg):
        raise TypeError("boom")

    with pytest.raises(TypeError, match="boom"):
        weights(**{**ONE_STEP, "lr": 0.1}, loss=broken)


def test_options_that_do_not_suit_the_loss_are_named():
    with pytest.raises(InputError, match="temperatur"):
        weights(**{**ONE_STEP, "lr": 0.1}, loss="softmax", loss_options={"temperatur": 0.1})


def test_a_loss_that_is_no_number_ends_training_at_its_step():
    calls = []

    def diverging(pos, neg):
        calls.append(1)
        return (pos.sum() - neg.sum()) * (math.nan if len(calls) == 3 else 1.0)

    with pytest.raises(ArithmeticError, match="nan in epoch 2, step 1"):
        weights(**{**ONE_STEP, "batch_size": 2, "epochs": 5, "lr": 1e-3}, loss=diverging)


def test_resuming_needs_a_folder_and_begins_where_nothing_was_saved(tmp_path):
    how = {**ONE_STEP, "epochs": 2, "lr": 0.1}
    with pytest.raises(InputError, match="checkpoint"):
        weights(**how, resume=True)
    fresh = weights(**how, checkpoint=tmp_path / "new", resume=True)
    assert torch.equal(fresh[0], weights(**how)[0])
    longer = weights(**{**how, "epochs": 5}, checkpoint=tmp_path / "new", resume=True)
    assert longer[2].history["epoch"].tolist() == [1, 2, 3, 4, 5]
    assert torch.equal(longer[0], weights(**{**how, "epochs": 5})[0])


def test_credit_is_for_each_item_of_the_table():
    from graphrec.training.credit import Credit

    how = {**ONE_STEP, "lr": 0.1}
    with pytest.raises(InputError, match="credit describes 4 items and the training table has 3"):
        weights(**how, credit=Credit(torch.zeros(4, 1, dtype=torch.int64), (0.5,)))
    half = weights(**how, l2=0.0, credit=Credit(torch.zeros(3, 1, dtype=torch.int64), (0.5,)))
    users, items = start({**how, "l2": 0.0})
    gaps = (users[USERS] * items[ITEMS]).sum(1) - (users[USERS] * items[NEGATIVES]).sum(1)
    assert half[2].history["loss"].item() == pytest.approx(F.softplus(math.log(0.5) - gaps).mean().item(), rel=1e-5)


def test_ratings_are_needed_by_losses_of_ratings():
    bare = gr.Interactions.from_indices(np.array([0, 1]), np.array([0, 1]))
    with pytest.raises(InputError, match="'mse' needs ratings"):
        gr.Recommender("mf", dim=2).fit(bare, loss="mse", epochs=1, progress=False)
