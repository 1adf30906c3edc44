"""Steps, evaluation, negatives and sampling against what they are measured by, on Gowalla, both sides in one run."""

from __future__ import annotations

import argparse
import itertools
import time
from collections.abc import Callable

import numpy as np
import pandas as pd
import torch

import graphrec as gr
from benchmarks.pictures import bars
from benchmarks.plain import PlainLightGCN, PlainNGCF, blocked_matmuls
from benchmarks.record import interleaved, ratio, spread, write
from benchmarks.speed_shallow import factorisation, walks
from benchmarks.startup import memory, startup
from graphrec.models import Model
from graphrec.ranking.ranker import Ranker
from graphrec.sampling import NegativeSampler, PairBatch, PairSampler
from graphrec.sampling.negatives import draw_seed
from graphrec.training.objectives import objective
from graphrec.training.options import FitOptions
from graphrec.training.trainer import Trainer

BATCH = 2048


def batch_of(train: gr.Interactions) -> PairBatch:
    sampler = PairSampler(train, BATCH, generator=torch.Generator().manual_seed(0))
    return next(iter(sampler))


def our_step(model: Model, batch: PairBatch, l2: float) -> Callable[[], torch.Tensor]:
    """One step as the trainer takes it."""
    options = FitOptions(loss="bpr", l2=l2)
    compute, optimizer = objective(options), torch.optim.Adam(model.parameters(), lr=1e-3, fused=True)
    model.train()

    def step() -> torch.Tensor:
        optimizer.zero_grad(set_to_none=True)
        loss = compute(model, batch)
        loss.backward()
        optimizer.step()
        return loss.detach()

    return step


def plain_step(model: torch.nn.Module, batch: PairBatch, l2: float) -> Callable[[], torch.Tensor]:
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)

    def step() -> torch.Tensor:
        optimizer.zero_grad()
        loss = model.loss(batch.users, batch.items, batch.negatives[:, 0], l2)
        loss.backward()
        optimizer.step()
        return loss.detach()

    return step


def step_rows(name: str, ours: Callable[[], torch.Tensor], plain: Callable[[], torch.Tensor], rounds: int) -> list[dict]:
    assert torch.isclose(ours(), plain(), rtol=1e-4), "the two sides compute different losses"
    seconds = interleaved({"graphrec": ours, "plain torch": plain}, rounds)
    return [{"what": name, "side": side, **spread(s), "ratio": ratio(seconds["plain torch"], s)} for side, s in seconds.items()]


