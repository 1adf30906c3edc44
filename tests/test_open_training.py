"""Losses, objectives, samplers and extra losses of one's own: what they are given, and what is refused of what they give."""

import math

import numpy as np
import pytest
import torch
from torch.nn import functional as F

import graphrec as gr
from graphrec import losses
from graphrec.models import Encoding, Step, Table
from graphrec.sampling import NegativeSampler, PairBatch
from graphrec.training.objectives import objective
from graphrec.training.options import FitOptions
from graphrec.training.trainer import Trainer

HOW = {"epochs": 2, "batch_size": 64, "lr": 0.01, "seed": 1, "progress": False}


@pytest.fixture
def split(interactions):
    return gr.split.random(interactions, test=0.2, valid=0.1, seed=2)


def weights(train, model="mf", **options):
    return gr.Recommender(model, dim=8).fit(train, **{**HOW, **options}).model.state_dict()["items"]


# ---- a function ----------------------------------------------------------------------------------------------


def plain_bpr(pos, neg):
    return F.softplus(neg - pos[:, None]).mean()


@pytest.mark.parametrize(
    ("options", "k"),
    [
        ({"n_negatives": 1}, 1),
        ({"n_negatives": 3}, 3),
        ({"negatives": "hardest", "n_negatives": 5}, 1),
        ({"negatives": "popularity", "n_negatives": 2}, 2),
        ({"n_negatives": 7, "shared_negatives": True}, 7),
        ({"negatives": "in-batch"}, None),
    ],
)
@pytest.mark.parametrize("model", ["mf", "gmf"])
def test_a_function_sees_a_row_of_negatives_for_each_positive(split, options, k, model):
    shapes = []

    def loss(pos, neg):
        shapes.append((tuple(pos.shape), tuple(neg.shape)))
        return plain_bpr(pos, neg)

    weights(split.train, model, loss=loss, **options)
    assert len(shapes) == 2 * math.ceil(len(split.train) / 64)
    assert all(pos == (neg[0],) and neg[1] == (k or neg[0]) for pos, neg in shapes)


def test_a_function_is_trained_like_the_loss_it_copies(split):
    function, named = (weights(split.train, loss=loss, optimizer="adam", l2=0.01) for loss in (plain_bpr, "bpr"))
    assert torch.allclose(function, named, atol=1e-6)
    with_margin = {"loss": lambda pos, neg, margin: losses.hinge(pos, neg, margin), "loss_options": {"margin": 0.5}}
    hinge = {"loss": "hinge", "loss_options": {"margin": 0.5}}
    assert torch.allclose(weights(split.train, **with_margin), weights(split.train, **hinge), atol=1e-6)  # one is compiled


@pytest.mark.parametrize(
    ("loss", "message"),
    [
        (lambda pos, neg: pos - neg[:, 0], r"must give a scalar tensor, got shape \(64,\)"),
        (lambda pos, neg: (pos - neg[:, 0]).mean()[None], r"got shape \(1,\)"),
        (lambda pos, neg: 0.5, "must give a scalar tensor, got float"),
        (lambda pos, neg: None, "got NoneType"),
        (lambda pos, neg: torch.tensor(0.5), "a number without a gradient"),
        (lambda pos, neg: torch.tensor(0.5, requires_grad=True), "a number without a gradient"),
        (lambda pos, neg: plain_bpr(pos, neg).detach(), "a number without a gradient"),
    ],
)
def test_what_a_function_returns_is_checked(split, loss, message):
    with pytest.raises(gr.errors.InputError, match=message):
        weights(split.train, loss=loss)


def test_a_model_that_scores_in_another_shape_is_named(split):
    class Column(gr.models.MF):
        def score(self, u, v):
            return super().score(u, v)[..., None]

    with pytest.raises(gr.errors.InputError, match=r"Column must score 64 pairs by .* got \(64, 1\) and"):
        gr.Recommender(Column, dim=4).fit(split.train, loss=lambda pos, neg: (pos - neg).mean(), **HOW)


# ---- an objective ------------------------------------------------------------------------------------------


class EveryItem:
    """Squared error of whole rows against ones and zeros, ten users at a time, and a pull of all items to zero."""

    def __init__(self, parts=True):
        self.parts = parts
        self.seen = 0

    def sampler(self, train, generator):
        rows, owner = torch.from_numpy(train.to_csr("ones").toarray()), self

        class Batches:
            def __iter__(self):
                for users in torch.randperm(train.n_users, generator=generator).split(10):
                    owner.seen += 1
                    yield users, rows[users]

            def __len__(self):
                return math.ceil(train.n_users / 10)

        return Batches()

    def __call__(self, model, batch):
        users, target = batch
        z = model.encode()
        error = F.mse_loss(model.score_all(z.users.rows(users), z.items.full()), target)
        pull = 0.01 * z.items.full().square().mean()
        return {"error": error, "pull": pull} if self.parts else error + pull

    def state_dict(self):
        return {"seen": self.seen}

    def load_state_dict(self, state):
        self.seen = state["seen"]


