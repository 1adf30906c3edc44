"""What ``train`` tells of the epoch that was kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from graphrec.recommender import Recommender

__all__ = ["tell_kept"]

_WORTH_STOPPING = 10  # epochs: fewer are over soon


def tell_kept(recommender: Recommender, refit: bool) -> None:
    """Say which epoch validation chose, if it did, and how to end a training that has long been best.

    Parameters
    ----------
    recommender : Recommender
        Fitted.
    refit : bool
        Whether it was trained again for so many epochs.
    """
    best, history = recommender.best_epoch, recommender.history
    if best is None or not recommender.selected:
        return
    ran = len(history)
    chosen = recommender.options["metric"]
    metrics = [chosen] if isinstance(chosen, str) else [*(chosen or ("ndcg@20", "rmse"))]
    row = history.iloc[best - 1]
    told = next((f": {name} {row[name]:.4f}" for name in metrics if name in history), "")
    click.echo(
        f"kept epoch {best:,} of {ran:,}{told}{', and trained again for so many, with the validation pairs' if refit else ''}"
    )
    if best == ran > 1 and history["eval_seconds"].notna().sum() == 1:
        click.echo(
            "note: only the last epoch was looked at on validation; --set eval_every=1 looks at each and keeps the best.",
            err=True,
        )
    if recommender.options["patience"] is None and ran >= _WORTH_STOPPING and 2 * best <= ran:
        click.echo("note: the best epoch came early; --set patience=10 ends a training that no longer gains.", err=True)
