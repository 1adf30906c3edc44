"""Partial credit as an option of fit: it is the wrapped loss, batch by batch, and it is refused where it means nothing."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
from torch.nn import functional as F

import graphrec as gr
from graphrec.data.features import Features
from graphrec.models import MF
from graphrec.sampling import PairBatch
from graphrec.training.credit import Credit
from graphrec.training.objectives import objective
from graphrec.training.options import FitOptions

HOW = {"epochs": 2, "batch_size": 64, "lr": 0.05, "l2": 0.0, "progress": False}


def credit_of(inter, weight=0.4):
    return Credit(torch.arange(inter.n_items)[:, None] % 3, (weight,))


def weights(inter, **options):
    return gr.Recommender("mf", dim=4).fit(inter, **HOW, **options).model.state_dict()["items"]


@pytest.mark.parametrize("negatives", ["uniform", "hardest"])
def test_bpr_with_credit_is_its_formula(interactions, negatives):
    model = MF(interactions, dim=4)
    users, items = torch.tensor([0, 3]), torch.tensor([1, 5])
    drawn = torch.tensor([[4, 6, 10], [8, 7, 9]])  # modulo 3: 1|1,0,1 and 2|2,1,0
    shares = torch.tensor([[0.6, 1.0, 0.6], [0.6, 1.0, 1.0]])
    gap = (model.users[users][:, None] * model.items[drawn]).sum(-1) - (model.users[users] * model.items[items]).sum(-1)[
        :, None
    ]
    if negatives == "hardest":
        worst = gap.argmax(1, keepdim=True)
        gap, shares = gap.gather(1, worst), shares.gather(1, worst)
    options = FitOptions(l2=0.0, negatives=negatives, n_negatives=3, credit=credit_of(interactions))
    value = objective(options)(model, PairBatch(users, items, drawn))
    assert torch.allclose(value, F.softplus(gap + shares.log()).mean())


def test_in_batch_negatives_get_credit(interactions):
    model = MF(interactions, dim=4)
    batch = PairBatch(torch.tensor([0, 3, 4]), torch.tensor([1, 4, 6]))  # the first two share their label
    scores = model.users[batch.users] @ model.items[batch.items].T
    p = (scores + torch.tensor([[1, 0.6, 1], [0.6, 1, 1], [1, 1, 1]]).log()).log_softmax(1).diagonal()
    options = FitOptions(loss="softmax", loss_options={"temperature": 1.0}, l2=0.0, negatives="in-batch")
    plain = objective(options)(model, batch)
    credited = objective(FitOptions(**{**options.__dict__, "credit": credit_of(interactions)}))(model, batch)
    assert torch.allclose(credited, -p.mean(), atol=1e-6)
    assert credited < plain


def test_weight_zero_trains_as_without_and_full_credit_everywhere_teaches_nothing(interactions):
    alike = Credit(torch.zeros(interactions.n_items, 1, dtype=torch.int64), (1.0,))
    plain = weights(interactions)
    assert torch.allclose(plain, weights(interactions, credit=credit_of(interactions, 0.0)), atol=1e-6)  # one is compiled
    assert not torch.allclose(plain, weights(interactions, credit=credit_of(interactions)), atol=1e-3)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        untrained = MF(interactions, dim=4).items
    assert torch.equal(untrained, weights(interactions, credit=alike, optimizer="sgd"))


def test_first_labels(interactions):
    n = np.arange(interactions.n_items)
    frame = pd.DataFrame({"item_id": interactions.item_ids, "genres": np.where(n % 2, "A|B", "B|A"), "year": n})
    credit = Credit.of_first_labels(Features.from_frame(frame, interactions), {"genres": 0.4})
    assert torch.equal(credit.between(torch.tensor([0]), torch.tensor([1, 2])), torch.tensor([[0.0, 0.4]]))
    with pytest.raises(gr.errors.InputError, match=r"genre'.*genres"):
        Credit.of_first_labels(Features.from_frame(frame, interactions), {"genre": 0.4})


def test_options_with_credit_are_saved(interactions, tmp_path):
    gr.Recommender("mf", dim=4).fit(interactions, credit=credit_of(interactions), **HOW).save(tmp_path / "m")
    saved = json.loads((tmp_path / "m" / "run.json").read_text())["options"]["credit"]
    assert saved == credit_of(interactions).to_dict()
    assert saved["weights"] == [0.4]


def test_resuming_with_another_credit_is_refused(interactions, tmp_path):
    gr.Recommender("mf", dim=4).fit(interactions, credit=credit_of(interactions), checkpoint=tmp_path, **HOW)
    with pytest.raises(gr.errors.InputError, match="credit"):
        weights(interactions, credit=credit_of(interactions, 0.3), checkpoint=tmp_path, resume=True)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda inter: weights(inter, credit=credit_of(inter), loss="mse"), "pairwise losses.*nothing for loss='mse'"),
        (lambda inter: weights(inter, credit=0.4), "credit must be a .*Credit, got float"),
        (lambda inter: weights(inter, credit=Credit(torch.zeros(3, 1, dtype=torch.int64), (0.4,))), "describes 3 items and"),
        (lambda inter: Credit(torch.zeros(3, 1, dtype=torch.int64), (1.4,)), "must lie in"),
        (lambda inter: Credit(torch.zeros(3, 2, dtype=torch.int64), (0.4,)), "a column per weight"),
    ],
)
def test_bad_credit_is_refused(interactions, make, message):
    with pytest.raises(gr.errors.InputError, match=message):
        make(interactions)