OWN = {"epochs": 4, "lr": 0.05, "seed": 1, "progress": False}


def test_an_objective_of_ones_own_is_trained_and_its_parts_are_columns(split):
    rec = gr.Recommender("mf", dim=8).fit(split.train, valid=split.valid, loss=EveryItem(), schedule="cosine", **OWN)
    history = rec.history
    assert list(history.columns[:6]) == ["epoch", "loss", "error", "pull", "lr", "seconds"]
    assert np.allclose(history["loss"], history["error"] + history["pull"])
    assert history["loss"].iloc[-1] < history["loss"].iloc[0]
    assert "ndcg@20" in history
    whole = gr.Recommender("mf", dim=8).fit(split.train, loss=EveryItem(parts=False), schedule="cosine", **OWN)
    assert np.allclose(whole.history["loss"], history["loss"])
    assert rec.options["loss"].endswith(":EveryItem")


def test_an_objective_of_ones_own_resumes_with_its_state(split, tmp_path):
    whole = gr.Recommender("mf", dim=8).fit(split.train, loss=EveryItem(), **OWN)
    gr.Recommender("mf", dim=8).fit(split.train, loss=EveryItem(), checkpoint=tmp_path, **{**OWN, "epochs": 2})
    goal = EveryItem()
    rest = gr.Recommender("mf", dim=8).fit(split.train, loss=goal, checkpoint=tmp_path, resume=True, **OWN)
    assert torch.equal(whole.model.state_dict()["items"], rest.model.state_dict()["items"])
    assert goal.seen == 4 * math.ceil(split.train.n_users / 10)


@pytest.mark.parametrize("option", [{"batch_size": 64}, {"l2": 0.1}, {"n_negatives": 2}, {"loss_options": {"a": 1}}])
def test_an_objective_of_ones_own_reads_no_options_of_the_librarys(split, option):
    with pytest.raises(gr.errors.InputError, match=f"{next(iter(option))} .*nothing for loss='EveryItem'"):
        gr.Recommender("mf", dim=8).fit(split.train, loss=EveryItem(), **OWN, **option)


def given(value, batches=None):
    class Given(EveryItem):
        def sampler(self, train, generator):
            return super().sampler(train, generator) if batches is None else batches

        def __call__(self, model, batch):
            return value(super().__call__(model, batch))

    return Given()


def no_call():
    class Half:
        def sampler(self, train, generator):
            return []

    return Half()


@pytest.mark.parametrize(
    ("goal", "message"),
    [
        (EveryItem, "loss is the class EveryItem; give an object"),
        (no_call(), "the objective Half must be callable"),
        (given(lambda v: {**v, "lr": v["pull"]}), "a term 'lr', which is a column of the history"),
        (given(lambda v: {**v, "wide": v["pull"][None]}), r"got shape \(1,\) for 'wide'"),
        (given(lambda v: {}), "a number without a gradient"),
        (given(lambda v: v["error"].detach()), "a number without a gradient"),
        (given(lambda v: v, batches=iter(())), "gave no batch in epoch 1"),
    ],
)
def test_what_an_objective_does_is_checked(split, goal, message):
    with pytest.raises(gr.errors.InputError, match=message):
        gr.Recommender("mf", dim=8).fit(split.train, loss=goal, **OWN)


def test_a_schedule_needs_to_know_how_many_batches_there_are(split):
    class Endless(EveryItem):
        def sampler(self, train, generator):
            return iter(super().sampler(train, generator))

    with pytest.raises(gr.errors.InputError, match=r"has no len\(\)"):
        gr.Recommender("mf", dim=8).fit(split.train, loss=Endless(), schedule="cosine", **OWN)
    with pytest.raises(gr.errors.InputError, match="gave no batch in epoch 2"):
        gr.Recommender("mf", dim=8).fit(split.train, loss=Endless(), **OWN)


# ---- negatives ---------------------------------------------------------------------------------------------


class FirstUnseen:
    """The items a user has not met with the lowest index, and where the random part would begin."""

    def __init__(self, train, change=lambda drawn: drawn):
        self.seen = train.to_csr("ones").toarray() > 0
        self.change = change
        self.asked = []

    def draw(self, users, k, seed):
        self.asked.append((users.copy(), k, seed))
        users[:] = 0  # the batch must not change by it
        drawn = np.argsort(self.seen[self.asked[-1][0]], axis=1, kind="stable")[:, :k]
        return self.change(drawn)


