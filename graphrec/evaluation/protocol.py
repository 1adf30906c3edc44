"""How figures came about: what was ranked, what was left out, and on which pairs."""

from __future__ import annotations

from dataclasses import dataclass

from graphrec.data.interactions import Interactions

__all__ = ["Protocol"]


@dataclass(frozen=True)
class Protocol:
    """What two reports must agree in before their figures can be compared.

    Attributes
    ----------
    ranked : str
        What was ranked and how ties were treated, a sentence without its full stop.
    left_out : str
        Fingerprint of the pairs that were not ranked (the mask, usually train and validation); empty if there were none.
    pairs : str
        Fingerprint of the test pairs.
    negatives : int or None
        For the sampled protocol: how many items were drawn for each test pair.
    seed : int or None
        For the sampled protocol: of the draw.
    """

    ranked: str
    left_out: str
    pairs: str
    negatives: int | None = None
    seed: int | None = None

    @classmethod
    def of(
        cls,
        ranked: str,
        left_out: Interactions | None,
        pairs: Interactions,
        negatives: int | None = None,
        seed: int | None = None,
    ) -> Protocol:
        """The protocol of tables; `left_out` may be None or empty."""
        mask = left_out.fingerprint if left_out is not None and len(left_out) else ""
        return cls(ranked, mask, pairs.fingerprint, negatives, seed)

    def differences(self, other: Protocol) -> list[str]:
        """What is not the same in another protocol, each in a clause; nothing if the figures can be compared."""
        found = []
        if self.ranked != other.ranked:
            found.append(f"ranked differently ({self.ranked!r} and {other.ranked!r})")
        if self.left_out != other.left_out:
            found.append(
                "ranked with other pairs left out (mask): the items counted as seen are not the same"
                if self.left_out and other.left_out
                else "ranked with other pairs left out (mask): only one of them left out items seen before"
            )
        if self.pairs != other.pairs:
            found.append("measured on other test pairs")
        if self.negatives != other.negatives:
            found.append(f"ranked among {_drawn(self.negatives)} and {_drawn(other.negatives)} items")
        elif self.seed != other.seed:
            found.append(f"ranked among items drawn with other seeds ({self.seed} and {other.seed})")
        return found

    def __str__(self) -> str:
        drawn = "" if self.negatives is None else f"; {self.negatives} items drawn for each, seed {self.seed}"
        return f"{self.ranked[:1].upper()}{self.ranked[1:]}{drawn}."


def _drawn(negatives: int | None) -> str:
    return "all" if negatives is None else f"{negatives} drawn"
