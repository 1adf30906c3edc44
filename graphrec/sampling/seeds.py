"""From a torch generator to the seed of a whole sequence of draws."""

from __future__ import annotations

import numpy as np
import torch

__all__ = ["draw_seed"]


def draw_seed(generator: torch.Generator) -> np.uint64:
    """63 random bits, which is all that a sequence of draws takes from a generator."""
    return np.uint64(torch.randint(2**63 - 1, (1,), generator=generator).item())
