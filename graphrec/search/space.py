"""What a search tries, declared: a line adds a model. Names that this version does not know are passed over.

Settings come from papers and from the sizes of a table, never from looking at how well they do on one of the data sets that
this library is measured on. Where papers publish several, by data set, each is tried: which of them suits is what validation
is for. `seconds` and `bytes` are rough counts of work (on one core) and memory; see :class:`graphrec.search.budget.Costs`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from graphrec.data.interactions import Interactions
from graphrec.models import EASE

__all__ = ["LIMITS", "SOLVED", "TRAINED", "VARY", "Entry", "Facts", "facts_of"]


@dataclass(frozen=True)
class Facts:
    """Sizes of a training table: numbers of users, items and pairs, and Σ d_u² over the users' numbers of items."""

    users: int
    items: int
    pairs: int
    squares: float

    @property
    def widest(self) -> int:
        """The largest rank that still compresses: a quarter of the smaller side."""
        return max(1, min(self.users, self.items) // 4)

    def rank(self, wanted: int) -> int:
        """A number of factors, where the table has so many."""
        return min(wanted, self.widest)


def facts_of(train: Interactions) -> Facts:
    """Count."""
    degrees = np.diff(train.structure[0]).astype(np.float64)
    return Facts(train.n_users, train.n_items, len(train), float((degrees**2).sum()))


Work = Callable[[Facts, Mapping[str, Any]], float]


def _by_pairs(facts: Facts, _: Mapping[str, Any]) -> float:
    """Counting who met what with what."""
    return 2e-8 * facts.squares + 2e-7 * facts.pairs


def _by_factors(facts: Facts, hyper: Mapping[str, Any]) -> float:
    """A truncated decomposition (span of four times the rank), and the co-occurrences."""
    span = 4.0 * float(hyper.get("rank", 256))
    return _by_pairs(facts, hyper) + 4e-9 * facts.pairs * span + 2e-10 * (facts.users + facts.items) * span**2


def _ridge(facts: Facts, hyper: Mapping[str, Any]) -> float:
    """EASE: one inversion, or a small regression for each item."""
    if "neighbours" in hyper:
        return 1e-3 * facts.items + 4e-8 * facts.squares
    return 1e-11 * facts.items**3 + 4e-8 * facts.squares


def _by_items(facts: Facts, _: Mapping[str, Any]) -> float:
    """A small regression for each item."""
    return 5e-4 * facts.items + 2e-7 * facts.squares


def _sparse(facts: Facts, _: Mapping[str, Any]) -> float:
    """Item-to-item weights where there are co-occurrences, twice while they are built."""
    return 24.0 * min(facts.squares, float(facts.items) ** 2)


def _ridge_bytes(facts: Facts, hyper: Mapping[str, Any]) -> float:
    return _sparse(facts, hyper) if "neighbours" in hyper else float(EASE.dense_bytes(facts.items))


def _tables(facts: Facts, hyper: Mapping[str, Any]) -> float:
    """Embeddings with their gradients, two moments, a copy of the best and a checkpoint."""
    return 28.0 * (facts.users + facts.items) * float(hyper.get("dim", 64)) + 64.0 * facts.pairs


def _epoch_of(hops: float, per_pair: float = 1e-6) -> Work:
    """An epoch of a trained model: steps of 2,048 pairs, each with some passes over the edges, 64 columns wide."""

    def seconds(facts: Facts, hyper: Mapping[str, Any]) -> float:
        wide = float(hyper.get("dim", 64)) / 64
        return wide * facts.pairs * (per_pair + hops * 2e-8 * facts.pairs / 2048)

    return seconds


def _coded(facts: Facts, _: Mapping[str, Any]) -> float:
    """An epoch of an autoencoder: everybody's row over all items."""
    return 5e-8 * facts.users * facts.items


def _fast(facts: Facts, hyper: Mapping[str, Any]) -> float:
    """All 30 epochs of `lightgcn-fast`: a few large products, and everybody against 4,096 negatives."""
    wide = float(hyper.get("dim", 64)) / 64
    return wide * (2e-5 * facts.pairs + 3e-4 * facts.users) + 1.0


Settings = Sequence[Mapping[str, Any]] | Callable[[Facts], Sequence[Mapping[str, Any]]]


@dataclass(frozen=True)
class Entry:
    """A model and the settings of it that are tried, in order.

    Attributes
    ----------
    model : str
        A name of a model or a preset.
    settings : sequence of mapping, or function of Facts
        Keyword arguments of the constructor.
    why : str
        Where they come from.
    fit : mapping
        Options of fit; for trained models.
    whole : bool
        Whether a training is laid out over its whole length, so that it cannot be judged half-way.
    seconds : function of Facts and settings
        Of a fit; of an epoch where a model is trained, unless it is trained as a whole.
    bytes : function of Facts and settings
    """

    model: str
    settings: Settings = ({},)
    why: str = "the library's defaults, which are the paper's"
    fit: Mapping[str, Any] = field(default_factory=dict)
    whole: bool = False
    seconds: Work = _by_pairs
    bytes: Work = _sparse

    def settings_for(self, facts: Facts) -> list[dict[str, Any]]:
        """Those that make sense for a table, each once."""
        made = self.settings(facts) if callable(self.settings) else self.settings
        kept: list[dict[str, Any]] = []
        for one in made:
            if dict(one) not in kept:
                kept.append(dict(one))
        return kept


def _ranks(*wanted: int, **others: Any) -> Callable[[Facts], list[dict[str, Any]]]:
    return lambda facts: [{"rank": facts.rank(rank), **others} for rank in wanted]


def _ridges(*strengths: float) -> Callable[[Facts], list[dict[str, Any]]]:
    """EASE with several l2: in full where that is quick, and of a large catalogue over neighbours first."""

    def settings(facts: Facts) -> list[dict[str, Any]]:
        need = 4 * facts.items**2
        if need <= _QUICK:
            return [{"l2": l2} for l2 in strengths]
        return [*({"l2": l2, "neighbours": 200} for l2 in strengths), *({"l2": l2, "budget": need} for l2 in strengths)]

    return settings


_QUICK = 1 << 30  # bytes of a dense matrix: 16,000 items
# Numbers that are moved up and down around a model's best settings, where time is left.
VARY: dict[str, Sequence[str]] = {
    "rp3beta": ("alpha", "beta"),
    "itemknn": ("neighbours", "shrink"),
    "ease": ("l2",),
    "gfcf": ("rank", "alpha"),
    "turbocf": ("alpha", "power"),
    "userknn": ("neighbours",),
    "p3alpha": ("alpha",),
    "chebycf": ("phi", "beta", "alpha"),
    "bspm": ("time", "ideal"),
    "puresvd": ("rank",),
    "slim": ("l1", "l2"),
}

LIMITS: dict[tuple[str, str], float] = {("turbocf", "alpha"): 1.0}  # where the model takes no more

# Cheapest and most different first: a short budget ends somewhere in this list.
SOLVED = [
    Entry("itempop", why="what everything else must beat", bytes=lambda f, _: 8.0 * f.items),
    Entry("rp3beta", [{}, {"alpha": 1.0, "beta": 0.6}, {"alpha": 0.4, "beta": 0.8}], "Paudel 2017: both exponents in [0, 1]"),
    Entry(
        "itemknn", [{}, {"neighbours": 50, "shrink": 10.0}, {"neighbours": 500, "shrink": 100.0}], "Dacrema 2021: its ranges"
    ),
    Entry("ease", _ridges(500.0, 100.0, 2000.0), "Steck 2019: 200 to 1,000, and beyond", seconds=_ridge, bytes=_ridge_bytes),
    Entry("gfcf", _ranks(256, 64), "Shen 2021: 256 factors; fewer for small tables", seconds=_by_factors),
    Entry("turbocf", [{}, {"alpha": 0.5, "power": 1.0}, {"alpha": 0.5, "power": 1.4}], "Park 2024: by data set"),
    Entry("userknn", [{}, {"neighbours": 50}, {"neighbours": 500}], "Dacrema 2021: its ranges"),
    Entry("p3alpha", [{}], "Cooper 2014"),
    Entry(
        "chebycf",
        lambda f: [{"rank": f.rank(512), "phi": phi, "beta": beta} for phi, beta in ((1.5, 0.4), (10.0, 0.0))],
        "Kim 2025: by data set",
        seconds=_by_factors,
    ),
    Entry(
        "bspm",
        lambda f: [
            {"rank": f.rank(448)},
            {"rank": f.rank(384), "ideal": 0.3, "solver": "euler", "time": 1.2},
        ],
        "Choi 2023: by data set",
        seconds=_by_factors,
    ),
    Entry("puresvd", _ranks(64, 256, 16), "Cremonesi 2010: 50 to 300, fewer for small tables", seconds=_by_factors),
    Entry("slim", [{}, {"l1": 1.0, "l2": 10.0}], "Ning 2011: penalties over two orders of magnitude", seconds=_by_items),
    Entry("rp3beta", [{"alpha": 0.7, "beta": 0.5}, {"alpha": 1.0, "beta": 0.3}], "between the first ones"),
    Entry("ease", _ridges(200.0, 1000.0), "Steck 2019, between the first ones", seconds=_ridge, bytes=_ridge_bytes),
]

_BPR = {"loss": "bpr", "lr": 5e-3, "batch_size": 2048}
TRAINED = [
    Entry(
        "lightgcn-fast",
        [{}, {"dim": 128}, {"dim": 256}],
        "sampled softmax from a decomposition; laid out over 30 epochs",
        fit={"eval_every": 3},
        whole=True,
        seconds=_fast,
        bytes=_tables,
    ),
    Entry(
        "mf",
        [{"dim": 64}, {"dim": 128}],
        "Rendle 2009; a rate that reaches the end in minutes",
        _BPR,
        False,
        _epoch_of(0),
        _tables,
    ),
    Entry("lightgcn", [{"layers": 2}, {"layers": 3}], "He 2020: 2 to 4 hops", _BPR, False, _epoch_of(3), _tables),
    Entry("multvae", why="Liang 2018", seconds=_coded, bytes=lambda f, _: 28.0 * f.items * 1200),
    Entry("multdae", why="Liang 2018", seconds=_coded, bytes=lambda f, _: 28.0 * f.items * 400),
    Entry("ials", seconds=_epoch_of(0, 5e-6), bytes=_tables),
    *(Entry(name, seconds=_epoch_of(0, 2e-5), bytes=_tables) for name in ("simplex", "ultragcn")),
    *(
        Entry(name, seconds=_epoch_of(hops, 2e-6), bytes=_tables)
        for name, hops in (("xsimgcl", 4), ("simgcl", 9), ("lightgcnpp", 3), ("sgl", 9), ("ncl", 6), ("nescl", 9))
    ),
    Entry("ngcf", [{"layers": [64, 64]}], "Wang 2019, with two layers", _BPR, False, _epoch_of(8), _tables),
    *(
        Entry(name, seconds=_epoch_of(hops), bytes=_tables)
        for name, hops in (("lrgccf", 6), ("dgcf", 40), ("lightgcnlw", 3), ("mgdcf", 6), ("pinsage", 10), ("gcmc", 6))
    ),
    *(Entry(name, seconds=_epoch_of(0, 2e-5), bytes=_tables) for name in ("hoprec", "cmn")),
]
