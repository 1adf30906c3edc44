"""Partial credit as an option of training: what items have in common, and what that is worth."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from graphrec.data.features import Features
from graphrec.errors import InputError
from graphrec.losses import metadata_credit

__all__ = ["Credit"]


@dataclass(frozen=True, eq=False)
class Credit:
    """Items whose metadata agree, and how much less such a negative is punished.

    Attributes
    ----------
    codes : Tensor of int64, shape (n_items, c)
        A column per kind of metadata and a code per value; a negative code is shared with nothing.
    weights : tuple of float, length c
        Each in [0, 1], and not above 1 together.

    Raises
    ------
    InputError
        Shapes do not fit, or a weight is out of range.
    """

    codes: Tensor
    weights: tuple[float, ...]

    def __post_init__(self) -> None:
        nothing = torch.zeros(0, dtype=torch.int64)
        metadata_credit(nothing, nothing, self.codes, self.weights)  # refuses what does not fit, before training begins

    @classmethod
    def of_first_labels(cls, features: Features, weights: Mapping[str, float]) -> Credit:
        """Credit for an equal first label in categorical columns of item features: ``{"genres": 0.4}``."""
        if features.side != "item":
            raise InputError(f"credit is for what items share, and these are features of {features.side}s.")
        if not weights:
            raise InputError("credit needs a weight for at least one column of the features.")
        columns = [features.first_label(column).codes for column in weights]
        return cls(torch.from_numpy(np.stack(columns, axis=1).astype(np.int64)), tuple(weights.values()))

    def between(self, positives: Tensor, negatives: Tensor) -> Tensor:
        """Credit of negatives (b, k) or (m,) beside their positives (b,), shape (b, k) or (b, m)."""
        held: dict[torch.device, Tensor] = self.__dict__.setdefault("_held", {})
        if positives.device not in held:
            held[positives.device] = self.codes.to(positives.device)
        return metadata_credit(positives, negatives, held[positives.device], self.weights)

    def to_dict(self) -> dict[str, Any]:
        """A record that can be written as JSON: the weights, and a checksum in place of the codes."""
        return {"weights": list(self.weights), "codes_crc32": zlib.crc32(self.codes.cpu().contiguous().numpy().tobytes())}
