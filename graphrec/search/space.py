"""What a search tries, declared: a line adds a model. Names that this version does not know are passed over.

Settings come from papers and from the sizes of a table, never from looking at how well they do on one of the data sets that
this library is measured on. Where papers publish several, by data set, each is tried: which of them suits is what validation
is for. `seconds` and `bytes` are of :mod:`graphrec.search.work`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from graphrec.search.work import (
    Facts,
    Work,
    by_factors,
    by_items,
    by_pairs,
    coded,
    facts_of,
    of_epochs,
    of_shared_softmax,
    of_tables,
    ridge,
    ridge_bytes,
    sparse,
)

__all__ = ["LIMITS", "SOLVED", "TRAINED", "VARY", "Entry", "Facts", "facts_of"]


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
    apart : sequence of str
        Settings with which a fit is another computation, whose costs say nothing of those without.
    """

    model: str
    settings: Settings = ({},)
    why: str = "the library's defaults, which are the paper's"
    fit: Mapping[str, Any] = field(default_factory=dict)
    whole: bool = False
    seconds: Work = by_pairs
    bytes: Work = sparse
    apart: Sequence[str] = ()

    def way(self, hyper: Mapping[str, Any]) -> str:
        """The name by which costs of a fit are remembered."""
        return " ".join((self.model, *(name for name in self.apart if name in hyper)))

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

# Where the model takes no more, and exponents of which a larger one would leave the range of 32 bits.
LIMITS: dict[tuple[str, str], float] = {
    ("turbocf", "alpha"): 1.0,
    **dict.fromkeys((("rp3beta", "alpha"), ("rp3beta", "beta"), ("p3alpha", "alpha"), ("turbocf", "power")), 4.0),
}

# Cheapest and most different first: a short budget ends somewhere in this list.
SOLVED = [
    Entry("itempop", why="what everything else must beat", bytes=lambda f, _: 8.0 * f.items),
    Entry("rp3beta", [{}, {"alpha": 1.0, "beta": 0.6}, {"alpha": 0.4, "beta": 0.8}], "Paudel 2017: both exponents in [0, 1]"),
    Entry(
        "itemknn", [{}, {"neighbours": 50, "shrink": 10.0}, {"neighbours": 500, "shrink": 100.0}], "Dacrema 2021: its ranges"
    ),
    Entry(
        "ease",
        _ridges(500.0, 100.0, 2000.0),
        "Steck 2019: 200 to 1,000, and beyond",
        seconds=ridge,
        bytes=ridge_bytes,
        apart=("budget",),
    ),
    Entry("gfcf", _ranks(256, 64), "Shen 2021: 256 factors; fewer for small tables", seconds=by_factors),
    Entry("turbocf", [{}, {"alpha": 0.5, "power": 1.0}, {"alpha": 0.5, "power": 1.4}], "Park 2024: by data set"),
    Entry("userknn", [{}, {"neighbours": 50}, {"neighbours": 500}], "Dacrema 2021: its ranges"),
    Entry("p3alpha", [{}], "Cooper 2014"),
    Entry(
        "chebycf",
        lambda f: [{"rank": f.rank(512), "phi": phi, "beta": beta} for phi, beta in ((1.5, 0.4), (10.0, 0.0))],
        "Kim 2025: by data set",
        seconds=by_factors,
    ),
    Entry(
        "bspm",
        lambda f: [
            {"rank": f.rank(448)},
            {"rank": f.rank(384), "ideal": 0.3, "solver": "euler", "time": 1.2},
        ],
        "Choi 2023: by data set",
        seconds=by_factors,
    ),
    Entry("puresvd", _ranks(64, 256, 16), "Cremonesi 2010: 50 to 300, fewer for small tables", seconds=by_factors),
    Entry("slim", [{}, {"l1": 1.0, "l2": 10.0}], "Ning 2011: penalties over two orders of magnitude", seconds=by_items),
    Entry("rp3beta", [{"alpha": 0.7, "beta": 0.5}, {"alpha": 1.0, "beta": 0.3}], "between the first ones"),
    Entry(
        "ease",
        _ridges(200.0, 1000.0),
        "Steck 2019, between the first ones",
        seconds=ridge,
        bytes=ridge_bytes,
        apart=("budget",),
    ),
]

_BPR = {"loss": "bpr", "optimizer": "adam", "lr": 5e-3, "batch_size": 2048}
TRAINED = [
    Entry(
        "lightgcn-fast",
        [{}, {"dim": 128}, {"dim": 256}],
        "sampled softmax from a decomposition; laid out over 30 epochs",
        whole=True,
        seconds=of_shared_softmax,
        bytes=of_tables,
    ),
    Entry(
        "mf",
        [{"dim": 64}, {"dim": 128}],
        "Rendle 2009; a rate that reaches the end in minutes",
        _BPR,
        False,
        of_epochs(0),
        of_tables,
    ),
    Entry("lightgcn", [{"layers": 2}, {"layers": 3}], "He 2020: 2 to 4 hops", _BPR, False, of_epochs(3), of_tables),
    Entry("multvae", why="Liang 2018", seconds=coded, bytes=lambda f, _: 28.0 * f.items * 1200),
    Entry("multdae", why="Liang 2018", seconds=coded, bytes=lambda f, _: 28.0 * f.items * 400),
    Entry("ials", seconds=of_epochs(0, 5e-6), bytes=of_tables),
    *(Entry(name, seconds=of_epochs(0, 2e-5), bytes=of_tables) for name in ("simplex", "ultragcn")),
    *(
        Entry(name, seconds=of_epochs(hops, 2e-6), bytes=of_tables)
        for name, hops in (("xsimgcl", 4), ("simgcl", 9), ("lightgcnpp", 3), ("sgl", 9), ("ncl", 6), ("nescl", 9))
    ),
    Entry("ngcf", [{"layers": [64, 64]}], "Wang 2019, with two layers", _BPR, False, of_epochs(8), of_tables),
    *(
        Entry(name, seconds=of_epochs(hops), bytes=of_tables)
        for name, hops in (("lrgccf", 6), ("dgcf", 40), ("lightgcnlw", 3), ("mgdcf", 6), ("pinsage", 10), ("gcmc", 6))
    ),
    *(Entry(name, seconds=of_epochs(0, 2e-5), bytes=of_tables) for name in ("hoprec", "cmn")),
]
