"""MF-BPR and RP3β, which look zero hops far and train nothing: beside plain torch, the bytes they move, and plain SciPy."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from scipy import sparse

import graphrec as gr
from benchmarks.plain import bpr_with_l2
from benchmarks.record import interleaved, ratio, spread
from graphrec.ranking.ranker import Ranker
from graphrec.sampling import PairBatch
from graphrec.training.options import FitOptions
from graphrec.training.trainer import Trainer

__all__ = ["factorisation", "walks"]

USERS = 2000  # SciPy ranks some of them only


def _rows(what: str, calls: dict[str, Callable[[], object]], rounds: int, warm: int = 2) -> list[dict]:
    """Both sides in turn, and how much longer the other one takes."""
    seconds = interleaved(calls, rounds, warm)
    other = list(seconds.values())[-1]
    return [{"what": what, "side": side, **spread(s), "ratio": ratio(other, s)} for side, s in seconds.items()]


def _trainer(train: gr.Interactions) -> Trainer:
    net = gr.models.MF(train, dim=64)
    return Trainer(net, FitOptions(**{**net.defaults, "progress": False}))


def factorisation(train: gr.Interactions, rounds: int) -> list[dict]:
    """MF's step with its defaults beside torch's sparse gradients and Adagrad; an epoch beside copies of the same rows."""
    trainer = _trainer(train)
    batch: PairBatch = next(iter(trainer.objective.sampler(train, trainer.generator)))
    ours = trainer.compiled
    assert ours is not None
    plain = plain_step(trainer.model, batch, trainer.options.l2)
    assert np.isclose(sum(ours(batch)), float(plain()), rtol=1e-4), "the two sides compute different losses"
    rows = _rows("MF-BPR step", {"graphrec": lambda: ours(batch), "plain torch": plain}, 10 * rounds)
    sampler = trainer.objective.sampler(train, trainer.generator)
    calls = {"graphrec": lambda: trainer._epoch(sampler), "its rows, read and written": copies(trainer, train)}
    return rows + _rows("MF-BPR epoch", calls, rounds)


def plain_step(model: torch.nn.Module, batch: PairBatch, l2: float) -> Callable[[], torch.Tensor]:
    """One step of embeddings whose gradients are sparse, from the same weights."""
    users, items = (
        torch.nn.Embedding.from_pretrained(t.detach().clone(), False, sparse=True) for t in (model.users, model.items)
    )
    optimizer = torch.optim.Adagrad([*users.parameters(), *items.parameters()], lr=0.05)

    def step() -> torch.Tensor:
        optimizer.zero_grad()
        rows = users(batch.users), items(batch.items), items(batch.negatives[:, 0])
        loss = bpr_with_l2(*rows, rows, l2)
        loss.backward()
        optimizer.step()
        return loss.detach()

    return step


def copies(trainer: Trainer, train: gr.Interactions) -> Callable[[], None]:
    """The rows of an epoch's batches, taken out of tables like the model's and put back: the least that its steps move."""
    batches = list(trainer.objective.sampler(train, trainer.generator))
    users, items = (table.detach().clone() for table in (trainer.model.users, trainer.model.items))

    def copy() -> None:
        for batch in batches:
            for table, index in ((users, batch.users), (items, batch.items), (items, batch.negatives[:, 0])):
                table.index_copy_(0, index, table.index_select(0, index))

    return copy


def walks(train: gr.Interactions, rounds: int) -> list[dict]:
    """RP3β solved for all items, and the best items of some users, beside products of sparse matrices."""
    model = gr.models.RP3beta(train)
    x = train.to_csr("ones")
    calls = {"graphrec": model.solve, "plain SciPy": lambda: plain_walks(x, model.alpha, model.beta)}
    rows = _rows("RP3β fit", calls, rounds, warm=1)
    similar, users = plain_walks(x, model.alpha, model.beta), np.arange(0, train.n_users, train.n_users // USERS)
    ranker, theirs = Ranker(model, train), plain_best(x, similar, users)
    assert np.isclose(ranker.top_k(users, 20)[1], theirs(), rtol=1e-3).all(), "the two sides rank by different scores"
    rows += _rows("RP3β top 20", {"graphrec": lambda: ranker.top_k(users, 20), "plain SciPy": theirs}, rounds, warm=1)
    everyone = np.arange(train.n_users)
    seconds = interleaved({"graphrec": lambda: ranker.top_k(everyone, 20)}, rounds, warm=1)["graphrec"]
    return [*rows, {"what": "RP3β top 20 of all users", "side": "graphrec", **spread(seconds), "ratio": ""}]


def plain_walks(x: sparse.csr_matrix, alpha: float, beta: float) -> sparse.csr_matrix:
    """Rᵀ D_U^-α R between D_I^-α and D_I^-β."""
    users, items = (np.maximum(np.asarray(x.sum(axis)).ravel(), 1) for axis in (1, 0))
    left, middle, right = (sparse.diags(d.astype(np.float32)) for d in (items**-alpha, users**-alpha, items**-beta))
    return (left @ x.T.tocsr() @ middle @ x @ right).tocsr()


def plain_best(x: sparse.csr_matrix, similar: sparse.csr_matrix, users: np.ndarray) -> Callable[[], np.ndarray]:
    """The 20 highest scores of some users, falling, without what they have met; 500 of them at a time."""

    def best() -> np.ndarray:
        found = []
        for lo in range(0, len(users), 500):
            some = x[users[lo : lo + 500]]
            scores = (some @ similar).toarray()
            scores[some.nonzero()] = -np.inf
            top = np.argpartition(-scores, 20, axis=1)[:, :20]
            found.append(-np.sort(-np.take_along_axis(scores, top, 1), axis=1))
        return np.concatenate(found)

    return best
