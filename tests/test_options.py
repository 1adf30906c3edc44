"""Options of fit: of the right type, read by somebody or refused by name, and those of another loss fall away."""

import dataclasses
import json
import warnings

import numpy as np
import pytest
import torch

import graphrec as gr
from graphrec import losses
from graphrec.errors import InputError
from graphrec.sampling import NegativeSampler
from graphrec.training.choose import choose
from graphrec.training.credit import Credit
from graphrec.training.objectives import kind_of
from graphrec.training.options import FitOptions
from graphrec.training.unread import READ_BY

EVERY_LOSS = [*losses.PAIRWISE, *losses.POINTWISE, *losses.ROWWISE, *losses.SHARED, *losses.EMBEDDING]


@pytest.fixture
def split(interactions):
    return gr.split.random(interactions, test=0.2, valid=0.1, seed=2)


@pytest.fixture
def asked(interactions):
    """Something to ask of each option of an objective."""
    credit = Credit(torch.zeros(interactions.n_items, 1, dtype=torch.int64), (0.5,))
    own = {"negatives": "popularity", "popularity_power": 0.5, "pairs": "interaction", "batch_size": 7, "n_negatives": 3}
    return {**own, "shared_negatives": True, "log_q": True, "credit": credit, "l2": 0.1, "loss_options": {}}


# ---- types -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["epochs", "batch_size", "n_negatives", "eval_every", "patience"])
@pytest.mark.parametrize("value", [0, -3, 2.5, 2.0, 1e21, 10**21, True, "3", np.float32(3), [3], float("nan")])
def test_counts_are_whole_numbers(name, value):
    with pytest.raises(gr.errors.InputError, match=f"^{name} must be (a whole number|below)"):
        FitOptions(**{name: value})


@pytest.mark.parametrize("name", ["lr", "l2", "weight_decay", "min_delta", "popularity_power"])
@pytest.mark.parametrize("value", [-0.1, float("nan"), float("inf"), True, "0.1", None, 1j])
def test_quantities_are_finite_numbers(name, value):
    with pytest.raises(gr.errors.InputError, match=f"^{name} must be a finite number"):
        FitOptions(**{name: value})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lr": 0}, "lr must be a finite number above 0"),
        ({"seed": None}, "seed must be a whole number of at least 0, got None"),
        ({"seed": -1}, "seed must be"),
        ({"seed": 2**63}, r"seed must be below 2\*\*63"),
        ({"seed": 1.0}, "seed must be"),
        ({"seed": "abc"}, "seed must be a whole number"),
        ({"progress": 1}, "progress must be True or False"),
        ({"shared_negatives": "yes"}, "shared_negatives must be"),
        ({"log_q": None}, "log_q must be"),
        ({"metric": 3}, "metric must be a name or a list"),
        ({"metric": []}, "metric must be"),
        ({"metric": ["ndcg@5", 5]}, "metric must be"),
        ({"optimizer": torch.optim.Adam}, "optimizer must be a name"),
        ({"device": 0}, "device must be a name"),
        ({"pairs": "users"}, "unknown value of pairs 'users'; did you mean 'user'"),
        ({"saturated": False}, "saturated must be a name"),
        ({"loss": 3}, "loss must be a name, a function"),
        ({"negatives": 3}, "negatives must be a name or an object with the method draw"),
        ({"negatives": NegativeSampler}, r"negatives is the class NegativeSampler; give an object"),
        ({"loss_options": [0.1]}, "loss_options must be a dictionary"),
        ({"parameter_groups": {"bias": 0.1}}, r"parameter_groups\['bias'\] must be a dictionary"),
        ({"parameter_groups": {"bias": {"lr": "fast"}}}, r"lr of parameter_groups\['bias'\] must be a finite number"),
        ({"schedule": 3}, "a schedule is a name"),
        ({"schedule": "cosin"}, "unknown schedule 'cosin'"),
        ({"credit": 0.5}, "credit must be"),
    ],
)
def test_wrong_types_are_named(options, message):
    with pytest.raises(gr.errors.InputError, match=message):
        FitOptions(**options)


def test_numbers_of_numpy_become_pythons():
    options = FitOptions(epochs=np.int64(3), seed=np.uint8(4), lr=np.float32(0.5), progress=np.bool_(False), metric=("a", "b"))
    assert [type(v) for v in (options.epochs, options.seed, options.lr, options.progress)] == [int, int, float, bool]
    assert json.loads(json.dumps(options.to_dict()))["metric"] == ["a", "b"]


# ---- what nobody reads -------------------------------------------------------------------------------------


