"""What an option of the objective is for, and the refusal of one that was given and is not read."""

from __future__ import annotations

from typing import Any

from graphrec import losses
from graphrec.errors import InputError
from graphrec.training.options import FitOptions

__all__ = ["READ_BY", "name_of", "refuse_unread"]

_PAIRWISE_NAMES = ", ".join(losses.PAIRWISE)
_SHARED_NAMES = " and ".join(losses.SHARED)
READ_BY: dict[str, str] = {
    "loss_options": "loss_options are arguments of a loss by name or of a function",
    "negatives": f"negatives are drawn for the pairwise losses ({_PAIRWISE_NAMES}), for {_SHARED_NAMES}",
    "n_negatives": f"n_negatives is for negatives that are drawn, as for the pairwise losses ({_PAIRWISE_NAMES}) and for "
    f"{_SHARED_NAMES}",
    "shared_negatives": f"shared_negatives is for the pairwise losses ({_PAIRWISE_NAMES}) and negatives that are drawn by name",
    "popularity_power": "popularity_power is for negatives='popularity'",
    "log_q": "log_q corrects the losses 'softmax' and 'shared_softmax' for how their negatives are drawn",
    "credit": f"credit is for negatives of pairwise losses ({_PAIRWISE_NAMES})",
    "pairs": f"pairs is for the pairwise losses ({_PAIRWISE_NAMES}) and for {', '.join(losses.EMBEDDING)}",
    "batch_size": "batch_size is for the losses of the library and functions; an objective of one's own makes its own batches",
    "fanout": "fanout draws neighbours of the nodes of a batch, for the losses that look at no others "
    f"({', '.join((*losses.PAIRWISE, *losses.POINTWISE, *losses.SHARED, *losses.EMBEDDING))})",
    "l2": "l2 is a penalty on the rows that a loss looks at, while weight_decay is felt under every loss",
}
_NEUTRAL: dict[str, Any] = {
    "loss_options": {},
    "negatives": None,
    "shared_negatives": False,
    "log_q": False,
    "credit": None,
    "fanout": None,
    "l2": 0,
}


def refuse_unread(options: FitOptions, reads: frozenset[str]) -> None:
    """Refuse an option of the objective that was given, asks for something, and is not read."""
    for name, sentence in READ_BY.items():
        value = getattr(options, name)
        if name in reads or name not in (options.given or ()) or (name in _NEUTRAL and value == _NEUTRAL[name]):
            continue
        beside = "" if "negatives" not in reads else f" with negatives={name_of(options.negatives)!r}"
        raise InputError(f"{sentence}; it does nothing for loss={name_of(options.loss)!r}{beside}.")


def name_of(value: Any) -> str:
    """A name or the name of a function or of an object's class."""
    return value if isinstance(value, str) else getattr(value, "__name__", type(value).__name__)
