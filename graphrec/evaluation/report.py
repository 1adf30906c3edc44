"""The result of an evaluation: one value per user first, means and intervals from them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from graphrec.evaluation.protocol import Protocol
from graphrec.html_table import html_table

__all__ = ["Report"]


@dataclass(frozen=True)
class Report:
    """Metrics of one model on one test part.

    Attributes
    ----------
    per_user : DataFrame
        Column ``user_id`` in the caller's ids and one column per metric.
    protocol : Protocol
        What was ranked, what was left out, and on which pairs; reports that differ in it are not compared.
    n_cold : int
        Test users with nothing in train.
    candidates : DataFrame or None
        For the sampled protocol: user_id, item_id and the drawn items, one row per test pair.
    """

    per_user: pd.DataFrame
    protocol: Protocol
    n_cold: int = 0
    candidates: pd.DataFrame | None = None

    @property
    def metrics(self) -> list[str]:
        """Names of the metrics."""
        return [str(name) for name in self.per_user.columns if name != "user_id"]

    @property
    def n_users(self) -> int:
        """Number of users averaged over: those with at least one test item."""
        return len(self.per_user)

    @property
    def mean(self) -> dict[str, float]:
        """Mean over users of each metric."""
        return {name: float(self.per_user[name].mean()) for name in self.metrics}

    def interval(self, level: float = 0.95, n_boot: int = 1000, seed: int = 0) -> pd.DataFrame:
        """Bootstrap percentile interval of each mean; users are resampled.

        Parameters
        ----------
        level : float
            Coverage.
        n_boot : int
            Number of resamples.
        seed : int

        Returns
        -------
        DataFrame
            Index: metrics; columns mean, low, high.
        """
        values = self.per_user[self.metrics].to_numpy(np.float64)
        g = np.random.default_rng(seed)
        n = len(values)
        means = np.empty((n_boot, values.shape[1]))
        for b in range(n_boot):
            # How often each user is drawn, instead of the drawn rows: a product and no copy.
            means[b] = np.bincount(g.integers(0, n, n), minlength=n) @ values / n
        low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2], axis=0)
        return pd.DataFrame({"mean": values.mean(0), "low": low, "high": high}, index=self.metrics)

    def __str__(self) -> str:
        table = self.interval().to_string(float_format=lambda x: f"{x:.4f}")
        return f"{table}\n{self._note()}"

    def _repr_html_(self) -> str:
        """What a notebook shows: means with intervals, over whom, and what was ranked."""
        return html_table("Report", self.interval(), self._note())

    def _note(self) -> str:
        cold = f" {self.n_cold} of them have nothing in train." if self.n_cold else ""
        return f"{self.n_users:,} users; 95 % bootstrap intervals.{cold} {self.protocol}"