@pytest.mark.parametrize("loss", EVERY_LOSS)
def test_every_option_is_read_or_refused(split, asked, loss):
    """What a loss does not declare is refused when it is given, and accepted when it is."""
    for name, value in asked.items():
        beside = {"negatives": "popularity"} if name == "popularity_power" and "negatives" in kind_of(loss).reads else {}
        negatives = value if name == "negatives" else beside.get("negatives", "uniform")
        given = {"loss": loss, name: value, **beside}
        if name in kind_of(loss).reads_of(loss, negatives) or value == {}:
            assert getattr(choose({}, given, split.train), name) == value
        else:
            with pytest.raises(gr.errors.InputError, match=f"^{name} .*does nothing for loss='{loss}'"):
                choose({}, given, split.train)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"loss": "mse", "negatives": "popularity"}, "negatives are drawn for the pairwise losses"),
        ({"loss": "multinomial", "n_negatives": 7}, "n_negatives is for negatives that are drawn"),
        ({"loss": "directau", "n_negatives": 7}, "n_negatives"),
        ({"loss": "directau", "log_q": True}, "log_q corrects"),
        ({"loss": "multinomial", "l2": 10.0}, "l2 is a penalty on the rows .* weight_decay"),
        ({"popularity_power": 0.5}, "popularity_power is for negatives='popularity'.*with negatives='uniform'"),
        ({"negatives": "in-batch", "n_negatives": 4}, "n_negatives .*in-batch"),
        ({"negatives": "in-batch", "shared_negatives": True}, "shared_negatives .*in-batch"),
        ({"loss": "mse", "pairs": "interaction"}, "pairs is for"),
        ({"loss": "shared_softmax", "shared_negatives": True}, "shared_negatives is for"),
        ({"loss": "shared_bsl", "log_q": True, "negatives": "popularity"}, "log_q"),
        ({"negatives": "hardest"}, "negatives='hardest' keeps the hardest of n_negatives, which is 1"),
        ({"negatives": None}, "'bpr' needs negatives"),
        ({"loss_options": {"temperature": 0.1}}, "do not suit the loss bpr"),
        ({"loss": "softmax", "loss_options": {"temperature": "hot"}}, r"loss_options\['temperature'\] .* must be a number"),
        ({"loss": "softmax", "loss_options": {"neg": 0}}, "do not suit the loss softmax"),
        ({"loss": lambda pos: pos}, "called with 2 tensors"),
        ({"loss": torch.nn.Bilinear(1, 1, 1)}, "Bilinear has parameters, which would not be trained"),
        ({"schedule": {"name": "steps", "rates": [0.1, 0.01]}, "lr": 0.5}, "lr=0.5 does nothing: schedule 'steps'"),
        ({"device": "banana"}, "unknown device 'banana'"),
        ({"patience": 3}, "patience is about the validation part"),
        ({"min_delta": 0.1}, "min_delta is about"),
        ({"eval_every": 2}, "eval_every is about"),
        ({"metric": "ndcg@5"}, "metric is about"),
        ({"schedule": "plateau"}, "follows the validation metric; fit needs valid"),
    ],
)
def test_what_would_do_nothing_is_refused(split, given, message):
    with pytest.raises(gr.errors.InputError, match=message):
        gr.Recommender("mf", dim=4).fit(split.train, progress=False, epochs=1, **given)


@pytest.mark.parametrize("name", ["multdae", "mf"])
def test_what_asks_for_nothing_is_fine(split, name):
    nothing = {"l2": 0, "weight_decay": 0.0, "log_q": False, "shared_negatives": False, "credit": None, "loss_options": {}}
    nothing |= {"patience": None, "min_delta": 0.0, "metric": None, "schedule": None, "saturated": "skip"}
    rec = gr.Recommender(name).fit(split.train, epochs=1, progress=False, **nothing)
    assert len(rec.history) == 1


def test_sgd_has_no_usual_rate_but_for_pairs(split):
    with pytest.warns(UserWarning, match="optimizer='sgd' has no usual rate, and lr=0.001 may change next to nothing"):
        gr.Recommender("mf", dim=2).fit(split.train, optimizer="sgd", epochs=1, progress=False)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        liked = split.train.binarize()
        gr.Recommender("mf", dim=2).fit(liked, optimizer="sgd", lr=1e-3, epochs=1, progress=False)
        pairs = gr.Recommender("mf", dim=2).fit(liked, optimizer="sgd", hogwild=True, epochs=1, progress=False)
    assert pairs.options["lr"] == 0.05


@pytest.mark.parametrize("model", ["mf", "lightgcn", "neumf"])
def test_sparse_adam_needs_sparse_gradients(split, model):
    with pytest.raises(
        InputError, match=r"'sparse_adam' needs sparse gradients.* \(MF: sparse=True\); 'adam' takes dense ones"
    ):
        gr.Recommender(model, dim=2).fit(split.train, optimizer="sparse_adam", epochs=1, progress=False)


def test_sparse_adam_has_no_weight_decay(split):
    with pytest.raises(gr.errors.InputError, match="sparse_adam has no weight decay"):
        gr.Recommender("mf", dim=4, sparse=True).fit(split.train, epochs=1, optimizer="sparse_adam", weight_decay=0.1)


