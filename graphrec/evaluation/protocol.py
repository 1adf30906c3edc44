"""What was ranked, so that only like is compared with like."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Protocol"]


@dataclass(frozen=True)
class Protocol:
    """How the figures of a report came about.

    Attributes
    ----------
    ranked : str
        What was ranked, a sentence without its full stop.
    left_out : str
        Fingerprint of the pairs that were not ranked; "" if none.
    pairs : str
        Fingerprint of the test pairs.
    negatives, seed : int or None
        Of the sampled protocol.
    """

    ranked: str
    left_out: str
    pairs: str
    negatives: int | None = None
    seed: int | None = None

    def __str__(self) -> str:
        return f"Ranked: {self.ranked}."
