"""The command ``graphrec serve``."""

from __future__ import annotations

from pathlib import Path

import click

from graphrec.errors import InputError

__all__ = ["serve"]


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen at; others can reach 0.0.0.0.")
@click.option("--port", default=8000, show_default=True, type=click.IntRange(0, 65535), help="Port.")
@click.option("--items", type=click.Path(path_type=Path), help="CSV or Parquet: a row per item, with ids and titles.")
@click.option("--title", help="Column of titles in --items.")
@click.option("--image", help="Column of addresses of pictures in --items.")
def serve(run: Path, host: str, port: int, items: Path | None, title: str | None, image: str | None) -> None:
    """Answer over HTTP with a trained model, and show a page; a run that is replaced on disk is taken up."""
    try:
        import uvicorn

        from graphrec.serve.application import application
    except ImportError as error:
        raise InputError(f"serve needs {error.name}: pip install 'graphrec[serve]'.") from None
    from graphrec.report.names import read_items
    from graphrec.serve.answers import load_answers
    from graphrec.serve.live import Live

    table = None if items is None else read_items(items)
    live = Live(run, lambda folder, version: load_answers(folder, version, table, title, image))
    click.echo(f"serving {live.now.recommender.name} at http://{host}:{port}/ (Ctrl-C ends it)", err=True)
    uvicorn.run(application(live), host=host, port=port, log_level="warning", access_log=False, server_header=False)