def test_patience_needs_more_than_one_look(split):
    with pytest.raises(gr.errors.InputError, match="patience=3 does nothing: with eval_every=9 and epochs=4"):
        choose({}, {"patience": 3, "eval_every": 9, "epochs": 4}, split.train, split.valid)


def test_a_refit_has_no_metric_to_follow(split):
    options = {"schedule": "plateau", "epochs": 1, "progress": False}
    with pytest.raises(gr.errors.InputError, match=r"plateau.*refit=True trains a second time without validation"):
        gr.Recommender("mf", dim=4).fit(split.train, valid=split.valid, refit=True, **options)
    assert choose({}, options, split.train, split.valid).schedule == "plateau"


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"epochs": 3}, "no option 'epochs'"),
        ({"callbacks": [object()]}, "no callbacks"),
        ({"checkpoint": "c"}, "no checkpoint"),
        ({"resume": True}, "no resume"),
        ({"warm_start": True}, "has no stages; fit has no warm_start"),
    ],
)
def test_a_solved_model_says_what_it_does_not_read(split, how, message):
    with pytest.raises(gr.errors.InputError, match=f"'itempop' is solved in closed form.*{message}"):
        gr.Recommender("itempop").fit(split.train, **how)


# ---- defaults ----------------------------------------------------------------------------------------------


def test_defaults_of_a_replaced_loss_fall_away(split):
    fast = gr.presets.read_preset("lightgcn-fast")["fit"]
    kept = choose(fast, {}, split.train)
    assert (kept.loss_options, kept.n_negatives, kept.negatives) == ({"temperature": 0.12}, 4096, "popularity")
    for loss in ("bpr", "mse", "multinomial", "directau", lambda pos, neg: neg.mean() - pos.mean()):
        other = choose(fast, {"loss": loss}, split.train)
        assert (other.loss_options, other.n_negatives, other.negatives) == ({}, 1, "uniform")
        assert (other.batch_size, other.lr) == (2048, 0.04)
    sister = choose(fast, {"loss": "shared_bsl"}, split.train)
    assert (sister.loss_options, sister.n_negatives, sister.negatives) == ({}, 4096, "popularity")
    assert choose({"n_negatives": 4}, {"negatives": "in-batch"}, split.train).n_negatives == 1
    assert choose({"metric": "ndcg@5"}, {"loss": "mse"}, split.train, split.valid).metric == "rmse"
    assert choose({"metric": "ndcg@5"}, {"loss": "bce"}, split.train, split.valid).metric == "ndcg@5"


@pytest.mark.parametrize(
    ("given", "told"),
    [({"lr": 0.01}, "lr=0.01 is taken for Adam's; this model's own optimizer is 'row_adagrad' with lr=0.05"),
     ({"weight_decay": 0.1}, "weight_decay=0.1 is taken for Adam's"),
     ({"lr": 0.01, "optimizer": "adam"}, None),
     ({"lr": 0.01, "optimizer": "row_adagrad"}, None),
     ({}, None)],
)  # fmt: skip
def test_a_rate_that_changes_the_optimiser_says_so(split, given, told):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        rec = gr.Recommender("mf", dim=2).fit(split.train, epochs=1, progress=False, **given)
    said = [str(w.message) for w in caught if "optimizer" in str(w.message)]
    assert [told in one for one in said] == ([] if told is None else [True])
    assert rec.options["optimizer"] == (
        "row_adagrad" if given.get("optimizer", "row_adagrad") != "adam" and told is None else "adam"
    )


def test_a_penalty_that_is_not_felt_is_not_written_down(split):
    assert choose({"loss": "multinomial"}, {}, split.train).l2 == 0.0
    assert choose({"loss": "bpr"}, {}, split.train).l2 == 1e-4


@pytest.mark.parametrize("loss", EVERY_LOSS)
def test_selection_follows_the_loss(split, loss):
    wanted = "rmse" if loss in ("mse", "masked_mse") else "ndcg@20"
    assert choose({}, {"loss": loss}, split.train, split.valid).selected_on == wanted
    assert choose({}, {"loss": loss, "metric": "recall@3"}, split.train, split.valid).selected_on == "recall@3"
    unrated = dataclasses.replace(split.valid, ratings=None)
    assert choose({}, {"loss": loss}, split.train, unrated).selected_on == "ndcg@20"


def test_a_small_catalogue_is_ranked_whole(checkerboard):
    inter = gr.Interactions.from_frame(checkerboard[checkerboard["item_id"].isin([f"i{n}" for n in range(12)])])
    split = gr.split.random(inter, test=0.2, valid=0.2, seed=0)
    rec = gr.Recommender("mf", dim=4).fit(split.train, valid=split.valid, epochs=1, progress=False)
    assert "ndcg@12" in rec.history


def test_the_table_of_reasons_covers_the_options_of_objectives():
    declared = frozenset().union(*(kind_of(loss).reads for loss in EVERY_LOSS))
    assert set(READ_BY) == declared <= set(FitOptions.names())
