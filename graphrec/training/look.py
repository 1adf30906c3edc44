"""What `fit` measures on the validation part: the metrics that were asked for, and the loss where that is an error."""

from __future__ import annotations

from graphrec.data.interactions import Interactions
from graphrec.evaluation.validation import ERRORS, Validation
from graphrec.models.base import Model
from graphrec.training.options import FitOptions

__all__ = ["Look"]


class Look:
    """Measures ``options.metrics``, and beside an error of ratings also ``valid_loss`` if MSE is what is trained.

    Parameters
    ----------
    options : FitOptions
    train : Interactions
        Items that are not ranked.

    Raises
    ------
    InputError
        An unknown metric.
    """

    def __init__(self, options: FitOptions, train: Interactions) -> None:
        self.metrics = options.metrics
        self.with_loss = options.loss == "mse" and any(metric in ERRORS for metric in self.metrics)
        wanted = [*self.metrics, "mse"] if self.with_loss else self.metrics
        self.validation = Validation(list(dict.fromkeys(wanted)), train)

    def __call__(self, model: Model, held_out: Interactions) -> dict[str, float]:
        """Values by name, ``valid_loss`` first."""
        values = self.validation(model, held_out)
        loss = {"valid_loss": values["mse"]} if self.with_loss else {}
        return {**loss, **{metric: values[metric] for metric in self.metrics}}