def steps(train: gr.Interactions, rounds: int) -> list[dict]:
    torch.manual_seed(0)
    batch = batch_of(train)
    light = gr.models.LightGCN(train, dim=64, layers=3)
    plain = PlainLightGCN(light.adjacency(), light.embedding, train.n_users, 3)
    rows = step_rows("LightGCN step, K = 3", our_step(light, batch, 1e-4), plain_step(plain, batch, 1e-4), rounds)
    ngcf = gr.models.NGCF(train, dim=64, layers=[64, 64, 64], message_dropout=0.0)
    other = PlainNGCF(gr.BipartiteGraph(train).adjacency("ngcf"), ngcf, train.n_users)
    return rows + step_rows(
        "NGCF step, 64-64-64", our_step(ngcf, batch, 1e-5), plain_step(other, batch, 1e-5), max(5, rounds // 3)
    )


def evaluation(train: gr.Interactions, rounds: int) -> list[dict]:
    model = gr.models.MF(train, dim=64)
    everyone = np.arange(train.n_users)
    calls = {
        "graphrec top 20 of all users": lambda: Ranker(model, train).top_k(everyone, 20),
        "bare matmuls, 1024 × 1024": blocked_matmuls(model.users.detach(), model.items.detach(), 1024, 1024),
    }
    seconds = interleaved(calls, rounds, warm=1)
    base = seconds["bare matmuls, 1024 × 1024"]
    return [
        {"what": "full ranking, all users", "side": side, **spread(s), "ratio": ratio(s, base)} for side, s in seconds.items()
    ]


def questions(train: gr.Interactions) -> list[dict]:
    """One person's recommendations and one thing's likes, once the first question has been asked; 2 and 5 ms are the bars."""
    recommender = gr.Recommender("lightgcn", dim=64, layers=3).fit(train, epochs=1, progress=False)
    user, item = train.user_ids[5], train.item_ids[7]
    calls = {
        "recommend for one person": lambda: recommender.recommend(user, k=10),
        "similar items of one": lambda: recommender.similar_items(item, k=10),
    }
    seconds = interleaved(calls, 200, warm=5)
    return [{"what": name, "side": "graphrec", **spread(s), "ratio": ""} for name, s in seconds.items()]


def by_search(keys: np.ndarray, n_items: int, users: np.ndarray, k: int) -> Callable[[], np.ndarray]:
    """What one would write in NumPy: draw, look all pairs up among the sorted keys, draw the met ones again."""
    g = np.random.default_rng(0)

    def draw() -> np.ndarray:
        owner = np.repeat(users, k)
        out = g.integers(0, n_items, len(owner))
        todo = np.arange(len(owner))
        while len(todo):
            wanted = owner[todo] * n_items + out[todo]
            place = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
            todo = todo[keys[place] == wanted]
            out[todo] = g.integers(0, n_items, len(todo))
        return out

    return draw


def negatives(train: gr.Interactions) -> list[dict]:
    sampler, g = NegativeSampler(train), np.random.default_rng(0)
    rows = []
    for n, k, rounds in ((2048, 1, 200), (2048, 64, 50), (1_000_000, 1, 5), (1_000_000, 8, 5)):
        users, seed = g.integers(0, train.n_users, n), draw_seed(torch.Generator().manual_seed(1))
        calls = {
            "graphrec": lambda u=users, k=k, s=seed: sampler.draw(u, k, s),
            "NumPy searchsorted": by_search(np.sort(train.keys), train.n_items, users, k),
        }
        for side, call in calls.items():  # one after the other: taken in turn, each would find the other's data in the cache
            seconds = interleaved({side: call}, rounds)[side]
            rate = f"{n * k / np.median(seconds) / 1e6:.0f} M/s"
            rows.append({"what": f"exact negatives, {n:,} × {k}", "side": side, **spread(seconds), "ratio": rate})
    return rows


def bookkeeping(train: gr.Interactions) -> list[dict]:
    """Share of a training epoch that is not the step itself: sampling, callbacks, the loop."""
    model = gr.models.LightGCN(train, dim=64, layers=3)
    trainer = Trainer(model, FitOptions(epochs=1, progress=False))
    inside = 0.0

    def timed(call: Callable[..., object]) -> Callable[..., object]:
        def run(*arguments: object) -> object:
            nonlocal inside
            started = time.perf_counter()
            result = call(*arguments)
            inside += time.perf_counter() - started
            return result

        return run

    sampler = trainer.objective.sampler(train, trainer.generator)
    trainer.objective.terms = timed(trainer.objective.terms)
    trainer.optimizers.step = timed(trainer.optimizers.step)
    few = itertools.islice(sampler, 100)
    started = time.perf_counter()
    trainer._epoch(few)
    share = 1 - inside / (time.perf_counter() - started)
    return [{"what": "sampling and bookkeeping, share of a step", "side": "graphrec", "ratio": f"{share:.1%}"}]


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks speed", description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    args = parser.parse_args(arguments)
    split = gr.load_dataset("gowalla").split.without_valid()
    rows = steps(split.train, args.rounds) + evaluation(split.train, max(3, args.rounds // 3))
    rows += factorisation(split.train, args.rounds) + walks(split.train, max(3, args.rounds // 5))
    rows += questions(split.train) + negatives(split.train) + bookkeeping(split.train) + startup() + memory()
    table = pd.DataFrame(rows)
    write("speed", "Speed on Gowalla (64 dimensions, batches of 2,048)", table.fillna(""), bars(table))


if __name__ == "__main__":
    main([])
