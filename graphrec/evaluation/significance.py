"""Whether one model is better than another, user by user."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from graphrec.deferred import pandas as pd
from graphrec.errors import InputError
from graphrec.evaluation.beyond import basis_of
from graphrec.evaluation.metrics import check_names
from graphrec.evaluation.report import Report

if TYPE_CHECKING:
    from graphrec.evaluation.comparison import Comparison

__all__ = ["compare"]


def compare(
    reports: Mapping[str, Report | Sequence[Report]],
    baseline: str | None = None,
    metrics: Sequence[str] | None = None,
    n_permutations: int = 10_000,
    seed: int = 0,
) -> Comparison:
    """Paired comparison of models on the same test pairs, ranked the same way.

    Parameters
    ----------
    reports : mapping of str to Report, or to a sequence of Report
        At least two models. A sequence holds the runs of a model with several seeds: the values of a user are
        averaged over its runs before users are compared.
    baseline : str, optional
        The model that the others are compared with; the last one unless named.
    metrics : sequence of str, optional
        Those that all reports have, unless given. Figures of all lists together (``report.overall``) stand last, without
        a test: their p is NaN.
    n_permutations : int
        Random swaps of the sign test (Fisher's randomisation over users, two-sided). The observed signs count as one
        more: p is at least ``1 / (n_permutations + 1)``.
    seed : int
        Of the swaps.

    Returns
    -------
    Comparison
        A DataFrame with a row per model and metric: model, metric, mean, baseline, difference, p, and p_holm, which is
        corrected for the number of rows. Where a sequence was given also std and seeds after mean, and baseline_std
        and baseline_seeds after baseline: the standard deviation of the means over runs (n - 1 in its denominator; NaN
        for one run) and the number of runs. ``to_markdown()`` and ``to_latex()`` print it as papers do.

    Raises
    ------
    InputError
        Fewer than two models, a model without a report, an unknown baseline or metric, no shared metric; or reports of
        different protocols: other pairs left out, other test pairs, other candidates.

    Warns
    -----
    UserWarning
        A model knew more pairs than the baseline, such as one that was fitted anew on training and validation.

    Examples
    --------
    >>> split = gr.split.chronological(gr.load_dataset("synthetic").interactions.binarize(), test=0.2)
    >>> reports = {name: gr.evaluate(gr.Recommender(name).fit(split.train), split, k=20) for name in ("ease", "itempop")}
    >>> gr.compare(reports, metrics=["ndcg@20"])[["model", "baseline", "difference", "p"]].round(4)
      model  baseline  difference       p
    0  ease    0.0625      0.1315  0.0001
    """
    if not isinstance(reports, Mapping):
        raise InputError(f"compare takes reports by names of models, {{'a': report, …}}, not {type(reports).__name__}.")
    check_names(metrics)
    runs = _runs(reports)
    baseline = _checked(runs, baseline, n_permutations)
    of_users, of_runs = _metrics(runs, baseline, metrics)
    _say_if_fitted_on_more(runs, baseline)
    users = pd.Index(runs[baseline][0].per_user["user_id"])
    values = {name: [_by_user(run, of_users, users) for run in of_model] for name, of_model in runs.items()}
    spread = any(not isinstance(given, Report) for given in reports.values())
    base = np.mean(values[baseline], axis=0)
    rows = []
    for name in runs:
        if name == baseline:
            continue
        mine = np.mean(values[name], axis=0)
        for column, metric in enumerate(of_users):
            difference = mine[:, column] - base[:, column]
            p = _randomisation_p(difference, n_permutations, seed)
            means = {which: [float(run[:, column].mean()) for run in values[which]] for which in (name, baseline)}
            row = _row(name, metric, means[name], means[baseline], spread)
            rows.append({**row, "difference": float(difference.mean()), "p": p})
        for metric in of_runs:
            figures = {which: [float(run.overall[metric]) for run in runs[which]] for which in (name, baseline)}
            row = _row(name, metric, figures[name], figures[baseline], spread)
            rows.append({**row, "difference": row["mean"] - row["baseline"], "p": float("nan")})
    from graphrec.evaluation.comparison import Comparison  # a kind of DataFrame: making the class imports pandas

    table = Comparison(rows)
    table["p_holm"] = _holm(table["p"].to_numpy(np.float64))
    table.attrs |= {"baseline": baseline, "models": list(runs), "n_users": len(users)}
    return table


def _runs(reports: Mapping[str, Report | Sequence[Report]]) -> dict[str, list[Report]]:
    """The reports of each model, a single one as a list of one."""
    for name, given in reports.items():
        if not isinstance(given, Report) and not (
            isinstance(given, list | tuple) and all(isinstance(run, Report) for run in given)
        ):
            raise InputError(
                f"{name!r} must be a report of gr.evaluate or a list of such, one a seed; got {type(given).__name__}."
            )
    runs = {name: [given] if isinstance(given, Report) else list(given) for name, given in reports.items()}
    for name, of_model in runs.items():
        if len({id(run) for run in of_model}) < len(of_model):
            raise InputError(f"the runs of {name!r} hold one report twice; each must be of a seed of its own.")
    return runs


def _say_if_fitted_on_more(runs: Mapping[str, Sequence[Report]], baseline: str) -> None:
    base = runs[baseline][0].n_trained
    for name, of_model in runs.items():
        for run in of_model:
            if base is not None and run.n_trained not in (None, base):
                warnings.warn(
                    f"{name} was fitted on {run.n_trained:,} pairs and {baseline} on {base:,}: a part of their difference "
                    "is that of the data. Fit both on the same, refit=True with both or with neither.",
                    stacklevel=3,
                )
                break


def _metrics(runs: Mapping[str, Sequence[Report]], baseline: str, named: Sequence[str] | None) -> tuple[list[str], list[str]]:
    """The metrics to be compared: those that each user has, and those of all lists together."""
    everyone = [run for of_model in runs.values() for run in of_model]
    tested = [m for m in everyone[0].metrics if all(m in run.metrics for run in everyone)]
    shared = tested + [m for m in everyone[0].overall if all(m in run.overall for run in everyone)]
    for metric in named or ():
        if metric not in shared:
            raise InputError(f"metric {metric!r} is not in all reports; shared are {', '.join(shared)}.")
    chosen = list(dict.fromkeys(named or shared))  # a metric that is named twice is tested once
    if not chosen:
        raise InputError("the reports have no metric in common; evaluate all with the same k and metrics.")
    _check_basis(runs, baseline, chosen, shared)
    return [m for m in chosen if m in tested], [m for m in chosen if m not in tested]


def _checked(runs: Mapping[str, Sequence[Report]], baseline: str | None, n_permutations: int) -> str:
    """The baseline's name, once the reports are known to tell of the same ranking."""
    if len(runs) < 2:
        raise InputError("compare needs at least two reports.")
    names = list(runs)
    baseline = names[-1] if baseline is None else baseline
    if baseline not in runs:
        raise InputError(f"baseline {baseline!r} is not one of the reports: {', '.join(names)}.")
    if n_permutations < 1:
        raise InputError(f"n_permutations must be at least 1, got {n_permutations}.")
    for name, of_model in runs.items():
        if not of_model:
            raise InputError(f"model {name!r} has no report: its list is empty.")
    first = runs[baseline][0]
    for name, of_model in runs.items():
        for run in of_model:
            differences = run.protocol.differences(first.protocol)
            if differences:
                raise InputError(
                    f"reports {name!r} and {baseline!r} do not compare like with like: {'; '.join(differences)}. "
                    "Evaluate both with graphrec.evaluate(recommender, split) and the same options."
                )
            if not pd.Index(run.per_user["user_id"]).sort_values().equals(pd.Index(first.per_user["user_id"]).sort_values()):
                raise InputError(f"reports {name!r} and {baseline!r} are over different users; evaluate both on one test part.")
    return baseline


def _check_basis(runs: Mapping[str, Sequence[Report]], baseline: str, chosen: Sequence[str], shared: Sequence[str]) -> None:
    """Refuse figures that were not measured against the same."""
    first = runs[baseline][0]
    for metric in chosen:
        what = basis_of(metric)
        for name, run in ((name, run) for name, of_model in runs.items() for run in of_model):
            if what is not None and run.basis.get(what) != first.basis.get(what):
                others = [other for other in shared if basis_of(other) != what]
                raise InputError(
                    f"{metric} of {name!r} and {baseline!r} do not compare like with like: {what} is measured by "
                    f"{run.basis.get(what)} and {first.basis.get(what)}. Evaluate all on one split with the same beyond=, or "
                    f"name the others: metrics={others}."
                )


def _row(name: str, metric: str, mine: Sequence[float], base: Sequence[float], spread: bool) -> dict[str, Any]:
    """The first columns of a row, from the value of each run."""
    row: dict[str, Any] = {"model": name, "metric": metric, "mean": float(np.mean(mine))}
    if spread:
        row |= {"std": _deviation(mine), "seeds": len(mine)}
    row |= {"baseline": float(np.mean(base))}
    if spread:
        row |= {"baseline_std": _deviation(base), "baseline_seeds": len(base)}
    return row


def _by_user(report: Report, metrics: Sequence[str], users: pd.Index) -> npt.NDArray[np.float64]:
    """Values, shape (n_users, n_metrics), in the order of `users`."""
    return report.per_user.set_index("user_id").loc[users, list(metrics)].to_numpy(np.float64)


def _deviation(means: Sequence[float]) -> float:
    """Standard deviation over runs; NaN for one run."""
    return float(np.std(means, ddof=1)) if len(means) > 1 else float("nan")


def _randomisation_p(difference: npt.NDArray[np.float64], n: int, seed: int) -> float:
    """Two-sided p of the mean difference when the sign of each user's difference is a coin flip."""
    g = np.random.default_rng(seed)
    # Sums that are equal but for rounding count as equal.
    observed = abs(difference.sum()) - 1e-12 * np.abs(difference).sum()
    at_least = 0
    step = max(1, 4_000_000 // len(difference))
    for lo in range(0, n, step):
        signs = g.integers(0, 2, (min(step, n - lo), len(difference)), dtype=np.int8) * 2 - 1
        at_least += int((np.abs(signs @ difference) >= observed).sum())
    return (at_least + 1) / (n + 1)


def _holm(p: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Holm's step-down correction; what was not tested, NaN, stays so and does not count."""
    tested = np.flatnonzero(~np.isnan(p))
    order = tested[np.argsort(p[tested])]
    stepped = np.maximum.accumulate(p[order] * np.arange(len(order), 0, -1))
    corrected = np.full_like(p, np.nan)
    corrected[order] = np.minimum(stepped, 1.0)
    return corrected
