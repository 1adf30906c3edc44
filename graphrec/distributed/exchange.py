"""Rows that the processes of a step fetch from one another, and the gradients that they send back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from graphrec.distributed.group import Group

__all__ = ["Exchange"]

Counts = list[list[int]]  # of rows, by kind and process


class Exchange:
    """Who asks whom for which rows of several kinds (users, items) in one step.

    Each process asks for every row that it needs once. To be told which, it sends 8 bytes a row; the row of d numbers comes in
    4 d bytes, and its gradient goes back in as many. A row that it has itself costs nothing.

    Parameters
    ----------
    group : Group
    *kinds : (Tensor of int64, list of int)
        The rows that this process needs, repeated ones allowed, and the bounds: process r has ``bounds[r]:bounds[r + 1]``.

    Attributes
    ----------
    asked : list of Tensor of int64
        For each kind the rows that the processes ask this one for, counted from its first, in the order of processes.
    """

    def __init__(self, group: Group, *kinds: tuple[Tensor, list[int]]) -> None:
        self.group = group
        found = [torch.unique(index, return_inverse=True) for index, _ in kinds]  # ascending, and so by owner
        self._position = [position for _, position in found]
        cuts = [torch.searchsorted(rows, rows.new_tensor(b)) for (rows, _), (_, b) in zip(found, kinds, strict=True)]
        wanted = torch.stack([cut.diff() for cut in cuts], dim=1).cpu()  # (processes, kinds)
        each = [len(kinds)] * group.size
        told = group.exchanged(wanted.reshape(-1), each, each).view(group.size, -1)
        self._wanted: Counts = wanted.T.tolist()
        self._given: Counts = told.T.tolist()
        starts = [bounds[group.rank] for _, bounds in kinds]
        asked = self._swapped([rows for rows, _ in found], self._wanted, self._given)
        self.asked = [rows - start for rows, start in zip(asked, starts, strict=True)]

    def fetched(self, *rows: Tensor) -> list[Tensor]:
        """A row for each that is needed from a row for each of :attr:`asked`.

        Parameters
        ----------
        *rows : Tensor, shapes (n, d)
            Of all kinds in turn; there may be several turns. The gradients come back to where the rows have come from.

        Returns
        -------
        list of Tensor, shapes (m, d)
            In the order and with the repetitions of what was needed.
        """
        turns = len(rows) // len(self._position)
        came: tuple[Tensor, ...] = _Fetch.apply(self, turns, *rows)  # type: ignore[no-untyped-call]
        return [F.embedding(place, part) for place, part in zip(self._position * turns, came, strict=True)]

    def _swapped(self, parts: Sequence[Tensor], mine: Counts, theirs: Counts) -> list[Tensor]:
        """Send ``mine[kind][r]`` rows of each part to process r, and join what has come, in one message."""
        pieces = [torch.split(part, counts) for part, counts in zip(parts, mine, strict=True)]
        flat = torch.cat([piece.reshape(-1) for of_process in zip(*pieces, strict=True) for piece in of_process])
        widths = [part.shape[1:].numel() for part in parts]
        gives, gets = (
            [[n * width for n, width in zip(of_process, widths, strict=True)] for of_process in zip(*counts, strict=True)]
            for counts in (mine, theirs)
        )
        came = self.group.exchanged(flat, [sum(n) for n in gives], [sum(n) for n in gets])
        came_in = torch.split(came, [n for of_process in gets for n in of_process])
        return [torch.cat(came_in[k :: len(parts)]).view(-1, *part.shape[1:]) for k, part in enumerate(parts)]


class _Fetch(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, exchange: Exchange, turns: int, *rows: Tensor) -> tuple[Tensor, ...]:
        ctx.exchange, ctx.turns = exchange, turns
        return tuple(exchange._swapped(rows, exchange._given * turns, exchange._wanted * turns))

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        exchange, turns = ctx.exchange, ctx.turns
        return (None, None, *exchange._swapped(gradients, exchange._wanted * turns, exchange._given * turns))
