"""The result of an evaluation: one value per user first, means and intervals from them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from graphrec.deferred import pandas as pd
from graphrec.evaluation.protocol import Protocol
from graphrec.html_table import html_table

__all__ = ["Report"]


class _Table:
    """A DataFrame, or the columns of one, which is then made when it is first looked at: means need no pandas."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __set__(self, report: Report, table: pd.DataFrame | Mapping[str, Any]) -> None:
        vars(report)[self._name] = table

    def __get__(self, report: Report | None, owner: type | None = None) -> pd.DataFrame:
        if report is None:
            raise AttributeError(self._name)  # what a dataclass takes for a field without a default
        held = vars(report)[self._name]
        if isinstance(held, dict):
            held = vars(report)[self._name] = pd.DataFrame(held)
        table: pd.DataFrame = held
        return table


@dataclass(frozen=True)
class Report:
    """Metrics of one model on one test part.

    Attributes
    ----------
    per_user : DataFrame
        Made from such a table, or from a dict of its columns. Column ``user_id`` in the caller's ids and one column per metric.
    protocol : Protocol
        What was ranked, what was left out, and on which pairs; reports that differ in it are not compared.
    n_cold : int
        Test users with nothing in train.
    candidates : DataFrame or None
        For the sampled protocol: user_id, item_id and the drawn items, one row per test pair.
    overall : mapping of str to float
        Figures that all lists have together and no user alone, such as coverage; see :mod:`graphrec.evaluation.beyond`.
    basis : mapping of str to str
        What those beyond accuracy were measured against.
    by_user_group : DataFrame or None
        A row per group of people: their number n and the means of the metrics over them.
    by_item_group : DataFrame or None
        A row per group of items: their number n, test_share, and exposure and recall for each length of list.
    n_trained : int or None
        Distinct pairs that the model knew.
    """

    per_user: _Table = _Table()
    protocol: Protocol  # type: ignore[misc]  # the descriptor is no default
    n_cold: int = 0
    candidates: pd.DataFrame | None = None
    overall: Mapping[str, float] = field(default_factory=dict)
    basis: Mapping[str, str] = field(default_factory=dict)
    by_user_group: pd.DataFrame | None = None
    by_item_group: pd.DataFrame | None = None
    n_trained: int | None = None

    @property
    def metrics(self) -> list[str]:
        """Names of the metrics."""
        return [str(name) for name in vars(self)["per_user"] if name != "user_id"]

    @property
    def n_users(self) -> int:
        """Number of users averaged over: those with at least one test item."""
        return len(self.per_user)

    @property
    def mean(self) -> dict[str, float]:
        """Mean over users of each metric."""
        return {name: _mean(np.asarray(vars(self)["per_user"][name], np.float64)) for name in self.metrics}

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

    def to_dict(self) -> dict[str, Any]:
        """All means and overall figures by name as plain data; ``by_user_group`` and ``by_item_group`` where there are groups.

        What is undefined is None.
        """
        plain: dict[str, Any] = _plain({**self.mean, **self.overall})
        for name, table in (("by_user_group", self.by_user_group), ("by_item_group", self.by_item_group)):
            if table is not None:
                plain[name] = {str(group): _plain(row) for group, row in table.to_dict("index").items()}
        return plain

    def __str__(self) -> str:
        parts = [f"{_text(self.interval())}\n{self._note()}"]
        if self.overall:
            parts.append(_text(pd.Series(self.overall)) + "\nOf all lists together, so without an interval.")
        parts += [_text(group) for group in (self.by_user_group, self.by_item_group) if group is not None]
        return "\n\n".join(parts)

    def _repr_html_(self) -> str:
        """What a notebook shows: means with intervals, over whom, and what was ranked."""
        return html_table("Report", self.interval(), self._note())

    def _note(self) -> str:
        cold = f" {self.n_cold} of them have nothing in train." if self.n_cold else ""
        return f"{self.n_users:,} users; 95 % bootstrap intervals.{cold} {self.protocol}"


def _mean(column: npt.NDArray[np.float64]) -> float:
    """Over what is not NaN, as pandas does it."""
    known = ~np.isnan(column)
    return float(np.where(known, column, 0.0).sum() / known.sum()) if known.any() else float("nan")


def _plain(row: Mapping[Any, Any]) -> dict[str, Any]:
    numbers = {str(name): value if isinstance(value, int) else float(value) for name, value in row.items()}
    return {name: None if value != value else value for name, value in numbers.items()}


def _text(table: pd.DataFrame | pd.Series[float]) -> str:
    return table.to_string(float_format=lambda x: f"{x:.4f}")
