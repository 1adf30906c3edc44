"""What a peer is: one model of one library behind the same few calls. Needs NumPy only."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

__all__ = ["EpochPeer", "K", "NetPeer", "Pairs", "Peer", "StepPeer", "by_rank", "read_pairs"]

K = 20
Index = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Pairs:
    """Train and test pairs of one split, as indices that count from zero."""

    train_users: Index
    train_items: Index
    test_users: Index
    test_items: Index
    n_users: int
    n_items: int

    def test_of(self, users: Index) -> tuple[Index, Index]:
        """The test pairs of some users."""
        chosen = np.isin(self.test_users, users)
        return self.test_users[chosen], self.test_items[chosen]

    def users_to_rank(self, most: int | None = None) -> Index:
        """Users with a test item, ascending; the first `most` of them."""
        return np.unique(self.test_users)[:most]


def read_pairs(folder: Path) -> Pairs:
    """Read ``train.txt`` and ``test.txt``: a user and then the user's items on each line."""
    parts = []
    for name in ("train", "test"):
        lines = [np.array(line.split(), np.int64) for line in (folder / f"{name}.txt").read_text().splitlines() if line.strip()]
        parts += [np.concatenate([np.full(len(row) - 1, row[0]) for row in lines]), np.concatenate([row[1:] for row in lines])]
    users, items = max(parts[0].max(), parts[2].max()) + 1, max(parts[1].max(), parts[3].max()) + 1
    return Pairs(*parts, int(users), int(items))


class Peer:
    """A model that is fitted as a whole. Every call is timed by the worker, so none does another's work.

    Attributes
    ----------
    library, model : str
        What the table calls them.
    package : str
        The distribution whose version is reported.
    environment : str
        A name of :data:`benchmarks.peers.environments.ENVIRONMENTS`; empty for graphrec's own.
    settings : str
        Hyper-parameters that are not the library's defaults, and the budget of training.
    notes : tuple of str
        What is not comparable.
    ranked_users : int or None
        For how many users it recommends; None for all. Its own metric covers the same users.
    variables : dict
        Environment variables that the library itself asks for.
    """

    library: ClassVar[str]
    model: ClassVar[str]
    package: ClassVar[str]
    environment: ClassVar[str]
    settings: ClassVar[str] = ""
    notes: ClassVar[tuple[str, ...]] = ()
    ranked_users: ClassVar[int | None] = None
    variables: ClassVar[dict[str, str]] = {}

    def __init__(self, pairs: Pairs, folder: Path, out: Path, threads: int, seed: int) -> None:
        self.pairs, self.folder, self.out, self.threads, self.seed = pairs, folder, out, threads, seed
        self.users = pairs.users_to_rank(self.ranked_users)

    @classmethod
    def unsuitable(cls, n_users: int, n_items: int) -> str | None:
        """Why a data set of this size is not for this model, or None."""
        return None

    def prepare(self) -> None:
        """Bring the pairs into the library's own form."""
        raise NotImplementedError

    def fit(self) -> None:
        """Train."""
        raise NotImplementedError

    def recommend(self) -> Index:
        """The best `K` items of each of ``self.users`` but for those in train, best first, -1 where there is none."""
        raise NotImplementedError

    def own_figures(self) -> dict[str, float]:
        """The library's own metrics over ``self.users``, under graphrec's name where the definition is the same."""
        return {}

    def factors(self) -> tuple[npt.NDArray[Any], npt.NDArray[Any]] | None:
        """Tables (n_users, d) and (n_items, d) whose dot products are the scores; None where there are none."""
        return None


class NetPeer(Peer):
    """A model object with a fit of its own; :meth:`prepare` leaves it in `net`, and what it is fitted to in `data`."""

    net: Any
    data: Any

    def make(self) -> Any:
        """The model, not fitted."""
        raise NotImplementedError

    def fit(self) -> None:
        """Train."""
        self.net.fit(self.data)


class StepPeer(Peer):
    """A LightGCN whose training steps are timed one by one: K = 3, 64 dimensions, batches of 2,048."""

    settings = "K = 3, 64 dimensions, batch 2,048, Adam 1e-3, λ = 1e-4"
    DIM, LAYERS, BATCH, RATE, L2 = 64, 3, 2048, 1e-3, 1e-4

    def build_graph(self) -> None:
        """The model with its normalised adjacency, from the prepared pairs."""
        raise NotImplementedError

    def draw(self) -> Any:
        """The next batch, with its negatives, from the library's own sampler."""
        raise NotImplementedError

    def step(self, batch: Any) -> None:
        """Forward, backward, and Adam."""
        raise NotImplementedError


class EpochPeer(Peer):
    """A factorisation whose epochs of BPR, as many pairs as there are in train, are timed a few at a time: 64 factors."""

    model = "MF-BPR"
    FACTORS, AT_ONCE = 64, 5

    def begin(self) -> None:
        """The model, ready for its first epoch."""
        raise NotImplementedError

    def epochs(self) -> None:
        """`AT_ONCE` epochs, from where the last ones ended."""
        raise NotImplementedError


def by_rank(items: npt.ArrayLike, owner: Index, users: Index) -> Index:
    """Lists (len(users), K) from one row per recommendation, in the order of rank, of the users `owner`."""
    items = np.asarray(items, np.int64)
    order = np.argsort(owner, kind="stable")
    owner, items = owner[order], items[order]
    lists = np.full((len(users), K), -1, np.int64)
    place = np.arange(len(owner)) - np.searchsorted(owner, owner)
    row = np.searchsorted(users, owner)
    assert (users[row] == owner).all(), "recommendations for other users than asked for"
    kept = place < K
    lists[row[kept], place[kept]] = items[kept]
    return lists