@pytest.mark.parametrize("change", [lambda drawn: drawn, lambda drawn: drawn.astype(np.int32), torch.from_numpy])
def test_negatives_of_ones_own_reach_the_loss(split, change):
    batches = []

    class Watch(gr.models.MF):
        def auxiliary(self, step):
            batches.append(step.batch)
            return {}

    sampler = FirstUnseen(split.train, change)
    gr.Recommender(Watch, dim=4).fit(split.train, negatives=sampler, n_negatives=3, **HOW)
    assert len(batches) == len(sampler.asked)
    for batch, (users, k, _) in zip(batches, sampler.asked, strict=True):
        assert batch.users.tolist() == users.tolist()
        want = np.argsort(sampler.seen[users], axis=1, kind="stable")[:, :3]
        assert k == 3
        assert np.array_equal(batch.negatives, want)
    seeds = [seed for *_, seed in sampler.asked]
    assert len(set(seeds)) == len(seeds)
    assert all(0 <= seed < 2**64 for seed in seeds)
    again = FirstUnseen(split.train)
    gr.Recommender("mf", dim=4).fit(split.train, negatives=again, n_negatives=3, **HOW)
    assert [seed for *_, seed in again.asked] == seeds


def test_the_librarys_own_sampler_is_one_of_ones_own(split):
    own = NegativeSampler(split.train, "popularity")
    rec = gr.Recommender("mf", dim=4).fit(split.train, negatives=own, **{**HOW, "epochs": 25})
    assert rec.history["loss"].iloc[-1] < rec.history["loss"].iloc[0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda drawn: drawn[:, :1], r"must return negatives of shape \(64, 2\), got \(64, 1\)"),
        (lambda drawn: drawn.astype(float), "an array of integers, got an array of float64"),
        (lambda drawn: drawn.tolist(), "an array of integers, got list"),
        (lambda drawn: drawn > 0, "got an array of bool"),
        (lambda drawn: drawn + 44, "returned item 4[5-9]|returned item [5-9].; there are 45 items"),
        (lambda drawn: drawn - 1 - drawn.min(), "returned item -1; there are 45 items"),
    ],
)
def test_negatives_that_cannot_be_are_refused(split, change, message):
    with pytest.raises(gr.errors.InputError, match=message):
        weights(split.train, negatives=FirstUnseen(split.train, change), n_negatives=2)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"shared_negatives": True}, "shared_negatives .*FirstUnseen"),
        ({"popularity_power": 0.5}, "popularity_power .*FirstUnseen"),
        ({"loss": "softmax", "log_q": True}, "log_q .*FirstUnseen"),
        ({"loss": "mse"}, "negatives are drawn for"),
        ({"loss": "shared_softmax"}, "kind of shared negatives 'FirstUnseen'"),
    ],
)
def test_a_sampler_of_ones_own_reads_the_number_alone(split, options, message):
    with pytest.raises(gr.errors.InputError, match=message):
        weights(split.train, negatives=FirstUnseen(split.train), **options)


# ---- extra losses of a model -------------------------------------------------------------------------------


class Watched(gr.models.MF):
    def __init__(self, train):
        super().__init__(train, dim=4)
        self.steps = []

    def auxiliary(self, step):
        self.steps.append(step)
        return {"pull": 0.5 * step.rows.items.square().mean(), "push": step.rows.users.sum() * 0 + step.epoch}


def test_the_extra_loss_sees_the_step_and_has_its_columns(split):
    rec = gr.Recommender(Watched).fit(split.train, n_negatives=2, **HOW)
    steps, per_epoch = rec.model.steps, math.ceil(len(split.train) / 64)
    assert [step.epoch for step in steps] == [1] * per_epoch + [2] * per_epoch
    for step in steps:
        assert isinstance(step, Step)
        assert isinstance(step.encoding, Encoding)
        assert isinstance(step.batch, PairBatch)
        assert step.batch.negatives.shape == (len(step.batch.users), 2)
        assert step.rows.items.shape == (3 * len(step.batch.users), 4)
    history = rec.history
    assert list(history.columns[:5]) == ["epoch", "loss", "l2", "pull", "push"]
    assert history["push"].tolist() == [1.0, 2.0]
    pulls = [0.5 * step.rows.items.square().mean().item() for step in steps]
    assert np.allclose(history["pull"], [np.mean(pulls[:per_epoch]), np.mean(pulls[per_epoch:])])
    assert (history["loss"] > history["push"] + history["pull"] + history["l2"]).all()


