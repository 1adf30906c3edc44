"""What couples the columns of a model in a training step: scores, lengths and norms, which are sums over all columns."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import Tensor

from graphrec.distributed.group import Group
from graphrec.losses.log_sum_exp import Product
from graphrec.models.encoding import Encoding, Gathered
from graphrec.sampling import PairBatch

__all__ = ["ColumnReduction", "Reduction"]

Score = Callable[[Tensor, Tensor], Sequence["Tensor | Product"]]
Looked = tuple[Gathered, Sequence["Tensor | Product"], "Tensor | None"]

_LEAST = 1e-24  # of a squared length, as in torch's normalize: a row of zeros stays one


class Reduction:
    """All columns are in this process: nothing is left to be added.

    Attributes
    ----------
    whole : bool
        Whether rows are whole here.
    """

    whole: bool = True

    def share(self, batch: PairBatch) -> PairBatch:
        """The pairs of a batch whose scores this process computes: all of them, unless it has some rows only."""
        return batch

    def scores(
        self, encoding: Encoding, users: Tensor, items: Tensor, score: Score, penalty: Callable[[Gathered], Tensor] | None
    ) -> Looked:
        """The rows of a step, their scores and their penalty.

        Parameters
        ----------
        encoding : Encoding
        users, items : Tensor of int64, shapes (b,) and (m,)
        score : callable
            From rows of users (b, d) and of items (m, d), of any d, to scores that are sums over d.
        penalty : callable or None
            From the rows to a scalar that is a sum over their columns.

        Returns
        -------
        rows : Gathered
        scores : sequence of Tensor or Product
        penalty : Tensor or None
        """
        rows = encoding.gather(users, items)
        return rows, score(rows.users, rows.items), None if penalty is None else penalty(rows)

    def mean_squares(self, gradients: Sequence[Tensor]) -> list[Tensor]:
        """The mean of the squares of each row: of (n, d) to (n, 1)."""
        return [gradient.square().mean(1, keepdim=True) for gradient in gradients]

    def norms(self, norms: Tensor) -> Tensor:
        """Lengths (n,) of n tensors, of which each process has a part."""
        return norms


class ColumnReduction(Reduction):
    """Each process has some of the columns; a step sends one message with the partial scores of its batch.

    Parameters
    ----------
    group : Group
    """

    whole = False

    def __init__(self, group: Group) -> None:
        self.group = group
        self._widths: dict[tuple[int, ...], list[float]] = {}  # of whole rows, by those of the parts that are here

    def scores(
        self, encoding: Encoding, users: Tensor, items: Tensor, score: Score, penalty: Callable[[Gathered], Tensor] | None
    ) -> Looked:
        """See :class:`Reduction`. A cosine is a dot product over two lengths, and all three are sums over the columns."""
        raw = encoding.before_lengths
        rows = raw.gather(users, items)
        scores = [_matrix(part) for part in score(rows.users, rows.items)]
        extra = [] if penalty is None else [penalty(rows)]
        squares = [] if raw is encoding else [rows.users.square().sum(1), rows.items.square().sum(1)]
        sums = iter(self.group.sums(*scores, *extra, *squares))
        scores = [next(sums) for _ in scores]
        value = next(sums) if extra else None
        if squares:
            # 1 / (‖u‖ ‖v‖), paired as the scores are: the score of rows that have one column, 1 / ‖u‖ and 1 / ‖v‖.
            u, v = (next(sums).clamp_min(_LEAST).rsqrt()[:, None] for _ in range(2))
            scores = [part * _matrix(scale) for part, scale in zip(scores, score(u, v), strict=True)]
        return rows, scores, value

    def mean_squares(self, gradients: Sequence[Tensor]) -> list[Tensor]:
        """See :class:`Reduction`; one number a row is sent, for all tensors in one message.

        Of a dense gradient these are all rows of its table, and the message grows with it.
        """
        mine = tuple(gradient.shape[1] for gradient in gradients)
        if mine not in self._widths:
            self._widths[mine] = self.group.add_up(gradients[0].new_tensor(mine)).tolist()
        squares = self.group.sums(*(gradient.square().sum(1, keepdim=True) for gradient in gradients))
        return [square / width for square, width in zip(squares, self._widths[mine], strict=True)]

    def norms(self, norms: Tensor) -> Tensor:
        """See :class:`Reduction`."""
        return self.group.add_up(norms.square()).sqrt()


def _matrix(scores: Tensor | Product) -> Tensor:
    return scores.left @ scores.right.T if isinstance(scores, Product) else scores
