"""A model in closed form that several processes solve together, each of which ends with the whole."""

from __future__ import annotations

import zlib
from collections.abc import Mapping

import torch
from torch import Tensor

from graphrec.distributed.group import Group
from graphrec.models.base import Solved

__all__ = ["solve_together"]


def solve_together(model: Solved, group: Group) -> None:
    """Solve a model once for all processes, in parts where it has some.

    What a part gives does not depend on where it is computed, but for rounding on processors of another kind: all then have
    what the writer has.

    Parameters
    ----------
    model : Solved
        Built from the same table in all processes.
    group : Group

    Raises
    ------
    InputError
        In all processes, where the model cannot be solved.
    """
    if model.solved_in_parts:
        model.together = group
        try:
            model.solve()
        finally:
            del model.together
        if _alike(model.state_dict(), group):
            return

    def made() -> Mapping[str, Tensor]:
        if not model.solved_in_parts:
            model.solve()
        state: Mapping[str, Tensor] = model.state_dict()
        return state

    found = group.tensors_from_writer(made)
    if not group.is_writer:
        model.load_state_dict(found)


def _alike(state: Mapping[str, Tensor], group: Group) -> bool:
    """Whether all processes have the same to the bit."""
    mark = 0
    for tensor in state.values():
        mark = zlib.crc32(tensor.detach().cpu().contiguous().numpy().data, mark)
    every = torch.stack(group.gathered(torch.tensor([mark])))
    return bool((every == every[0]).all())
