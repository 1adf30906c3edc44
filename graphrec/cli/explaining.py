"""The command ``graphrec explain``."""

from __future__ import annotations

import io
from pathlib import Path

import click

from graphrec.errors import InputError

__all__ = ["explain"]

_FORMATS = (".png", ".svg", ".pdf")


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--user", required=True, help="A user's id.")
@click.option("--item", required=True, help="An item's id.")
@click.option("-n", "n", default=10, show_default=True, type=click.IntRange(1), help="How many parts are listed.")
@click.option("--device", default="cpu", show_default=True, help="Where to compute: cpu, auto, cuda, cuda:1 or mps.")
@click.option("--out", type=click.Path(path_type=Path), help="A picture of the paths: .png, .svg or .pdf.")
def explain(run: Path, user: str, item: str, n: int, device: str, out: Path | None) -> None:
    """Say what the score of a user with an item is made of: the parts add up to it, the largest stand first.

    n_paths: how many other people have met both the item of the row and --item, that is how many paths of three steps lead
    over them. It is 0 where a row is about no item of the user's (an own embedding, a remainder), for such a row is no sum
    over paths. A blend's scores say how much better than a user's average item one is: what that one has is taken away in one
    row, "level of an average item", the same for all items of the user.
    """
    import graphrec as gr
    from graphrec.folder_files import check_not_its_own
    from graphrec.report.names import typed_id
    from graphrec.tensor_files import replace_file

    if out is not None and (out.suffix not in _FORMATS or not out.parent.is_dir() or out.is_dir()):
        raise InputError(
            f"--out {out} must be a file in a folder that is there, with a name that ends in {', '.join(_FORMATS)}."
        )
    if out is not None:
        check_not_its_own(out)
    recommender = gr.load(run, device=device)
    train = recommender.train
    who, what = typed_id(user, train.user_ids, "user"), typed_id(item, train.item_ids, "item")
    parts = recommender.explain(who, what)
    shown = parts.reindex(parts["contribution"].abs().sort_values(ascending=False, kind="stable").index).head(n)
    if recommender.titles is not None:
        titles = recommender.titles.reindex(shown["item_id"].tolist()).fillna("")
        shown = shown.assign(title=titles.to_numpy(object))
    click.echo(shown.to_string(index=False, na_rep=""))
    rest = parts["contribution"].sum() - shown["contribution"].sum()
    more = f"; {len(parts) - len(shown):,} more parts add up to {rest:.4g}" if len(parts) > len(shown) else ""
    click.echo(f"score {parts['contribution'].sum():.4g}{more}")
    if out is not None:
        body = io.BytesIO()
        gr.plot_paths(recommender, who, what).savefig(body, dpi=120, format=out.suffix[1:])
        replace_file(out, body.getvalue())
        click.echo(f"paths drawn in {click.format_filename(out)}")
