"""Which columns of a model's tables are in this process: all, unless several processes share them."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

__all__ = ["Columns"]


class Columns:
    """All columns are here, and nothing has to be asked of anybody; see :mod:`graphrec.distributed.columns` for some of them.

    A model needs it for what couples the columns beside its scores: what is drawn for a whole row, and losses of whole rows.
    """

    def whole(self, *mine: Tensor) -> tuple[Tensor, ...]:
        """Rows of all columns from those of the columns that are here, differentiable.

        What is computed from them must be computed by every process alike.

        Parameters
        ----------
        *mine : Tensor, shapes (n, d / W)
            Of one width: that of a table here.

        Returns
        -------
        tuple of Tensor, shapes (n, d)
        """
        return mine

    def drawn(self, like: Tensor, draw: Callable[[Tensor], Tensor]) -> Tensor:
        """The columns that are here of something that is drawn for all, so that every process draws the same.

        Parameters
        ----------
        like : Tensor, shape (n, d / W)
        draw : callable
            Given a tensor of shape (n, d), whose numbers mean nothing, it draws as many from torch's current generator.

        Returns
        -------
        Tensor, shape (n, d / W)
        """
        return draw(like)
