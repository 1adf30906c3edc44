"""What lists are like apart from being right: how much of the catalogue, how well known, how varied.

Let L_u be the list of user u cut at k, pop(i) the number of training users of item i, and |U| the number of training
users with an interaction.

=================  =================================================================================================
name               definition
=================  =================================================================================================
novelty@k          mean over L_u of the self-information −log₂(pop(i) / |U|) in bits, where an item nobody has counts
                   as one that a single user has (Zhou et al., PNAS 2010, "surprisal"; Vargas & Castells, RecSys 2011)
diversity@k        1 − mean cosine of the pairs of items in L_u; 0 for a list of one item (intra-list distance: Ziegler
                   et al., WWW 2005; Smyth & McClave, ICCBR 2001). An item of whom nothing is known is like no other.
arp@k              mean over L_u of pop(i), the average recommendation popularity (Yin et al., VLDB 2012; Abdollahpouri
                   et al., FLAIRS 2019)
coverage@k         share of the catalogue that is in some list (catalogue coverage: Ge et al., RecSys 2010)
gini@k             Gini coefficient of how often each item of the catalogue is listed, Σ_j (2j − n − 1) x_(j) / (n Σ x)
                   with the n counts ascending: 0 where all are listed alike, 1 − 1/n where one item takes every place
                   (Fleder & Hosanagar, Management Science 2009)
popularity_lift@k  (a − b) / b, where a is the mean of arp@k over users and b that of the mean popularity of the items
                   in their own training profiles; over users who have one (Abdollahpouri et al., UMAP 2021)
=================  =================================================================================================

The first three have a value per user, hence an interval and a test. The others are of all lists together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from graphrec.data.features import Features
from graphrec.data.ids import digest, same_ids
from graphrec.data.interactions import Interactions
from graphrec.deferred import sparse
from graphrec.errors import InputError
from graphrec.threads import even_bounds, run_ranges, thread_count

__all__ = ["OVERALL", "Beyond", "basis_of", "from_embeddings", "from_features", "from_training"]

Floats = npt.NDArray[np.float64]
Lists = npt.NDArray[np.int32]

OVERALL = ("coverage", "gini", "popularity_lift")
_BASIS = {"novelty": "popularity", "arp": "popularity", "popularity_lift": "popularity", "diversity": "likeness"}


def basis_of(metric: str) -> str | None:
    """On which entry of :attr:`graphrec.Report.basis` a metric rests; None for those that rest on the lists alone."""
    return _BASIS.get(metric.partition("@")[0])


@dataclass(frozen=True)
class Beyond:
    """What lists are measured against.

    Attributes
    ----------
    train : Interactions
        Where popularity and people's profiles are from.
    vectors : scipy.sparse.csr_matrix of float64, shape (n_items, m)
        A row per item, of length 1, or of zeros where nothing is known.
    likeness : str
        Where they are from, in words, with a fingerprint.
    """

    train: Interactions
    vectors: sparse.csr_matrix
    likeness: str

    @property
    def basis(self) -> dict[str, str]:
        """What two reports must share for these figures to be comparable."""
        return {"popularity": f"the training table {self.train.fingerprint}", "likeness": self.likeness}

    def per_user(self, lists: Lists, ks: Sequence[int]) -> dict[str, Floats]:
        """The metrics that a list alone has.

        Parameters
        ----------
        lists : ndarray of int32, shape (n, depth)
            Items, best first; −1 after the last. No list is empty.
        ks : sequence of int
            At most `depth`.

        Returns
        -------
        dict of str to ndarray of float64, shape (n,)
        """
        popularity = self._popularity()
        people = max(int((np.diff(self.train.structure[0]) > 0).sum()), 1)
        information = -np.log2(np.maximum(popularity, 1) / people)
        columns = {}
        for k in ks:
            columns[f"novelty@{k}"] = _mean_of(information, lists[:, :k])
            columns[f"diversity@{k}"] = 1 - self._likeness_within(lists[:, :k])
            columns[f"arp@{k}"] = _mean_of(popularity, lists[:, :k])
        return columns

    def overall(self, lists: Lists, ks: Sequence[int], users: npt.NDArray[np.integer]) -> dict[str, float]:
        """The metrics that only all lists together have.

        Parameters
        ----------
        lists, ks
            As of :meth:`per_user`.
        users : ndarray of int, shape (n,)
            Indices: whose lists they are.
        """
        n_items, figures = self.train.n_items, {}
        for k in ks:
            part = lists[:, :k]
            listed = np.bincount(part[part >= 0], minlength=n_items)
            figures[f"coverage@{k}"] = float((listed > 0).mean())
            figures[f"gini@{k}"] = _gini(listed)
            figures[f"popularity_lift@{k}"] = self.lift(part, users)
        return figures

    def lift(self, lists: Lists, users: npt.NDArray[np.integer]) -> float:
        """How much more popular lists are than the profiles of their users; NaN where none of them has a profile."""
        popularity = self._popularity()
        indptr, items = self.train.structure
        # One sum that runs over all profiles, of which each is a difference: exact, for they are whole numbers.
        running = np.concatenate([[0], np.cumsum(popularity.astype(np.int64)[items])])
        size = np.diff(indptr)[users]
        has = size > 0
        if not has.any():
            return float("nan")
        own = ((running[indptr[1:]] - running[indptr[:-1]])[users[has]] / size[has]).mean()
        return float(_mean_of(popularity, lists[has]).mean() / own - 1)

    def _popularity(self) -> Floats:
        return np.bincount(self.train.structure[1], minlength=self.train.n_items).astype(np.float64)

    def _likeness_within(self, lists: Lists) -> Floats:
        """Mean cosine of the pairs of each list; 1 for a list of one item."""
        from graphrec.evaluation.beyond_kernels import likeness_within

        of, within = self.vectors, np.empty(len(lists))

        def block(lo: int, hi: int) -> None:
            likeness_within(lo, hi, lists, of.indptr, of.indices, of.data, np.zeros(of.shape[1]), within)

        run_ranges(block, even_bounds(len(lists), 4 * thread_count()))
        return within


def from_training(train: Interactions) -> Beyond:
    """Items are alike as far as the same people have them in training: one measure for every model."""
    ones = train.to_csr("ones").astype(np.float64)
    return Beyond(train, _unit_rows(ones.T.tocsr()), f"people in common, in the training table {train.fingerprint}")


def from_features(train: Interactions, features: Features) -> Beyond:
    """Items are alike as far as their features are.

    Raises
    ------
    InputError
        They are features of users, or of other items.
    """
    if features.side != "item":
        raise InputError("beyond= takes features of items, and these are of users.")
    if not same_ids(features.ids, train.item_ids):
        raise InputError(
            f"beyond= takes features of the {train.n_items:,} items of the training table, and these are of other items "
            f"({len(features.ids):,}); make them with Features.from_frame(frame, split.train)."
        )
    matrix = features.matrix
    mark = digest(matrix.indptr, matrix.indices, matrix.data.view(np.int32))
    return Beyond(train, _unit_rows(matrix.astype(np.float64)), f"features {mark}")


def from_embeddings(train: Interactions, rows: npt.NDArray[np.float32]) -> Beyond:
    """Items are alike as far as a model's own rows for them are, (n_items, d): another measure for every model."""
    return Beyond(train, _unit_rows(sparse.csr_matrix(rows, dtype=np.float64)), f"embeddings {digest(rows.view(np.int32))}")


def _unit_rows(matrix: sparse.csr_matrix) -> sparse.csr_matrix:
    """Rows divided by their length; rows of zeros stay."""
    lengths = np.sqrt(np.asarray(matrix.power(2).sum(1)).ravel())
    per_entry = np.repeat(np.where(lengths > 0, lengths, 1), np.diff(matrix.indptr))
    return sparse.csr_matrix((matrix.data / per_entry, matrix.indices, matrix.indptr), shape=matrix.shape)


def _mean_of(values: Floats, lists: Lists) -> Floats:
    """Mean over each list of a value per item."""
    there = lists >= 0
    return np.asarray(np.where(there, values[lists], 0.0).sum(1) / np.maximum(there.sum(1), 1))


def _gini(counts: npt.NDArray[np.integer]) -> float:
    """Gini coefficient of counts, one or more of them above 0."""
    x, n = np.sort(counts).astype(np.float64), len(counts)
    return float((2 * np.arange(1, n + 1) - n - 1) @ x / (n * x.sum()))
