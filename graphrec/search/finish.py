"""The end of a search: the best few blended, and fitted anew on train and validation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from graphrec.recommender import Blend, Recommender
from graphrec.recommender.blend_weights import MemberScores, best_weights, forward_selection
from graphrec.recommender.refitting import refitted
from graphrec.recommender.tables import joined
from graphrec.search.run import LOOKS, Run
from graphrec.search.trial import Deadline, OutOfTime, Trial, reason_of

__all__ = ["blended", "fitted_anew"]

_MEMBERS = 4


def blended(run: Run) -> tuple[Recommender, list[Trial]]:
    """The best candidate, or a blend of a few where that is better on validation; with the candidates it is made of."""
    pool = [trial for _, trial in run.kept if trial.recommender is not None]
    task, best = run.task, pool[0].recommender
    assert best is not None
    looks = LOOKS * sum(trial.eval_seconds for trial in pool)
    while len(pool) > 1 and looks > max(0.0, run.budget.left):
        looks -= LOOKS * pool.pop().eval_seconds
    if len(pool) == 1:
        return best, pool
    whole = Trial("blend", {}, {})
    made: list[Blend] = []

    def fit() -> float:
        models = [trial.recommender.model for trial in pool if trial.recommender is not None]
        scores = MemberScores(models, task.train, task.looked_at, task.metric, seed=task.seed)
        weights = best_weights(scores, np.flatnonzero(forward_selection(scores, _MEMBERS)).tolist())
        chosen = [(trial, float(weight)) for trial, weight in zip(pool, weights, strict=True) if weight > 0]
        members = [trial.recommender for trial, _ in chosen if trial.recommender is not None]
        blend = Blend(members, weights=[w for _, w in chosen]).fit(task.train, valid=task.looked_at, device=task.device)
        made.append(blend)
        pool[:] = [trial for trial, _ in chosen]
        whole.hyper = _shares(chosen)
        return task.figure(blend)

    started = run.budget.spent
    try:
        figure = fit()
    except Exception as error:  # the best candidate is there all the same
        run.tell(whole, "failed", reason_of(error))
        return best, [run.kept[0][1]]
    if len(pool) == 1:  # nobody else has a say
        return best, [run.kept[0][1]]
    whole.seconds = run.budget.spent - started
    run.tell(whole, "ok", figure=figure)
    if figure > run.kept[0][0]:
        return made[0], pool
    return best, [run.kept[0][1]]


def _shares(chosen: Sequence[tuple[Trial, float]]) -> dict[str, str]:
    """The weights by the models' names; of a model in several settings, with these beside the name."""
    names = [trial.model for trial, _ in chosen]
    told = [
        model if names.count(model) == 1 else f"{model}({','.join(f'{k}={v}' for k, v in trial.hyper.items())})"
        for model, (trial, _) in zip(names, chosen, strict=True)
    ]
    return {name: f"{weight:.2f}" for name, (_, weight) in zip(told, chosen, strict=True)}


def fitted_anew(run: Run, best: Recommender, parts: list[Trial]) -> Recommender:
    """On train and validation together, if there is time; otherwise as it is, and the table says so."""
    task, trial = run.task, Trial("refit", {}, {})
    expected = sum(part.refit_seconds() for part in parts)
    left = run.budget.left + 0.05 * run.budget.seconds
    if expected > left:
        run.tell(trial, "skipped", f"would take about {expected:.0f} s; {max(left, 0):.0f} s are left: fitted on train alone")
        best._state = replace(best._fitted, valid=task.valid)
        return best
    started = run.budget.spent
    try:
        again = refitted(best, joined(task.train, task.valid), task.device, [Deadline(np.inf, max(1.0, left))])
    except (OutOfTime, Exception) as error:
        run.tell(trial, "failed", f"{reason_of(error)}: fitted on train alone")
        best._state = replace(best._fitted, valid=task.valid)
        return best
    again._state = replace(again._fitted, valid=task.valid, selected=True)
    trial.seconds = run.budget.spent - started
    run.tell(trial, "ok", "on train and validation, with everything as chosen")
    return again
