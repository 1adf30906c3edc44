"""Whether one model is better than another, user by user."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from graphrec.errors import InputError
from graphrec.evaluation.report import Report

__all__ = ["compare"]


def compare(
    reports: Mapping[str, Report],
    baseline: str | None = None,
    metrics: Sequence[str] | None = None,
    n_permutations: int = 10_000,
    seed: int = 0,
) -> pd.DataFrame:
    """Paired comparison of models on the same test users.

    Parameters
    ----------
    reports : mapping of str to Report
        At least two, over the same users.
    baseline : str, optional
        The model that the others are compared with; the last one unless named.
    metrics : sequence of str, optional
        Those that all reports have, unless given.
    n_permutations : int
        Random swaps of the sign test (Fisher's randomisation, two-sided).
    seed : int

    Returns
    -------
    DataFrame
        model, metric, mean, baseline, difference, p, p_holm (corrected for the number of rows).

    Raises
    ------
    InputError
        Fewer than two reports, an unknown baseline or metric, or different users.
    """
    if len(reports) < 2:
        raise InputError("compare needs at least two reports.")
    names = list(reports)
    baseline = names[-1] if baseline is None else baseline
    if baseline not in reports:
        raise InputError(f"baseline {baseline!r} is not one of the reports: {', '.join(names)}.")
    frames = {name: report.per_user.set_index("user_id") for name, report in reports.items()}
    base = frames[baseline]
    shared = [m for m in base.columns if all(m in f.columns for f in frames.values())]
    for metric in metrics or ():
        if metric not in shared:
            raise InputError(f"metric {metric!r} is not in all reports; shared are {', '.join(shared)}.")
    rows = []
    for name, frame in frames.items():
        if name == baseline:
            continue
        if len(frame) != len(base) or not frame.index.sort_values().equals(base.index.sort_values()):
            raise InputError(f"reports {name!r} and {baseline!r} are over different users; evaluate both on one test part.")
        for metric in metrics or shared:
            difference = (frame[metric] - base[metric]).to_numpy(np.float64)
            rows.append(
                {
                    "model": name,
                    "metric": metric,
                    "mean": float(frame[metric].mean()),
                    "baseline": float(base[metric].mean()),
                    "difference": float(difference.mean()),
                    "p": _randomisation_p(difference, n_permutations, seed),
                }
            )
    table = pd.DataFrame(rows)
    table["p_holm"] = _holm(table["p"].to_numpy())
    return table


def _randomisation_p(difference: npt.NDArray[np.float64], n: int, seed: int) -> float:
    """Two-sided p of the mean difference when the sign of each user's difference is a coin flip."""
    g = np.random.default_rng(seed)
    observed = abs(difference.sum())
    at_least = 0
    step = max(1, 4_000_000 // len(difference))
    for lo in range(0, n, step):
        signs = g.integers(0, 2, (min(step, n - lo), len(difference)), dtype=np.int8) * 2 - 1
        at_least += int((np.abs(signs @ difference) >= observed - 1e-12).sum())
    return (at_least + 1) / (n + 1)


def _holm(p: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Holm's step-down correction."""
    order = np.argsort(p)
    stepped = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    corrected = np.empty_like(p)
    corrected[order] = np.minimum(stepped, 1.0)
    return corrected
