"""The command ``graphrec serve``."""

from __future__ import annotations

import contextlib
import os
import socket
from pathlib import Path

import click

from graphrec.errors import InputError

__all__ = ["serve"]


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen at; others can reach 0.0.0.0.")
@click.option("--port", default=8000, show_default=True, type=click.IntRange(0, 65535), help="Port; 0 for any that is free.")
@click.option(
    "--allow-host",
    "hosts",
    multiple=True,
    metavar="NAME",
    help="A name by which it may be asked, beside localhost, --host and addresses in numbers; may be given several times; "
    "* for any.",
)
@click.option("--items", type=click.Path(path_type=Path), help="CSV or Parquet: a row per item, with ids and titles.")
@click.option("--title", help="Column of titles in --items.")
@click.option("--image", help="Column of addresses of pictures in --items.")
def serve(
    run: Path, host: str, port: int, hosts: tuple[str, ...], items: Path | None, title: str | None, image: str | None
) -> None:
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
    with _bound(host, port) as listening:
        live = Live(run, lambda folder, version: load_answers(folder, version, table, title, image))
        config = uvicorn.Config(
            application(live, hosts=(host, *hosts)), log_level="warning", access_log=False, server_header=False
        )
        listening.listen(2048)
        name, port = f"[{host}]" if ":" in host else host, listening.getsockname()[1]
        click.echo(f"serving {live.now.recommender.name} at http://{name}:{port}/ (Ctrl-C ends it)", err=True)
        with contextlib.suppress(KeyboardInterrupt):
            uvicorn.Server(config).run(sockets=[listening])


def _bound(host: str, port: int) -> socket.socket:
    """A socket of the address: one that is taken is said before a model is loaded."""
    made = None
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        made = socket.socket(family, kind, protocol)
        if os.name == "posix":  # of an address that was in use a moment ago; elsewhere it would share it
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(address)
    except OSError as error:
        if made is not None:
            made.close()
        raise InputError(f"cannot listen at {host}, port {port}: {error.strerror or error}.") from None
    return made