@pytest.mark.parametrize(("name", "column", "loss"), [("multvae", "kl", "multinomial"), ("autoencoder", "refeed", "mse")])
def test_extra_losses_of_the_autoencoders_are_columns(split, name, column, loss):
    history = gr.Recommender(name).fit(split.train, loss=loss, **HOW).history
    assert (history[column] > 0).all()
    assert (history["loss"] > history[column]).all()


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        (lambda step: step.rows.items.mean(), r"Odd.auxiliary\(\) must return a mapping .* got Tensor"),
        (lambda step: None, r"Odd.auxiliary\(\) must return a mapping .* got NoneType"),
        (lambda step: {"loss": step.rows.items.mean()}, "a term 'loss', which is a column"),
        (lambda step: {"pull": step.rows.items}, r"must give a scalar tensor, got shape \(\d+, 4\) for 'pull'"),
        (lambda step: {"pull": 0.5}, "got float for 'pull'"),
    ],
)
def test_what_an_extra_loss_returns_is_checked(split, extra, message):
    class Odd(gr.models.MF):
        def auxiliary(self, step):
            return extra(step)

    with pytest.raises(gr.errors.InputError, match=message):
        gr.Recommender(Odd, dim=4).fit(split.train, **HOW)


@pytest.mark.parametrize("loss", ["bpr", "mse", "multinomial", "shared_softmax", "directau"])
def test_an_encoding_that_is_none_is_named(split, loss):
    class Pair(gr.models.Model):
        def __init__(self, train):
            super().__init__(train)
            self.users = torch.nn.Parameter(torch.ones(train.n_users, 2))

        def encode(self):
            return self.users, self.users

    with pytest.raises(gr.errors.InputError, match=r"Pair.encode\(\) must return an Encoding, got tuple"):
        gr.Recommender(Pair).fit(split.train, loss=loss, **HOW)


# ---- divergence --------------------------------------------------------------------------------------------


class Large(gr.models.Model):
    """Parameters that one step of a large size makes useless."""

    def __init__(self, train, start=1.0):
        super().__init__(train)
        self.users = torch.nn.Parameter(torch.full((train.n_users, 2), start))
        self.items = torch.nn.Parameter(torch.arange(2.0 * train.n_items).view(-1, 2) / 100)

    def encode(self):
        return Encoding(Table(self.users), Table(self.items))


@pytest.mark.parametrize("lr", [1e25, 1e38])
def test_a_last_step_that_diverges_is_noticed(split, lr):
    with pytest.raises(FloatingPointError, match=r"parameters became .* in epoch 1, step 1: training diverged"):
        gr.Recommender(Large).fit(split.train, epochs=1, batch_size=10**6, lr=lr, optimizer="sgd", progress=False)


def test_large_but_useful_parameters_are_not_taken_for_divergence(split):
    rec = gr.Recommender(Large, start=1e6).fit(split.train, epochs=1, lr=1e-9, progress=False)
    assert rec.model.users.max() > 9e5


@pytest.mark.parametrize("worst", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("metric", ["ndcg@20", "rmse"])
def test_a_value_that_is_no_number_is_never_the_best(split, worst, metric):
    values = iter([worst, 0.5, worst])
    options = FitOptions(**{**HOW, "epochs": 3}, metric=metric)
    torch.manual_seed(0)
    trainer = Trainer(gr.models.MF(split.train, dim=4), options, lambda model, valid: {metric: next(values)})
    assert trainer.fit(split.train, split.valid).best_epoch == 2


@pytest.mark.parametrize("options", [{"n_negatives": 1}, {"negatives": "in-batch"}])
def test_a_loss_that_pairs_every_positive_with_all_negatives_is_refused(split, options):
    def slip(pos, neg):
        return torch.nn.functional.softplus(neg - pos).mean()

    with pytest.raises(gr.errors.InputError, match=r"write pos\[:, None\]"):
        gr.Recommender("mf", dim=4).fit(split.train, loss=slip, epochs=1, progress=False, **options)

    def aligned(pos, neg):
        return torch.nn.functional.softplus(neg - pos[:, None]).mean()

    how = {"epochs": 1, "progress": False, "optimizer": "adam", "l2": 0.0, **options}
    right = gr.Recommender("mf", dim=4).fit(split.train, loss=aligned, **how)
    named = gr.Recommender("mf", dim=4).fit(split.train, loss="bpr", **how)
    assert right.history["loss"].item() == pytest.approx(named.history["loss"].item())


@pytest.mark.parametrize(
    ("loss", "by_pairs"), [("bpr", True), ("softmax", True), ("directau", False), ("shared_softmax", False), ("mse", True)]
)
def test_what_an_objective_says_of_its_batches(loss, by_pairs):
    made = objective(FitOptions(loss=loss))
    assert (made.by_pairs, made.reads_order, made.takes_steps) == (by_pairs, loss == "mse", False)
