"""How well people never seen are served: beside those who were there in training, beside popularity, and always alike."""

import copy

import numpy as np
import pandas as pd
import pytest
import torch

import graphrec as gr
from graphrec.data.interactions import Interactions
from graphrec.graph.propagate import propagate
from graphrec.models import MODELS

NOT_PERSONAL = {"itempop", "random", "bias"}
OF_STARS = {"collabfnet", "embeddingnet"}  # trained to predict them, not to rank what is met next
HYPER = {"autoencoder": {"vectors": "users"}}
RATE = {"ncf": 0.03}
SHARE = 0.8  # of the recall of known people; on 40 people one standard error is about a tenth
K = 8


@pytest.fixture(scope="module")
def table():
    """40 people, 30 things, about a quarter of the pairs, each with a rating from 1 to 3."""
    g = np.random.default_rng(5)
    seen = g.random((40, 30)) < 0.25
    seen[np.arange(40), g.integers(0, 30, 40)] = True
    u, i = np.nonzero(seen)
    frame = pd.DataFrame({"user_id": u, "item_id": i, "rating": g.integers(1, 4, len(u)).astype(float)})
    return Interactions.from_frame(frame, rating="rating")


@pytest.fixture(scope="module")
def tastes():
    """200 people of 5 tastes and 100 things: what those who are trained on have met, the histories of every fifth, who are
    not, and what there is to find of each.

    Some things are met by many, of whatever taste: rows that are fitted too closely to a history rank below popularity here.
    """
    g = np.random.default_rng(3)
    given, hidden = [], {}
    for u in range(200):
        weight = np.where(u % 5 == np.arange(100) % 5, 1.0, 0.1) / (1 + np.arange(100) // 5)
        met = g.choice(100, 15, replace=False, p=weight / weight.sum()).tolist()
        given += [(u, i) for i in met[:10]]
        hidden[u] = set(met[10:])
    given = pd.DataFrame(given, columns=["user_id", "item_id"])
    left_out = given["user_id"] // 5 % 5 == 4
    there = Interactions.from_frame(given[~left_out])
    new = given[left_out & given["item_id"].isin(there.item_ids)]
    return there, new.groupby("user_id")["item_id"].agg(list).to_dict(), hidden


def recall(lists, hidden):
    return np.mean([len(set(own["item_id"]) & hidden[u]) / len(hidden[u]) for u, own in lists.groupby("user_id")])


@pytest.mark.filterwarnings("ignore:the table has ratings")
@pytest.mark.parametrize("name", sorted(set(MODELS) - NOT_PERSONAL - OF_STARS))
def test_new_people_are_served_like_known_ones(tastes, name):
    """They have a share of the recall of people who were trained on, and more than popularity finds where known people do."""
    there, histories, hidden = tastes
    options = {"seed": 0, "progress": False, "epochs": 40} if MODELS[name].needs_training else {}
    options |= {"lr": RATE.get(name, 0.01)} if options and name != "ials" else {}
    rec = gr.Recommender(name, **HYPER.get(name, {})).fit(there, **options)
    known = recall(rec.recommend(there.user_ids.tolist(), k=K), hidden)
    folded = recall(rec.recommend_new(histories, k=K), hidden)
    popular = recall(gr.Recommender("itempop").fit(there).recommend_new(histories, k=K), hidden)
    assert folded > SHARE * known
    assert folded > popular or popular > SHARE * known  # where there is something to lose


@pytest.mark.filterwarnings("ignore:the table has ratings")
@pytest.mark.parametrize("name", ["dgcf", "gcmc", "lightgcnpp", "pinsage", "simplex", "ultragcn", "cmn", "neumf"])
def test_answers_stay_the_same(table, device, tmp_path, name):
    """After a save and a load, in a copy, for one person of several; a question changes nothing."""
    rec = gr.Recommender(name, dim=8).fit(table, epochs=2, seed=0, progress=False, device=device)
    rec.model.zero_grad()
    state = {key: value.clone() for key, value in rec.model.state_dict().items()}
    histories = {"ann": [0, 3, 7], "bob": [5], "cid": list(range(12))}
    want = rec.recommend_new(histories, k=5)
    rec.save(tmp_path / "run")
    for other in (gr.load(tmp_path / "run", device=device), copy.deepcopy(rec)):
        pd.testing.assert_frame_equal(other.recommend_new(histories, k=5), want, rtol=1e-5)
    alone = rec.recommend_new({"bob": [5]}, k=5)
    assert alone["item_id"].tolist() == want.loc[want["user_id"] == "bob", "item_id"].tolist()
    assert all(torch.equal(value, state[key]) for key, value in rec.model.state_dict().items())
    assert all(p.grad is None for p in rec.model.parameters())


@pytest.mark.parametrize("own_score", [False, True])
def test_a_model_of_ones_own_takes_in_people_too(tastes, own_score):
    """Whatever its encoder does with the graph, here a hop with a transformation behind it."""

    class Mine(gr.models.Model):
        def __init__(self, train, *, dim=16):
            super().__init__(train)
            self.embedding = gr.models.embedding(self.n_users + self.n_items, dim)
            self.transform = torch.nn.Linear(dim, dim)
            self.graph = gr.BipartiteGraph(train).adjacency("sym")

        def encode(self):
            e = self.embedding + propagate(self.graph, self.transform(self.embedding).tanh())
            users, items = torch.split(e, [self.n_users, self.n_items])
            return gr.models.Encoding(gr.models.Table(users), gr.models.Table(items))

    class Scored(Mine):
        def score(self, u, v):
            return 2 * (u * v).sum(-1)

        def score_all(self, u, items):
            return 2 * u @ items.T

    there, histories, hidden = tastes
    rec = gr.Recommender(Scored if own_score else Mine).fit(there, epochs=40, lr=0.01, seed=0, progress=False)
    known = recall(rec.recommend(there.user_ids.tolist(), k=K), hidden)
    assert recall(rec.recommend_new(histories, k=K), hidden) > SHARE * known
